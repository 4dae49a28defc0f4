"""An app comes with the revisions and the rows that it has, whoever made them."""

import re
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from kit import Project, run
from peers import TOOLS, Peer, build
from recipes import (
    DIALECTS,
    HISTORY,
    Databases,
    empty_databases,
    follow,
    on_each_dialect,
    recipe,
    section,
    there_and_back,
    to_empty_and_back,
    using,
    write_rows,
)

USERS = ["INSERT INTO users (id, name) VALUES (1, 'Ada'), (2, 'Bob')"]
POSTS = [
    "INSERT INTO posts (id, title, author_id) VALUES (1, 'One', 1), (2, 'Two', 1), (3, 'Three', 2)"
]
STATEMENTS = {
    "generic": {"default": USERS + POSTS},
    "multidb": {"default": POSTS, "auth": USERS},
}
ROWS = {
    "generic": {"default": {"users": 2, "posts": 3}},
    "multidb": {"default": {"posts": 3}, "auth": {"users": 2}},
}

REVISE = {
    "flask-migrate": "db migrate -m",
    "flask-alembic": "db revision",
    "plain": "revision --autogenerate -m",
}
SECTIONS = {
    "flask-migrate": "From Flask-Migrate",
    "flask-alembic": "From Flask-Alembic",
    "plain": "From alembic init",
}
COMMANDS = """
import sys
from {module} import {main}

for line in sys.argv[1:]:
    {main}{call}
"""
BY_FLASK = COMMANDS.format(
    module="flask.cli",
    main="cli",
    call=".main(['--app', 'shop', *line.split()], standalone_mode=False)",
)
BY_ALEMBIC = COMMANDS.format(module="alembic.config", main="main", call="(line.split())")


def use(peer: Peer, databases: Databases, *commands: str) -> None:
    """Run commands of the tool in one process."""
    script = BY_FLASK if "flask" in peer.tool.command else BY_ALEMBIC
    run(sys.executable, "-c", script, *commands, cwd=peer.folder, env=using(databases))
    if peer.tool is TOOLS["flask-alembic"]:
        time.sleep(1)  # the second is the id of its next revision


@pytest.fixture(scope="session")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Peer]:
    """Return an app with two revisions that a tool has written; not to be changed."""

    def write(tool: str, variant: str) -> Peer:
        folder = tmp_path_factory.mktemp(f"{tool}-{variant}")
        peer = build(tool, folder, variant)
        upgrade = "upgrade head" if tool == "plain" else "db upgrade"
        with empty_databases("sqlite", folder / "databases", *ROWS[variant]) as databases:
            use(peer, databases, f"{REVISE[tool]} first", upgrade)
            models = peer.folder / "shop" / "models.py"
            text = models.read_text(encoding="utf-8")
            column = '__tablename__ = "posts"\n\n    body: Mapped[str | None]'
            models.write_text(text.replace('__tablename__ = "posts"\n', column), encoding="utf-8")
            use(peer, databases, f"{REVISE[tool]} second", upgrade)
        return peer

    return cache(write)


@pytest.fixture
def databases(variant: str, tmp_path: Path) -> Iterator[list[Databases]]:
    """The databases of an app, all empty: on SQLite, and on PostgreSQL."""
    with on_each_dialect(tmp_path / "databases", *ROWS[variant]) as databases:
        yield databases


@pytest.mark.parametrize(
    ("tool", "variant"),
    [
        ("flask-migrate", "generic"),
        ("flask-migrate", "multidb"),
        ("flask-alembic", "generic"),
        ("flask-alembic", "multidb"),
        ("plain", "generic"),
    ],
)
def test_revisions_of_another_tool_run_as_they_are(
    tool: str,
    variant: str,
    databases: list[Databases],
    histories: Callable[[str, str], Peer],
    tmp_path: Path,
) -> None:
    peer = histories(tool, variant).copy(tmp_path)
    for each in databases:
        use(peer, each, "upgrade head" if tool == "plain" else "db upgrade")
        write_rows(each, STATEMENTS[variant])
    leave(peer)

    commands = recipe(SECTIONS[tool]).replace("variant=generic", f"variant={variant}")
    follow(commands, peer.folder, databases[0])

    there_and_back(peer.folder, databases, ROWS[variant])


def leave(peer: Peer) -> None:
    """Take the tool out of the app."""
    factory = peer.folder / "shop" / "__init__.py"
    text = factory.read_text(encoding="utf-8")
    assert peer.tool.extension in text
    factory.write_text(text.replace(peer.tool.extension, ""), encoding="utf-8")


# The two public shapes of an app, each with the lines of the recipe's table.
EXTENSIONS = {
    "shop/__init__.py": """\
import os

from flask import Flask

from shop.extensions import db


def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    db.init_app(app)
    from shop import models

    return app
""",
    "shop/extensions.py": """\
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()
""",
    "shop/models.py": """\
from shop.extensions import db


class User(db.Model):
    __tablename__ = "users"

    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(80), unique=True, nullable=False)


class Post(db.Model):
    __tablename__ = "posts"

    id = db.Column(db.Integer, primary_key=True)
    title = db.Column(db.String(200))
    author_id = db.Column(db.ForeignKey("users.id"), nullable=False, index=True)
""",
}
MODULE = {
    "app.py": """\
import os

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
db = SQLAlchemy(app)
"""
    + EXTENSIONS["shop/models.py"].partition("db\n")[2],
}


@pytest.mark.parametrize("variant", ["generic"])
@pytest.mark.parametrize(
    ("files", "make"),
    [(EXTENSIONS, "create_app()"), (MODULE, "app")],
    ids=["create_app and extensions.py", "app.py"],
)
def test_app_without_history(
    files: dict[str, str], make: str, databases: list[Databases], tmp_path: Path
) -> None:
    """Its tables are from ``db.create_all()``, its rows from before."""
    folder = tmp_path / "work" / "app"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    imports = lines_for(min(files))
    for each in databases:
        create_all(folder, each, *imports, make)
        write_rows(each, STATEMENTS["generic"])

    follow(recipe("An app that exists"), folder)
    assert all((folder / name).read_text(encoding="utf-8") == files[name] for name in files)
    env = folder / "shop" / "migrations" / "env.py"
    text = env.read_text(encoding="utf-8")
    for old, new in zip(lines_for("shop/db.py"), imports, strict=True):
        assert text.count(f"{old}\n") == 1
        text = text.replace(f"{old}\n", f"{new}\n")
    env.write_text(
        text.replace("app_context(create_app)", f"app_context(lambda: {make})"), encoding="utf-8"
    )

    begin_history(folder, databases, "generic", tmp_path)


@pytest.mark.parametrize("variant", ["multidb"])
def test_several_databases_without_history(
    multidb: Project, databases: list[Databases], tmp_path: Path
) -> None:
    next(multidb.versions.glob("*.py")).unlink()
    imports = f"from {multidb.package} import create_app", f"from {multidb.package}.db import db"
    for each in databases:
        create_all(multidb.folder, each, *imports, "create_app()")
        write_rows(each, STATEMENTS["multidb"])

    begin_history(multidb.folder, databases, "multidb", tmp_path)


def lines_for(file: str) -> tuple[str, str]:
    """Return the lines of env.py for an app with this file; for db.py, those that it has."""
    if file == "shop/db.py":
        return "from shop import create_app", "from shop.db import db"
    text = HISTORY.read_text(encoding="utf-8")
    ((first, second),) = re.findall(
        rf"^\| .*`{file}`.* \| `(.*)`<br>`(.*)` \|$", text, re.MULTILINE
    )
    return first, second


def create_all(folder: Path, databases: Databases, first: str, second: str, app: str) -> None:
    """Let Flask-SQLAlchemy make the tables."""
    script = f"{first}\n{second}\nwith {app}.app_context(): db.create_all()"
    run(sys.executable, "-c", script, cwd=folder, env=using(databases))


def begin_history(folder: Path, databases: list[Databases], variant: str, tmp_path: Path) -> None:
    """Follow the recipe, on each kind of database with empty ones of that kind."""
    commands = recipe("A database without history", list(ROWS).index(variant))
    for each, dialect in zip(databases, DIALECTS, strict=True):
        with empty_databases(dialect, tmp_path / "empty", *each) as empty:
            shown = commands
            for name, suffix in {"default": "", "auth": "_auth"}.items():
                if name in empty:
                    url = empty[name].render_as_string(hide_password=False)
                    assert f"sqlite:////tmp/empty{suffix}.db" in shown
                    shown = shown.replace(f"sqlite:////tmp/empty{suffix}.db", url)
            follow(shown, folder, each)
        to_empty_and_back(folder, [each], ROWS[variant])
        for revision in folder.glob("*/migrations/versions/*.py"):
            revision.unlink()


@pytest.mark.parametrize("variant", ["generic"])
def test_branches_of_flask_alembic_in_folders_of_their_own(
    databases: list[Databases], histories: Callable[[str, str], Peer], tmp_path: Path
) -> None:
    peer = histories("flask-alembic", "generic").copy(tmp_path)
    factory = peer.folder / "shop" / "__init__.py"
    text = factory.read_text(encoding="utf-8")
    config = 'app.config["ALEMBIC"] = {"version_locations": [("extra", "extra")]}\n    '
    text = text.replace(peer.tool.extension, config + peer.tool.extension)
    factory.write_text(text, encoding="utf-8")
    first, _ = databases
    use(peer, first, "db upgrade", "db revision --empty --branch extra more", "db upgrade")
    assert list(peer.folder.glob("shop/extra/*_more.py"))
    write_rows(first, STATEMENTS["generic"])
    leave(peer)

    bring = "mv old/*.py shop/extra/*.py shop/migrations/versions/"
    commands = recipe("From Flask-Alembic").replace("mv old/*.py shop/migrations/versions/", bring)
    follow(commands, peer.folder, first)

    to_empty_and_back(peer.folder, [first], ROWS["generic"])
    body = "\n    more: Mapped[str | None]\n    body: Mapped"
    models = peer.folder / "shop" / "models.py"
    text = models.read_text(encoding="utf-8")
    models.write_text(text.replace("\n    body: Mapped", body), encoding="utf-8")
    (revise,) = re.findall(r"`(alembic revision .*)`\.", section("From Flask-Alembic"))
    follow(f"{revise}\nalembic upgrade heads\nalembic check", peer.folder, first)
