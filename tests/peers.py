"""The same app migrated by four tools, and the same cases measured with each of them.

``python tests/peers.py`` prints the results as a table. Each tool makes its migrations folder by its
own command, from its own template; processes and databases are real.
"""

import logging
import shutil
import sqlite3
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from subprocess import CompletedProcess, TimeoutExpired
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import servers
from kit import ENVIRONMENT, render, run
from sqlalchemy import URL

logger = logging.getLogger("peers")

REPLICAS = 8
# In seconds; far longer than any run takes that ends by itself.
TIMEOUT = 90


@dataclass(frozen=True)
class Tool:
    """What differs between the tools."""

    title: str
    init: tuple[str, ...]  # with `python -m`: makes the migrations folder
    command: tuple[str, ...]  # with `python -m`, before "upgrade head"
    versions: str  # the folder with the revisions
    upgrade: str  # migrates the current app inside a process
    autogenerate: tuple[str, ...]  # after the command: writes a revision from the models
    extension: str = "pass"  # what the app's factory does for the tool
    several: tuple[str, ...] = ()  # what `init` is told when there are several databases


FLASK_DB = ("flask", "--app", "shop", "db")

TOOLS = {
    "kit": Tool(
        title="this kit",
        init=(),
        command=("alembic",),
        versions="shop/migrations/versions",
        upgrade="from alembic import command; from shop.migrations import alembic_config; "
        "command.upgrade(alembic_config(), 'head')",
        autogenerate=("revision", "--autogenerate", "-m", "x"),
    ),
    "flask-migrate": Tool(
        title=f"Flask-Migrate {version('flask-migrate')}",
        init=(*FLASK_DB, "init"),
        command=FLASK_DB,
        versions="migrations/versions",
        upgrade="import flask_migrate; flask_migrate.upgrade()",
        autogenerate=("migrate", "-m", "x"),
        extension="import flask_migrate; flask_migrate.Migrate(app, db)",
        several=("--multidb",),
    ),
    "flask-alembic": Tool(
        title=f"Flask-Alembic {version('flask-alembic')}",
        init=(*FLASK_DB, "mkdir"),
        command=FLASK_DB,
        versions="shop/migrations",
        upgrade="app.extensions['alembic'].upgrade()",
        autogenerate=("revision", "x"),
        extension="import flask_alembic; flask_alembic.Alembic(app, metadatas="
        "{name or 'default': metadata for name, metadata in db.metadatas.items()})",
    ),
    "plain": Tool(
        title=f"plain Alembic {version('alembic')}",
        init=("alembic", "init", "migrations"),
        command=("alembic",),
        versions="migrations/versions",
        upgrade="from alembic import command, config; "
        "command.upgrade(config.Config('alembic.ini'), 'head')",
        autogenerate=("revision", "--autogenerate", "-m", "x"),
        several=("--template", "multidb"),
    ),
}

FACTORY = """\
from flask import Flask

from . import models
from .config import from_environment
from .db import db


def create_app():
    app = Flask(__name__)
    app.config.from_mapping(from_environment())
    db.init_app(app)
    {extension}
    return app
"""

# What the env.py of `alembic init` gets for the line in which `target_metadata` is empty.
PLAIN_METADATA = {
    "generic": """\
from shop import create_app
from shop.db import db

target_metadata = db.metadata
url = create_app().config["SQLALCHEMY_DATABASE_URI"]
config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
""",
    "multidb": """\
from shop import create_app
from shop.db import db

app = create_app()
urls = {"default": app.config["SQLALCHEMY_DATABASE_URI"], **app.config["SQLALCHEMY_BINDS"]}
for name, url in urls.items():
    config.set_section_option(name, "sqlalchemy.url", url.replace("%", "%%"))
db_names = ", ".join(urls)
target_metadata = {**db.metadatas, "default": db.metadata}
""",
}

REVISION = """\
'''Revision {number}'''

import time

import sqlalchemy as sa
from alembic import op

revision = "r{number}"
down_revision = {previous!r}


def upgrade():
"""

# The body of a revision that makes the tables of the models.
CREATE_ALL = "from shop.db import db\ndb.metadata.create_all(op.get_bind())"


@dataclass
class Peer:
    """The app with one of the tools."""

    tool: Tool
    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "app.db"

    @property
    def url(self) -> URL:
        return URL.create("sqlite", database=self.database.as_posix())

    def python(
        self, *arguments: str, url: URL | None = None, **options: Any
    ) -> CompletedProcess[str]:
        """Run Python with the app on a database, its own file if none is given."""
        environment = {
            **ENVIRONMENT,
            "DATABASE_URL": (url or self.url).render_as_string(hide_password=False),
        }
        options = {"cwd": self.folder, "timeout": TIMEOUT, **options}
        return run(sys.executable, *arguments, env=environment, **options)

    def upgrade(self, **options: Any) -> CompletedProcess[str]:
        """Run ``upgrade head``."""
        return self.python("-m", *self.tool.command, "upgrade", "head", **options)

    def revise(self, *bodies: str) -> None:
        """Write the revisions, each with this body of ``upgrade()``, over those there were."""
        for number, body in enumerate(bodies):
            previous = f"r{number - 1}" if number else None
            text = REVISION.format(number=number, previous=previous) + textwrap.indent(body, "    ")
            path = self.folder / self.tool.versions / f"r{number}.py"
            path.write_text(text, encoding="utf-8")

    def extend_models(self, code: str) -> None:
        """Add code that every process of the app runs when it imports the models."""
        with (self.folder / "shop" / "models.py").open("a", encoding="utf-8") as models:
            models.write(code)

    def copy(self, folder: Path) -> "Peer":
        """Return a copy in another folder."""
        return Peer(self.tool, Path(shutil.copytree(self.folder, folder / self.folder.name)))

    def make_tables(self, **options: Any) -> None:
        """Make the tables of the models by a revision, the only one."""
        self.revise(CREATE_ALL)
        if self.tool is TOOLS["flask-alembic"]:  # it wants a branch of this name
            with (self.folder / self.tool.versions / "r0.py").open("a") as revision:
                revision.write('\n\nbranch_labels = ("default",)\n')
        self.upgrade(**options)

    def count(self, table: str) -> int:
        """Return the number of rows of a table in the app's own file."""
        with closing(sqlite3.connect(self.database)) as connection:
            (number,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(number)


def build(name: str, folder: Path, variant: str = "generic") -> Peer:
    """Make the app with a tool and without revisions: that of the kit, or its models elsewhere."""
    tool = TOOLS[name]
    answers = {"project": "shop", "variant": variant}
    rendered = render(folder / "kit", answers, accept_hooks=False)
    if name == "kit":
        for revision in rendered.versions.glob("*.py"):
            revision.unlink()
        return Peer(tool, rendered.folder)
    peer = Peer(tool, folder / name / "shop")  # as deep as the kit's
    package = peer.folder / "shop"
    package.mkdir(parents=True)
    for file in ("config.py", "db.py", "models.py"):
        shutil.copy(rendered.folder / "shop" / file, package)
    (package / "__init__.py").write_text(FACTORY.format(extension=tool.extension), encoding="utf-8")
    peer.python("-m", *tool.init, *(tool.several if variant == "multidb" else ()))
    if name == "plain":
        env = peer.folder / "migrations" / "env.py"
        empty = "\ntarget_metadata = {}\n".format("{}" if variant == "multidb" else None)
        text = env.read_text(encoding="utf-8")
        assert text.count(empty) == 1
        env.write_text(text.replace(empty, f"\n{PLAIN_METADATA[variant]}"), encoding="utf-8")
    return peer


def works(command: Callable[..., object], *arguments: Any, **options: Any) -> bool:
    """Say whether a command exits with 0; one that hangs is killed. What it said is logged."""
    try:
        command(*arguments, **options)
    except (AssertionError, TimeoutExpired) as error:
        logger.info(error)
        return False
    return True


ENFORCE_FOREIGN_KEYS = """
from sqlalchemy import Engine, event


@event.listens_for(Engine, "connect")
def enforce_foreign_keys(connection, record):
    connection.execute("PRAGMA foreign_keys=ON")
"""
MAKE_FAMILY = """
op.execute("CREATE TABLE parents (id INTEGER PRIMARY KEY, name VARCHAR)")
op.execute("CREATE TABLE children (parent_id INTEGER REFERENCES parents ON DELETE CASCADE)")
op.execute("INSERT INTO parents VALUES (1, 'Ada')")
op.execute("INSERT INTO children VALUES " + ", ".join(["(1)"] * 100))
"""
ALTER_PARENTS = """
with op.batch_alter_table("parents") as batch_op:
    batch_op.alter_column("name", type_=sa.String(80))
"""


def children_left(peer: Peer) -> int:
    """Return how many rows remain that refer to a table which batch mode replaces."""
    peer.extend_models(ENFORCE_FOREIGN_KEYS)
    peer.revise(MAKE_FAMILY, ALTER_PARENTS)
    peer.upgrade()
    assert peer.count("parents") == 1
    return peer.count("children")


TITLE = "title: Mapped[str] "
OPTIONAL = "title: Mapped[str | None] "


def autogenerate(peer: Peer, before: str, after: str, *answer: str) -> None:
    """Change a line of the models, with 100 posts in the database, and write the revision.

    :param answer: what the kit is told, as nobody sits at a terminal; the others ask nothing
    """
    models = peer.folder / "shop" / "models.py"
    text = models.read_text(encoding="utf-8")
    assert text.count(TITLE) == 1
    models.write_text(text.replace(TITLE, before), encoding="utf-8")
    peer.make_tables()
    with closing(sqlite3.connect(peer.database)) as connection, connection:
        connection.execute("INSERT INTO users (id, name) VALUES (1, 'Ada')")
        posts = [(f"title {number}", 1) for number in range(100)]
        connection.executemany("INSERT INTO posts (title, author_id) VALUES (?, ?)", posts)
    models.write_text(text.replace(TITLE, after), encoding="utf-8")
    answer = answer if peer.tool is TOOLS["kit"] else ()
    peer.python("-m", *peer.tool.command, *answer, *peer.tool.autogenerate)


def values_left(peer: Peer) -> int:
    """Return how many values remain of a column that is renamed in the model."""
    renamed = OPTIONAL.replace("title", "headline")
    autogenerate(peer, OPTIONAL, renamed, "-x", "rename=posts.title:headline")
    peer.upgrade()
    return peer.count("posts WHERE headline IS NOT NULL")


def new_column_works(peer: Peer) -> bool:
    """Say whether a new column that is NOT NULL gets into a table with rows."""
    added = f"body: Mapped[str]\n    {TITLE}"
    autogenerate(peer, TITLE, added, "-x", "fill=posts.body:none")
    return works(peer.upgrade) and peer.count("posts WHERE body = 'none'") == 100


def old_code_starts(peer: Peer) -> bool:
    """Say whether ``upgrade head`` of old code works where newer code has migrated."""
    peer.revise(MAKE_THINGS, "pass")
    peer.upgrade()
    (peer.folder / peer.tool.versions / "r1.py").unlink()
    return works(peer.upgrade)


def edit_is_seen(peer: Peer) -> bool:
    """Say whether ``upgrade head`` names a revision that was edited after it had been applied."""
    peer.revise(MAKE_THINGS)
    peer.upgrade()
    peer.revise("pass")
    done = peer.upgrade()
    return "edited" in done.stdout + done.stderr


MAKE_THINGS = """
op.create_table("things", sa.Column("name", sa.String(80)))
op.execute("INSERT INTO things VALUES ('one'), ('two')")
"""


def fail_half_way(peer: Peer) -> None:
    """Run an upgrade that fails after it has made a table and written to it."""
    peer.revise(f"{MAKE_THINGS}\nraise RuntimeError('half-way')")
    done = peer.upgrade(status=None)
    assert "half-way" in done.stderr, done.stderr


def tables_left(peer: Peer) -> int:
    """Return how many tables an upgrade leaves that failed."""
    fail_half_way(peer)
    return peer.count("sqlite_master WHERE type = 'table'")


def mended_revision_works(peer: Peer) -> bool:
    """Say whether the upgrade works after all when the revision that failed has been mended."""
    fail_half_way(peer)
    peer.revise(MAKE_THINGS)
    return works(peer.upgrade) and peer.count("things") == 2


# They meet when all are connected, right before the first look at the database: to start takes a
# process longer than to migrate, and on a busy machine some would find everything done.
MEET = """
import os
import time
from pathlib import Path

from sqlalchemy import Engine, event

connected = Path({folder!r})


@event.listens_for(Engine, "connect")
def wait_for_all(connection, record):
    (connected / str(os.getpid())).touch()
    while len(list(connected.iterdir())) < {number}:
        time.sleep(0.01)
"""
MAKE_THINGS_SLOWLY = f"{MAKE_THINGS}\ntime.sleep(1)"
MAKE_INDEX = """
with op.get_context().autocommit_block():
    op.create_index("ix_things_name", "things", ["name"], postgresql_concurrently=True)
"""


def replicas(peer: Peer, dialect: str, number: int = REPLICAS) -> int:
    """Return how many processes exit with 0 that migrate an empty database at the same moment."""
    connected = peer.folder / "connected"
    connected.mkdir()
    peer.extend_models(MEET.format(folder=str(connected), number=number))
    peer.revise(MAKE_THINGS_SLOWLY, MAKE_INDEX)
    with (
        servers.database(dialect, peer.folder) as url,
        ThreadPoolExecutor(number) as pool,
    ):
        return sum(pool.map(lambda _: works(peer.upgrade, url=url), range(number)))


UPGRADE_INSIDE = """
from shop import create_app

app = create_app()
app.logger.warning("logs before")
with app.app_context():
    {upgrade}
app.logger.warning("logs after")
"""


def app_still_logs(peer: Peer) -> bool:
    """Say whether the app's logger works after an upgrade inside its process."""
    peer.revise(MAKE_THINGS)
    logged = peer.python("-c", UPGRADE_INSIDE.format(upgrade=peer.tool.upgrade)).stderr
    assert "logs before" in logged
    assert peer.count("things") == 2
    return "logs after" in logged


def alembic_works(peer: Peer) -> bool:
    """Say whether ``alembic`` works where its configuration is, if there is one."""
    ini = next(peer.folder.rglob("alembic.ini"), peer.folder / "alembic.ini")
    return works(peer.python, "-m", "alembic", "current", cwd=ini.parent)


@dataclass(frozen=True)
class Case:
    """Something to measure."""

    title: str
    measure: Callable[[Peer], int]
    wanted: int
    others: tuple[str, ...] = ()  # tools beside the kit with which it is as wanted


CASES = {
    "foreign-keys": Case(
        "SQLite, `PRAGMA foreign_keys=ON`: a parent table is altered in batch mode; "
        "rows left of its 100 `ON DELETE CASCADE` children",
        children_left,
        100,
    ),
    "rename": Case(
        "A column is renamed in the model, a revision written by autogenerate and run; "
        "values left of 100",
        values_left,
        100,
    ),
    "fill": Case(
        "A new column is NOT NULL, the table has rows, the revision is written by autogenerate: "
        "`upgrade head` works",
        new_column_works,
        True,
    ),
    "newer": Case(
        "Newer code has migrated the database: `upgrade head` of the old code works",
        old_code_starts,
        True,
    ),
    "edited": Case(
        "A revision is edited after it was applied: `upgrade head` names it", edit_is_seen, True
    ),
    "failure": Case("SQLite: tables left by an upgrade that failed", tables_left, 0),
    "mended": Case(
        "SQLite: `upgrade head` works when the revision that failed is mended",
        mended_revision_works,
        True,
    ),
    **{
        f"replicas-{dialect}": Case(
            f"{REPLICAS} processes run `upgrade head` at once on {on}: how many succeed",
            partial(replicas, dialect=dialect),
            REPLICAS,
        )
        for dialect, on in {
            "postgresql": "PostgreSQL, with a `CREATE INDEX CONCURRENTLY`",
            "mysql": "MySQL or MariaDB",
            "sqlite": "SQLite",
        }.items()
    },
    "loggers": Case(
        "The app still logs after an upgrade inside its process",
        app_still_logs,
        True,
        ("flask-alembic",),
    ),
    "without-flask": Case(
        "`alembic current` works, without `flask`", alembic_works, True, ("plain",)
    ),
}


def cell(case: Case, tool: str) -> str:
    """Return what is measured, as a cell of the table."""
    with TemporaryDirectory() as folder:
        try:
            measured = case.measure(build(tool, Path(folder)))
        except pytest.skip.Exception:
            return "no server"
    return ("no", "yes")[measured] if case.wanted is True else str(measured)


def main() -> None:
    """Print the table."""
    print("| case |", *(f"{tool.title} |" for tool in TOOLS.values()))
    print("| --- |", *("--- |" for _ in TOOLS))
    for case in CASES.values():
        print(f"| {case.title} |", *(f"{cell(case, tool)} |" for tool in TOOLS))
    installed = [f"{name} {version(name)}" for name in ("Alembic", "SQLAlchemy", "Flask")]
    print(f"\nMeasured with {', '.join(installed)} and Python {python_version()}.")


if __name__ == "__main__":
    main()
