"""An app that exists is adopted by one command, and goes on with what it has."""

import os
import re
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from subprocess import CompletedProcess
from types import ModuleType
from typing import Any

import pytest
import servers
from click import ClickException
from kit import ROOT, git, new_environment, run
from shapes import LITE, LITE_ENV, POSTS, SHAPES, USERS, App, build
from sqlalchemy import create_engine, inspect, make_url, text
from sqlalchemy.exc import OperationalError

from flask_alembic_kit import proof, usage
from flask_alembic_kit.environment import with_setting
from flask_alembic_kit.inside import environments, finding, loading
from flask_alembic_kit.inside.errors import Refused
from flask_alembic_kit.inside.options import is_standard_hook
from flask_alembic_kit.inside.scratch import Scratch
from flask_alembic_kit.layout import Layout
from flask_alembic_kit.place import place
from flask_alembic_kit.plan import Plan, plan_for
from flask_alembic_kit.versions import LOWEST

if sys.platform != "win32":
    import fcntl

KILLS = int(os.environ.get("KILLS", "10"))  # of each of two apps, at least 4

REPLICAS = 4
OLDEST = (
    *(f"{name}=={version}.*" for name, version in LOWEST.items()),
    "flask-sqlalchemy==2.5.*",
    "flask-migrate==3.1.*",
    "flask-alembic==2.*",
    "werkzeug<3",
    "psycopg2-binary",
    "pymysql",
)
# Files that keep another name where the new ones take their place.
MOVED = ("env.py", "script.py.mako", "alembic.ini")


def execute(app: App, statements: list[str], variable: str = "DATABASE_URL") -> None:
    """Execute statements in a database of the app."""
    for statement in statements:
        servers.query(make_url(app.urls[variable]), statement)


def rows(app: App) -> dict[str, int]:
    """Return the number of users and of posts."""
    tables = {"users": "AUTH_DATABASE_URL" if app.shape.several else "DATABASE_URL"}
    return {
        table: servers.query(make_url(app.urls[variable]), f"SELECT count(*) FROM {table}")[0]
        for table, variable in {**tables, "posts": "DATABASE_URL"}.items()
    }


@contextmanager
def databases(dialect: str, several: bool) -> Iterator[dict[str, str]]:
    """Yield the variables for databases on a server; none for SQLite."""
    if dialect == "sqlite":
        yield {}
        return
    with servers.database(dialect) as first, servers.database(dialect) as second:
        urls = {"DATABASE_URL": first} | ({"AUTH_DATABASE_URL": second} if several else {})
        yield {name: url.render_as_string(hide_password=False) for name, url in urls.items()}


CASES = [(name, "sqlite") for name in SHAPES] + [
    ("factory", "postgresql"),
    ("multidb", "postgresql"),
    ("nothing", "postgresql"),
    ("factory", "mysql"),
]
# Those that are adopted once more, and whose replicas also start in the middle: each kind of old tool.
AGAIN = ("factory", "multidb", "flask-alembic-several", "alembic", "nothing")
# The others are slow.
USUAL = [("factory", "sqlite")]


@pytest.mark.parametrize(
    ("name", "dialect"),
    [pytest.param(*each, marks=[] if each in USUAL else pytest.mark.slow) for each in CASES],
)
def test_one_command_and_no_edit(name: str, dialect: str, tmp_path: Path) -> None:
    if name == "flask-alembic-branches" and version("flask-alembic") < "3.3":
        pytest.skip("Flask-Alembic 3.2, the last on Python 3.10, finds no folder of a branch")
    with databases(dialect, SHAPES[name].several) as urls:
        app = build(name, tmp_path, **urls)
        execute(app, USERS, "AUTH_DATABASE_URL" if app.shape.several else "DATABASE_URL")
        execute(app, POSTS)
        before = app.tree()

        done = app.adopt()

        assert "Done." in done.stdout
        assert not gone(before, app.tree()), "a file of the app is another, or not there"
        assert (app.folder / app.shape.target / "kit" / "__init__.py").exists()
        env = f"{app.shape.target}/env.py"
        run(
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--isolated",
            "--no-cache",
            "--select",
            "E4,F,I",
            env,
            cwd=app.folder,
        )
        app.alembic("upgrade heads")
        app.alembic("check")
        assert rows(app) == {"users": 2, "posts": 3}
        revise(app)
        app.alembic("check")
        assert rows(app) == {"users": 2, "posts": 3}
        if name in AGAIN:
            start_replicas(app, "-1")
            assert rows(app) == {"users": 2, "posts": 3}
            adopted = app.tree()
            assert "Nothing to add" in app.adopt().stdout
            assert app.tree() == adopted
        if dialect != "mysql":  # there the old tool's own downgrade() drops what a key needs
            start_replicas(app, "base")
            assert rows(app) == {"users": 0, "posts": 0}


def gone(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    """Return the files whose contents are not there any more, by their name or by the new one."""
    return [
        path
        for path, content in before.items()
        if after.get(path) != content
        and after.get(str(Path(path).with_name(f"old_{Path(path).name}"))) != content
    ]


def revise(app: App) -> None:
    """Let Alembic write the next revision: it goes where the others are."""
    app.change_models("more")
    folders = {path.parent for path in app.folder.rglob("*.py") if is_revision(path)}
    count = len([path for path in app.folder.rglob("*.py") if is_revision(path)])
    head = "--head default@head --version-path shop/migrations" if len(folders) > 1 else ""
    app.alembic(f"revision --autogenerate -m more {head}")
    written = [path for path in app.folder.rglob("*.py") if is_revision(path)]
    assert len(written) == count + 1
    assert {path.parent for path in written} == folders
    app.alembic("upgrade heads")


def is_revision(path: Path) -> bool:
    return re.search("^down_revision", path.read_text(encoding="utf-8"), re.MULTILINE) is not None


def start_replicas(app: App, revision: str) -> None:
    """Go back, and let several processes migrate at once."""
    app.alembic(f"downgrade {revision}")
    with ThreadPoolExecutor(REPLICAS) as pool:
        for done in [pool.submit(app.alembic, "upgrade heads") for _ in range(REPLICAS)]:
            done.result()


def test_collision_stops_before_the_first_write(tmp_path: Path) -> None:
    app = build("factory", tmp_path)
    (app.folder / "shop" / "migrations").mkdir()
    (app.folder / "shop" / "migrations" / "env.py").write_text("mine = True\n", encoding="utf-8")
    before = app.tree()
    done = app.adopt(status=None)
    assert "In the way: shop/migrations/env.py. Nothing has been changed. Choose" in done.stderr
    assert app.tree() == before


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks there")
@pytest.mark.parametrize("command", ["adopt", "update", "squash"])
def test_one_command_at_a_time_in_a_folder(command: str, tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    line = (sys.executable, "-m", "flask_alembic_kit", command)
    done = run(*line, cwd=tmp_path, status=1)
    assert "Another flask-alembic-kit runs in" in done.stderr
    os.close(folder)
    assert "Another" not in run(*line, cwd=tmp_path, status=None).stderr


def test_a_file_where_a_folder_has_to_be_is_in_the_way(tmp_path: Path) -> None:
    target = tmp_path / "shop" / "migrations"
    target.parent.mkdir()
    target.write_text("mine\n", encoding="utf-8")
    layout = Layout(tmp_path, target, "shop.migrations", [], [target / "versions"], False)
    files = {"shop/migrations/kit/guard.py": "", "alembic.ini": ""}
    assert plan_for(files, {"old": None}, layout).collisions == ["shop/migrations"]
    with pytest.raises(ClickException, match="Mend that, and run this again"):
        place(Plan(tmp_path, files))
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_a_folder_above_the_root_is_named_from_there(tmp_path: Path) -> None:
    """As where the root itself is a package: the same alembic.ini has to do elsewhere, too."""
    root = tmp_path / "shop"
    layout = Layout(root, root / "migrations", "shop.migrations", [tmp_path], [], False)
    assert layout.path(tmp_path) == "%(here)s/.."
    assert layout.path(root / "100%") == "%(here)s/100%%"


def test_a_folder_in_a_package_that_the_app_has_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a plugin whose revisions Flask-Migrate was told by an entry point."""
    versions = tmp_path / "plugin" / "migrations" / "versions"
    versions.mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    for package in (versions.parents[1], versions.parent):
        (package / "__init__.py").touch()
    assert environments.resolved("plugin.migrations:versions", tmp_path) == versions


def test_quart_is_not_flask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "quart", ModuleType("quart"))
    (tmp_path / "asynchronous.py").write_text("import quart\napp = object()\n", encoding="utf-8")
    with pytest.raises(Refused, match="The app is one of Quart"):
        loading.load("asynchronous:app")


INI = """\
# mine
[alembic]
script_location = %(here)s/shop/migrations

timezone: UTC
{added}[logger_root]
level = WARNING
"""


def test_a_setting_has_its_place_in_an_alembic_ini_that_was_edited() -> None:
    text = INI.format(added="")
    assert with_setting(text, "timezone", "UTC") == text.replace("timezone:", "timezone =")
    before = "migrations\n\n"
    assert with_setting(text, "level", "a") == text.replace(before, "migrations\nlevel = a\n\n")
    assert with_setting("[alembic]\na = b", "c", "\n    d") == "[alembic]\na = b\nc =\n    d\n"


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b"# coding: latin-1\n# \xe9\n"])
def test_modules_in_another_encoding(start: bytes, tmp_path: Path) -> None:
    """As editors on Windows write them; and with a form feed, which starts no line of Python."""
    source = b"\x0c\r\nfrom flask_migrate import Migrate\r\nmigrate = Migrate()\r\n"
    module = ModuleType("shop")
    module.__file__ = str(tmp_path / "shop.py")
    (tmp_path / "shop.py").write_bytes(start + source)
    assert finding.assigned(module) == {"migrate"}
    first, second = usage.lines(tmp_path, "migrations")
    assert first.splitlines()[0].endswith(": from flask_migrate import Migrate")
    assert second.splitlines()[0].endswith(": migrate = Migrate()")


def test_connections_that_the_app_opens_by_itself_are_refused(tmp_path: Path) -> None:
    """They lead to its own database, whatever SQLAlchemy is told; Cloud SQL's connector makes such ones."""
    own = tmp_path / "own.db"
    scratch = Scratch(tmp_path, "kit_old")
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(own))
    usual = create_engine(f"sqlite:///{own}")
    with scratch.on(), suppress(Refused), engine.begin() as connection:
        connection.execute(text("CREATE TABLE made (a INTEGER)"))
    with scratch.on(), usual.begin() as connection:
        connection.execute(text("CREATE TABLE made (a INTEGER)"))
    scratch.drop()
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == []
    engine.dispose()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["factory", "nothing"])
def test_an_app_that_opens_its_connections_is_left_as_it_is(name: str, tmp_path: Path) -> None:
    app = build(name, tmp_path)
    if name == "factory":
        app.use(("db downgrade",))
    factory = app.folder / "shop" / "__init__.py"
    source = factory.read_text(encoding="utf-8")
    opens = "lambda: __import__('sqlite3').connect(os.environ['DATABASE_URL'][10:])"
    line = f"app.config['SQLALCHEMY_ENGINE_OPTIONS'] = {{'creator': {opens}}}\n    db.init_app"
    factory.write_text(source.replace("db.init_app", line), encoding="utf-8")
    before, database = app.tree(), tmp_path / "databases" / "default.db"
    content = database.read_bytes()
    assert "Error: The app opens its connections by itself" in app.adopt(status=1).stderr
    assert app.tree() == before
    assert database.read_bytes() == content


@pytest.mark.parametrize("named", ["/app/shop/web.py", "./shop/web.py", "shop.web:make()"])
def test_the_app_is_what_an_image_calls_so(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which may have it in another folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "web.py").touch()
    (tmp_path / "Dockerfile").write_text(f"ENV FLASK_APP={named}\n", encoding="utf-8")
    assert loading.named() == re.sub(r"^(/app|\.)/", "", named)


def test_an_app_further_down_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src" / "shop" / "web").mkdir(parents=True)
    (tmp_path / "src" / "shop" / "web" / "app.py").write_text("def create_app():\n", "utf-8")
    assert loading.candidates() == ["src/shop/web/app.py"]


def test_a_hook_that_does_more_than_the_usual_one_is_not_taken_for_it() -> None:
    """As one that numbers the revisions."""

    def usual(_: Any, revision: Any, directives: Any) -> None:
        if directives[0].upgrade_ops.is_empty():
            print("No changes in schema detected.")

    def numbers(_: Any, revision: Any, directives: Any) -> None:
        if directives[0].upgrade_ops.is_empty():
            print("No changes in schema detected.")
        directives[0].rev_id = "1"

    assert is_standard_hook(usual)
    assert not is_standard_hook(numbers)


USES = """\
import flask_alembic.cli as commands
from flask_migrate import Migrate, upgrade as build
from flask_migrate import command, stamp, Config as AlembicConfig

migrate: Migrate = Migrate()
migrate.init_app(application, db)
"""


USES_BY_OTHER_NAMES = """\
import flask_migrate
from flask_migrate import Migrate as M

M(app, db, command="schema")
flask_migrate.Migrate(other, db)
flask_migrate.upgrade()
from flask_migrate.cli import db as commands
alembic = flask_alembic.Alembic()
alembic.upgrade()
alembic.downgrade(target)
extensions.alembic.upgrade()
from .extensions import (db, migrate)
from ..extensions import alembic
for extension in (db, alembic):
    extension.init_app(app)
"""


def test_lines_that_use_the_old_tool_with_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(USES, encoding="utf-8")
    (tmp_path / "web.py").write_text(USES_BY_OTHER_NAMES, encoding="utf-8")
    assert [line.splitlines()[1].strip() for line in usage.lines(tmp_path, "migrations")] == [
        "from migrations import kit  # kit.db has the commands",
        "from migrations import upgrade as build",
        "from alembic import command; from migrations import stamp; from alembic.config import Config as AlembicConfig",
        usage.GOES,
        "from migrations import kit; application.cli.add_command(kit.db)",
        "import migrations as flask_migrate",
        usage.GOES,
        "from migrations import kit; app.cli.add_command(kit.db, 'schema')",
        "from migrations import kit; other.cli.add_command(kit.db)",
        "from migrations.kit import db as commands",
        usage.GOES,
        'from migrations import upgrade; upgrade(revision="heads")',
        "from migrations import downgrade; downgrade(revision=target)",
        'from migrations import upgrade; upgrade(revision="heads")',
        "from .extensions import db",
        usage.GOES,
        "without alembic",
    ]


def test_advice_about_a_part_of_a_line_says_that_the_rest_stays(tmp_path: Path) -> None:
    code = "from flask_migrate import Migrate\n\ndb.init_app(app); Migrate(app, db)\n"
    (tmp_path / "shop.py").write_text(code, encoding="utf-8")
    whole, part = usage.lines(tmp_path, "migrations")
    assert whole.endswith(usage.GOES)
    assert part.endswith("app.cli.add_command(kit.db)  # the rest of the line stays")


def test_lines_that_make_tables_are_code(tmp_path: Path) -> None:
    """Neither comments nor messages are named, and what is only handed on is."""
    text = """\
# db.create_all() is not for production
def create_all():
    "Call db.create_all()."
    log.info("create_all() done")
    db.create_all()
async def later():
    await connection.run_sync(db.metadata.create_all)
"""
    (tmp_path / "shop.py").write_text(text, encoding="utf-8")
    assert [line.split(": ")[0] for line in usage.makers(tmp_path)] == ["shop.py:5", "shop.py:7"]


def test_drift_is_that_of_the_app_where_one_head_depends_on_another() -> None:
    at = {"default": ["billing"]}  # which depends on `shop`, the other head
    new = {"heads": ["billing", "shop"], "current": at, "built_at": at, "differs": {}}
    assert proof.drift(None, {**new, "built_differs": {"default": ["add_table t"]}}) == {}
    older = {**new, "current": {"default": ["shop"]}, "built_differs": {"default": ["add_table t"]}}
    assert proof.drift(None, older) == {proof.DIFFER: ["add_table t"]}


def test_tables_are_counted_once_where_a_second_bind_is_the_same_database() -> None:
    built: proof.Answers = {
        "default": {"users": {}, "alembic_version": {}},
        "replica": {"users": {}},
    }
    new = {"version_tables": {"default": "alembic_version"}, "built": built}
    assert proof.summary(None, new)[0] == "1 table made from empty: without an error"


def test_models_that_their_database_has_no_type_for_are_no_failure_of_the_new_env() -> None:
    """The old one may have seen none of them."""
    same: proof.Answers = {"heads": [], "history": []}
    error = "CompileError: PostgreSQL Enum type requires a name."
    assert proof.failures(same, {**same, "compare_error": error}) == []
    assert proof.failures(same, {**same, "compare_error": "KeyError: 'name'"})


def test_an_error_that_a_revision_has_caught_leads_to_the_same_advice() -> None:
    """As in Redash's first one, which needs tables that no revision makes."""
    error = "CommandError: Database 'default': current transaction is aborted, commands ignored"
    lines = proof.summary(None, {"known_error": error, "own_error": ""})
    assert "then run alembic stamp head" in lines[1]


@pytest.mark.parametrize(
    "error",
    [
        'Can\'t create table `shop`.`posts` (errno: 150 "Foreign key constraint is incorrectly formed")',
        "Failed to open the referenced table 'users'",
    ],
    ids=["MariaDB", "MySQL"],
)
def test_a_foreign_key_to_a_table_that_no_revision_makes_leads_to_advice(error: str) -> None:
    lines = proof.summary(None, {"known_error": error})
    assert "then run alembic stamp head" in lines[1]
    assert lines[2] == "The app's database was not compared: it is not there"


def test_without_yes_it_asks_first(tmp_path: Path) -> None:
    """The app has a command ``db`` of its own, and a module that Python's library has, too."""
    app = build("nothing", tmp_path)
    (app.folder / "signal.py").write_text("ring = 'a bell'\n", encoding="utf-8")
    before_return(app, "app.cli.group('db')(lambda: None)")
    before = app.tree()
    done = app.python("-m", "flask_alembic_kit", "adopt", input="n\n", status=None)
    assert "shop/migrations/env.py" in done.stdout
    assert (
        'from shop.migrations import kit; app.cli.add_command(kit.db, "migrations")' in done.stdout
    )
    assert "The app has a command flask db of its own." in done.stdout
    assert app.tree() == before


def before_return(app: App, line: str) -> None:
    """Add a line to the factory."""
    factory = app.folder / "shop" / "__init__.py"
    source = factory.read_text(encoding="utf-8")
    factory.write_text(source.replace("return app", f"{line}\n    return app"), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    "tool",
    [
        "from flask_alembic import Alembic; Alembic(app)",
        "import flask_migrate as tool; tool.Migrate(app, db)",
    ],
    ids=["flask-alembic", "flask-migrate"],
)
def test_a_tool_without_a_revision(tool: str, tmp_path: Path) -> None:
    """Flask-Alembic makes a folder with a script.py.mako when the app is made, ``flask db init`` an empty one."""
    app = build("nothing", tmp_path)
    before_return(app, tool)
    before_return(app, "with app.app_context(): db.create_all()")
    versions = app.folder / "shop" / "migrations" / "versions"
    if "flask_migrate" in tool:
        app.python("-m", "flask", "db", "init")
        versions = app.folder / "migrations" / "versions"
    done = app.adopt()
    assert "the first revision, from the models" in done.stdout
    assert "now it is stamped with the revision" in done.stdout
    assert "already exists\nRemove what makes them" in done.stdout
    assert "These lines may do it:\n    shop/__init__.py:" in done.stdout
    assert len([*versions.glob("*.py")]) == 1
    app.alembic("check")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_on_a_terminal_it_asks_for_what_it_cannot_find(tmp_path: Path) -> None:
    from test_questions import on_terminal

    app = build("factory", tmp_path)
    for name in ("api/__init__.py", "src/app.py"):  # src may be a package, or where packages are
        (app.folder / name).parent.mkdir(exist_ok=True)
        (app.folder / name).write_text("def create_app(): ...\n", encoding="utf-8")
    adopt = ("-m", "flask_alembic_kit", "adopt")
    shown = on_terminal(app, "shop", "y", arguments=adopt, env=app.urls)
    assert "Which is the app? api/__init__.py shop/__init__.py src/app.py\r\n--app: " in shown
    assert "Done." in shown and "exit 0" in shown
    app.alembic("check")


@pytest.mark.slow
def test_helpers_and_a_sub_folder_of_old_revisions(tmp_path: Path) -> None:
    app = build("inside-with-options", tmp_path)
    folder = app.folder / "shop" / "migrations"
    versions = folder / "versions"
    (first,) = versions.glob("*first.py")
    (versions / "old").mkdir()
    first.rename(versions / "old" / first.name)
    ini = folder / "alembic.ini"
    text = ini.read_text(encoding="utf-8")
    recursive = "[alembic]\nrecursive_version_locations = true\n"
    ini.write_text(text.replace("[alembic]\n", recursive, 1), encoding="utf-8")
    helper = "def add(op, *columns):\n    [op.add_column('posts', each) for each in columns]\n"
    (folder / "helpers.py").write_text(helper, encoding="utf-8")
    (second,) = versions.glob("*second.py")
    source = second.read_text(encoding="utf-8")
    source, number = re.subn(
        r"(?s)    with op.batch_alter_table.*?\n\n",
        "    add(op, sa.Column('body', sa.Text()))\n\n",
        source,
        count=1,
    )
    assert number
    imported = "from shop.migrations.helpers import add\n"
    second.write_text(
        source.replace("import sqlalchemy", f"{imported}import sqlalchemy", 1), encoding="utf-8"
    )
    before = app.tree()
    app.adopt()
    assert not gone(before, app.tree())
    app.alembic("history")
    app.alembic("check")
    start_replicas(app, "-1")
    start_replicas(app, "base")


@pytest.mark.slow
def test_revisions_that_need_the_app_when_they_are_imported(tmp_path: Path) -> None:
    """Commands that only read revisions run env.py first, as far as Alembic lets them."""
    app = build("factory", tmp_path)
    (last,) = (app.folder / "migrations" / "versions").glob("*second.py")
    source = last.read_text(encoding="utf-8")
    used = "from flask import current_app\nassert current_app.name\n"
    source = source.replace("import sqlalchemy", f"{used}import sqlalchemy", 1)
    looks = "    from shop.extensions import db; assert sa.inspect(db.engine).has_table('users')\n"
    source = source.replace("def upgrade():\n", f"def upgrade():\n{looks}", 1)
    last.write_text(source, encoding="utf-8")
    done = app.adopt()
    assert "Plain alembic heads, show and branches start no app" in done.stdout
    assert "share_connection" not in done.stdout  # of which the proof has refused none
    adopted = app.tree()
    app.alembic("history")
    app.alembic("revision -m empty")
    app.alembic("upgrade head")
    for path in {*app.tree()} - {*adopted}:
        (app.folder / path).unlink()
    app.adopt()
    assert app.tree() == adopted


TAGS = """

class Base(db.Model):
    __abstract__ = True
    metadata = db.MetaData()


tags = db.Table("tags", Base.metadata, db.Column("name", db.String(20)))
"""
MAKE_TAGS = """def upgrade():
    assert op.get_context().opts["target_metadata"].naming_convention
    op.create_table("tags", sa.Column("name", sa.String(20)))


def downgrade():
    op.drop_table("tags")
"""


@pytest.mark.slow
def test_models_are_all_compared_where_the_old_env_has_seen_some(tmp_path: Path) -> None:
    """Else autogenerate would drop the tables of the others."""
    app = build("factory", tmp_path)
    models = app.folder / "shop" / "models.py"
    models.write_text(models.read_text(encoding="utf-8") + TAGS, encoding="utf-8")
    env = app.folder / "migrations" / "env.py"
    source = env.read_text(encoding="utf-8")
    only = "    from shop.models import Base\n    return Base.metadata\n"
    env.write_text(
        source.replace("    if hasattr(target_db", f"{only}    if hasattr(target_db", 1),
        encoding="utf-8",
    )
    app.use(("db revision -m tags",))
    (last,) = (app.folder / "migrations" / "versions").glob("*tags.py")
    source = last.read_text(encoding="utf-8")
    last.write_text(source[: source.index("def upgrade")] + MAKE_TAGS, encoding="utf-8")
    app.use(("db upgrade",))
    app.adopt()
    app.alembic("check")
    start_replicas(app, "base")
    assert "env.py is the same as" in app.python("-m", "flask_alembic_kit", "update").stdout


@pytest.mark.slow
def test_what_check_takes_for_the_same_is_no_difference(tmp_path: Path) -> None:
    """As a column of a primary key that may be NULL in the database: only its key could be made."""
    app = build("factory", tmp_path)
    models = app.folder / "shop" / "models.py"
    key = 'db.Column("name", db.String(20), primary_key=True)'
    tags = f'\n\ntags = db.Table("tags", db.metadata, {key}, db.Column("of", db.String(20)))\n'
    models.write_text(models.read_text(encoding="utf-8") + tags, encoding="utf-8")
    app.use(("db migrate -m tags",))
    (last,) = (app.folder / "migrations" / "versions").glob("*tags.py")
    source = last.read_text(encoding="utf-8")
    last.write_text(re.sub(r"nullable=False|sa\.PrimaryKey.*", "", source), encoding="utf-8")
    app.use(("db upgrade",))
    done = app.adopt()
    assert "nullable" not in done.stdout
    app.alembic("check")


BASE = """from sqlalchemy import Column, Integer
from sqlalchemy.orm import declarative_base

Base = declarative_base()


class Thing(Base):
    __tablename__ = "{}"
    id = Column(Integer, primary_key=True)
"""
COMPARED = """import two
from shop import one
from shop.models import Model
class target_db:
    metadata = [one.Base.metadata, Model.metadata, two.Base.metadata]
"""


@pytest.mark.slow
def test_what_the_old_env_compares_and_no_other_metadata(tmp_path: Path) -> None:
    """Helpers of revisions have a ``Base`` of their own, and so may several modules with models."""
    library = tmp_path / "library"
    library.mkdir()
    app = build("lite", tmp_path, PYTHONPATH=str(library))
    names = ("one", "two", "helper")
    for name in names:
        (app.folder / "shop" / f"{name}.py").write_text(BASE.format(name), encoding="utf-8")
    (app.folder / "shop" / "two.py").rename(library / "two.py")
    models = app.folder / "shop" / "models.py"
    lines = ["from . import one, helper  # noqa", models.read_text(encoding="utf-8")]
    models.write_text("\n".join(lines), encoding="utf-8")
    env = app.folder / "migrations" / "env.py"
    source = env.read_text(encoding="utf-8")
    env.write_text(source.replace(f"{LITE_ENV[1]}\n", COMPARED), encoding="utf-8")
    app.use(("db migrate -m more", "db upgrade"))
    app.adopt()
    app.alembic("check")
    written = (app.folder / app.shape.target / "env.py").read_text(encoding="utf-8")
    assert "import Base as Base_2" in written
    assert "helper" not in written
    assert "env.py is the same as" in app.python("-m", "flask_alembic_kit", "update").stdout
    options = ("--isolated", "--no-cache", "--select", "E4,F,I")
    run(
        sys.executable,
        "-m",
        "ruff",
        "check",
        *options,
        f"{app.shape.target}/env.py",
        cwd=app.folder,
    )


@pytest.mark.slow
def test_a_folder_that_no_setting_leads_to(tmp_path: Path) -> None:
    """It is found if there is only one; else somebody has to say which."""
    app = build("factory", tmp_path)
    (app.folder / "schema").mkdir()
    (app.folder / "migrations").rename(app.folder / "schema" / "migrations")
    two = app.copy(tmp_path / "two")
    shutil.copytree(two.folder / "schema" / "migrations", two.folder / "other")
    before = two.tree()
    done = two.adopt(status=1)
    assert "Which has the app's revisions? other schema/migrations\n" in done.stderr
    assert two.tree() == before
    two.adopt(env={**two.environment, "FLASK_DB_DIRECTORY": "schema/migrations"})
    app.adopt()
    app.alembic("check")
    start_replicas(app, "base")


ENGINE_OF_THE_APP = """\
import os

from flask import Flask
from sqlalchemy import create_engine


def create_app():
    from . import models
    app = Flask(__name__)
    app.extensions["engine"] = create_engine(os.environ["DATABASE_URL"])
    return app
"""

ENGINE = """\
import os

from sqlalchemy import create_engine

engine = create_engine(os.environ["DATABASE_URL"])
"""

# What old migrations need that is not there, and what adopt says of it.
LOST = {
    "import alembic_enums": "No module named 'alembic_enums', in migrations/env.py:1: import alem",
    "import os; os.environ['SHOP']": "KeyError: 'SHOP', in migrations/env.py:1: import os; os.envi",
    "print 'Hello'": "in migrations/env.py:1: print 'Hello'",
}


LOST_REVISIONS = {
    "down_revision = 'gone'": "a revision has down_revision 'gone', which no file has",
    "": "AttributeError: module 'X_py' has no attribute 'down_revision'",
}


@pytest.mark.slow
def test_another_history_is_named(tmp_path: Path) -> None:
    """As of a plugin, with a version table of its own."""
    app = build("module", tmp_path)
    shutil.copytree(app.folder / "migrations", app.folder / "plugin")
    assert "Not taken over: the revisions in plugin." in app.adopt().stdout


@pytest.mark.slow
def test_old_migrations_that_cannot_run_are_one_line(tmp_path: Path) -> None:
    """Nothing is written, nor is another history begun where the first cannot be read."""
    app = build("factory", tmp_path)
    env = app.folder / "migrations" / "env.py"
    source = env.read_text(encoding="utf-8")
    for line, said in LOST.items():
        env.write_text(f"{line}\n{source}", encoding="utf-8")
        before = app.tree()
        stderr = app.adopt(status=1).stderr
        assert stderr.startswith("Error: The old migrations cannot be run: ")
        assert said in stderr and "Traceback" not in stderr
        assert app.tree() == before
    env.write_text(source.partition("\nif context.is_offline_mode")[0], encoding="utf-8")
    before = app.tree()
    assert "Error: migrations/env.py does not call context.conf" in app.adopt(status=1).stderr
    assert app.tree() == before
    env.unlink()
    before = app.tree()
    assert "Error: migrations has revisions, and no env.py: " in app.adopt(status=1).stderr
    assert app.tree() == before
    env.write_text(source, encoding="utf-8")
    (last,) = (app.folder / "migrations" / "versions").glob("*second.py")
    text = last.read_text(encoding="utf-8")
    for line, said in LOST_REVISIONS.items():
        last.write_text(re.sub("(?m)^down_revision = .*$", line, text), encoding="utf-8")
        assert f"cannot be run: {said}\nMend" in app.adopt(status=1).stderr.replace(last.stem, "X")
    (app.folder / "shop" / "extensions.py").write_text("import lost\n", encoding="utf-8")
    said = (
        "Error: The app cannot be loaded: ModuleNotFoundError: No module named 'lost', in shop/ext"
    )
    assert app.adopt(status=1).stderr.startswith(said)


def test_an_old_env_that_migrates_another_database_is_refused(tmp_path: Path) -> None:
    app = build("alembic", tmp_path)
    env = app.folder / "migrations" / "env.py"
    source = env.read_text(encoding="utf-8")
    other = f"url = 'sqlite:///{tmp_path / 'other.db'}'"
    env.write_text(re.sub(r"^url = .*", other, source, flags=re.MULTILINE), encoding="utf-8")
    before = app.tree()
    assert "migrates another database than the app's" in app.adopt(status=1).stderr
    assert app.tree() == before


@pytest.mark.parametrize("content", [b"[alembic]\n# \xe9\n", b"script_location = here\n"])
def test_an_alembic_ini_that_cannot_be_read_is_one_line(content: bytes, tmp_path: Path) -> None:
    """It is in Latin-1, or is none."""
    ini = tmp_path / "alembic.ini"
    ini.write_bytes(content)
    with pytest.raises(Refused, match=r"alembic\.ini cannot be read: .*UTF-8"):
        environments.adopted(ini)


@pytest.mark.slow
@pytest.mark.parametrize("code", ["# mine\n", "NAME = 'mine'\n"])
def test_the_folder_was_a_package(code: str, tmp_path: Path) -> None:
    """Without code, its ``__init__.py`` makes room for that with the functions."""
    app = build("inside-with-options", tmp_path)
    init = app.folder / "shop" / "migrations" / "__init__.py"
    init.write_text(code, encoding="utf-8")
    (app.folder / "seed.py").write_text("from flask_migrate import current\n", encoding="utf-8")
    line = re.findall(r"seed.py:1: .*\n *(.*)", app.adopt().stdout)[0]
    if "NAME" in code:
        assert init.read_text(encoding="utf-8") == code
        return
    assert init.with_name("old___init__.py").read_text(encoding="utf-8") == code
    made = "with create_app().app_context(): current()"
    app.python("-c", f"from shop import create_app; {line}\n{made}")


@pytest.mark.slow
def test_an_engine_that_only_the_app_has(tmp_path: Path) -> None:
    """Its option says what leads to it."""
    app = build("nothing", tmp_path)
    models = LITE["shop/models.py"] + "    body = db.Column(db.Text)\n"
    (app.folder / "shop" / "models.py").write_text(models, encoding="utf-8")
    (app.folder / "shop" / "__init__.py").write_text(ENGINE_OF_THE_APP, encoding="utf-8")
    assert "Name it with --db" in app.adopt(status=1).stderr
    assert "it has no engine" in app.adopt("--db", "flask:current_app.gone", status=1).stderr
    done = app.adopt("--db", "flask:current_app.extensions['engine']")
    assert "now it is stamped with the revision" in done.stdout
    app.alembic("check")


@pytest.mark.slow
def test_an_app_in_another_object_and_an_engine_in_each_module(tmp_path: Path) -> None:
    """As with Connexion; all engines lead to the same database. Before it had any, there was nothing to adopt."""
    app = build("nothing", tmp_path)
    shop = app.folder / "shop"
    outer = "from types import SimpleNamespace\nfrom flask import Flask\nouter = SimpleNamespace(app=Flask('shop'))\n"
    (shop / "__init__.py").write_text(outer, encoding="utf-8")
    assert "No module of the app uses SQLAlchemy" in app.adopt(status=1).stderr
    models = LITE["shop/models.py"] + "    body = db.Column(db.Text)\n"
    (shop / "models.py").write_text(f"{models}\n\n{ENGINE}", encoding="utf-8")
    (shop / "login.py").write_text(ENGINE, encoding="utf-8")
    (shop / "a.py").write_text("from .models import engine\n", encoding="utf-8")
    (shop / "__init__.py").write_text(f"from . import a, login, models\n{outer}", encoding="utf-8")
    (app.folder / "seed.py").write_text("db.create_all()\n", encoding="utf-8")
    done = app.adopt()
    assert "App: shop:outer.app\n" in done.stdout
    assert "These lines make tables without a revision." in done.stdout
    assert "    seed.py:1: db.create_all()\n" in done.stdout
    env = (app.folder / app.shape.target / "env.py").read_text(encoding="utf-8")
    assert "from shop import login as db" in env, "it is taken from where it is made"
    app.alembic("check")


@pytest.mark.slow
def test_an_alembic_ini_in_the_folder_of_the_revisions(tmp_path: Path) -> None:
    """Alembic is run in that folder, and nothing outside names it."""
    app = build("alembic", tmp_path)
    text = (app.folder / "alembic.ini").read_text(encoding="utf-8")
    (app.folder / "alembic.ini").unlink()
    inside = re.sub("(?m)^script_location = .*$", "script_location = .", text)
    (app.folder / "migrations" / "alembic.ini").write_text(inside, encoding="utf-8")
    assert "Revisions: 1 of alembic" in app.adopt().stdout
    app.alembic("check")


@pytest.mark.slow
def test_a_module_with_models_that_nobody_imports_is_one_line(tmp_path: Path) -> None:
    """The first revision would lack its tables. When it is imported, the same command goes on."""
    app = build("nothing", tmp_path)
    more = app.folder / "shop" / "more.py"
    more.write_text("class More:\n    __tablename__ = 'more'\n", encoding="utf-8")
    error = app.adopt(status=None).stderr
    assert "Error: The first revision is not written: shop.more defines models" in error
    assert "Traceback" not in error
    more.unlink()
    assert "Done." in app.adopt().stdout


@pytest.mark.slow
@pytest.mark.parametrize("has_ini", [True, False])
def test_settings_in_pyproject(has_ini: bool, tmp_path: Path) -> None:
    """As ``alembic init --template pyproject`` writes them; what only the new alembic.ini has comes before."""
    app = build("alembic", tmp_path)
    ini = app.folder / "alembic.ini"
    text = ini.read_text(encoding="utf-8")
    ini.unlink()
    if has_ini:
        ini.write_text(re.sub("(?m)^script_location.*\n", "", text), encoding="utf-8")
    (app.folder / "revisions").mkdir()
    for revision in (app.folder / "migrations" / "versions").glob("*.py"):
        revision.rename(app.folder / "revisions" / revision.name)
    (app.folder / "pyproject.toml").write_text(
        "[tool.alembic]\n"
        'script_location = "%(here)s/migrations"\n'
        'prepend_sys_path = ["%(here)s"]\n'
        'version_locations = ["%(here)s/revisions"]\n'
        'file_template = "%%(rev)s"\n',
        encoding="utf-8",
    )
    assert "Revisions: 1 of alembic" in app.adopt().stdout
    app.alembic("check")
    app.python("-m", "alembic", "revision", "--rev-id", "a1")
    assert (app.folder / "revisions" / "a1.py").exists()
    toml = app.folder / "pyproject.toml"
    text = toml.read_text(encoding="utf-8")
    toml.write_text(text.replace("/migrations", "/shop/migrations"), encoding="utf-8")
    ini.unlink()
    assert "0 files changed in shop" in app.python("-m", "flask_alembic_kit", "update").stdout
    assert "Nothing to add" in app.adopt().stdout


@pytest.mark.slow
def test_an_alembic_ini_that_stays_beside_the_new_env(tmp_path: Path) -> None:
    """It names no folder but its own; ``flask db`` takes the one that adopt has written."""
    app = build("inside-with-options", tmp_path)
    ini = app.folder / "shop" / "migrations" / "alembic.ini"
    text = ini.read_text(encoding="utf-8")
    inside = text.replace("[alembic]\n", "[alembic]\nscript_location = .\n")
    ini.write_text(inside, encoding="utf-8")
    register(app.folder / "shop" / "__init__.py", app.adopt())
    app.python("-m", "flask", "db", "check")


@pytest.mark.slow
def test_squash_runs_the_new_env_also_beside_the_old_one(tmp_path: Path) -> None:
    """What the old one needs may not be there any more."""
    app = build("inside-with-options", tmp_path)
    app.adopt()
    (app.folder / "shop" / "migrations" / "old_env.py").write_text("import gone\n", "utf-8")
    git = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    for arguments in (("init", "-q"), ("add", "--all"), ("commit", "-qm", "as it is")):
        run(*git, *arguments, cwd=app.folder)
    done = app.python("-m", "flask_alembic_kit", "squash", "--yes")
    assert "make the same" in done.stdout
    app.alembic("check")


def register(factory: Path, done: CompletedProcess[str]) -> None:
    """Add the line for ``flask db`` that adopt has printed."""
    (line,) = [line for line in done.stdout.splitlines() if "add_command(" in line]
    source = factory.read_text(encoding="utf-8")
    added = f"    {line.strip()}\n    return app"
    factory.write_text(source.replace("    return app", added), encoding="utf-8")


PYPROJECT = """\
[project]
name = "shop"
version = "1"

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""


@pytest.mark.slow
def test_the_wheel_of_an_adopted_app_migrates(uv: str, tmp_path: Path) -> None:
    """It is unpacked, which is what installing does; what it needs is in this environment."""
    app = build("inside-with-options", tmp_path)
    register(app.folder / "shop" / "__init__.py", app.adopt())
    (app.folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    run(uv, "build", "--quiet", "--wheel", cwd=app.folder)
    (wheel,) = (app.folder / "dist").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    shutil.rmtree(app.folder)
    app.folder.mkdir()
    app.urls["DATABASE_URL"] = f"sqlite:///{(tmp_path / 'empty.db').as_posix()}"
    env = {**app.environment, "PYTHONPATH": str(tmp_path / "site")}
    for command in ("upgrade", "check"):
        app.python("-m", "flask", "db", command, env=env)
    assert rows(app) == {"users": 0, "posts": 0}


# Kills the process that places files when it is about to move one to its place.
KILLER = """\
import os, signal, sys


def kill(event, arguments):
    if event == "os.rename" and f".flask-alembic-kit/{os.environ['KILL_AT']}" in str(arguments[0]):
        os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(kill)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
@pytest.mark.parametrize("name", ["module", "nothing"])
def test_killed_at_any_moment_it_can_be_run_again(name: str, tmp_path: Path) -> None:
    """Half of the moments are spread over the time that it takes, the others are just before a file is there."""
    app = build(name, tmp_path)
    before = app.tree()
    started = time.monotonic()
    timed = app.copy(tmp_path / "timed")
    timed.adopt()
    usual, added = time.monotonic() - started, timed.tree()
    files = [
        re.sub("versions/.*", "versions/", path)
        for path in added
        if added[path] != before.get(path) and not Path(path).name.startswith("old_")
    ]
    # First the files of the app that have another name by then.
    files.sort(
        key=lambda path: (Path(path).name not in MOVED, not path.endswith("versions/"), path)
    )
    (tmp_path / "sitecustomize.py").write_text(KILLER, encoding="utf-8")
    seen = set()
    for number in range(KILLS):
        killed = app.copy(tmp_path / str(number))
        environment, part = killed.environment, number // 2 / (KILLS // 2 - 1)
        if number % 2:
            environment |= {"KILL_AT": files[number // 2], "PYTHONPATH": str(tmp_path)}
        command = (sys.executable, "-m", "flask_alembic_kit", "adopt", "--yes")
        process = subprocess.Popen(
            command, cwd=killed.folder, env=environment, stdout=subprocess.DEVNULL
        )
        with suppress(subprocess.TimeoutExpired):
            process.wait(None if number % 2 else usual * part)
        process.kill()
        assert process.wait() == -signal.SIGKILL or not number % 2
        if (state := state_of(killed)) not in seen:
            seen.add(state)
            killed.adopt()
            assert not gone(before, killed.tree())
            assert not (killed.folder / ".flask-alembic-kit").exists()
            killed.alembic("upgrade heads")
            killed.alembic("check")


def state_of(app: App) -> tuple[object, ...]:
    """Return what a killed run has left, whatever the name of the revision that it has made."""
    paths = [re.sub(r"versions/.*", "versions/", path) for path in app.tree()]
    databases = app.folder.parent / "databases"
    stamped = ["alembic_version" in file.read_text("latin1") for file in databases.glob("*.db")]
    return (*sorted(paths), *stamped)


@pytest.mark.slow
def test_what_differs_is_named_and_fails(tmp_path: Path) -> None:
    app = build("factory", tmp_path)
    (first,) = (app.folder / "migrations" / "versions").glob("*first.py")
    source = first.read_text(encoding="utf-8")
    trap = "    if 'shop' in op.get_context().script.dir: op.create_table('odd', sa.Column('id', sa.Integer))\n"
    first.write_text(
        source.replace("    op.create", f"{trap}    op.create", 1).replace(
            "op.get_context().script.dir",
            "str(op.get_context().environment_context.script.dir).split('app')[-1]",
        ),
        encoding="utf-8",
    )
    done = app.adopt(status=1)
    assert "Table odd is only there with the new" in done.stderr


LOOK_AROUND = """\
def passing_all(function):
    def wrapper(*arguments, **options):
        return function(*arguments, **options)
    return wrapper


@passing_all
def upgrade():
    from shop.extensions import db
    if sa.inspect(db.engine).has_table("users"):
        {}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "what",
    ["raise RuntimeError('only with the first')", "op.execute('CREATE TABLE seen (id INT)')"],
)
def test_revisions_that_must_not_see_what_the_run_has_done(what: str, tmp_path: Path) -> None:
    """The old tool makes the same from empty by chance: what they look at is not committed yet."""
    with databases("postgresql", False) as urls:
        app = build("factory", tmp_path, **urls)
        (last,) = (app.folder / "migrations" / "versions").glob("*second.py")
        source = last.read_text(encoding="utf-8")
        last.write_text(
            source.replace("def upgrade():\n", LOOK_AROUND.format(what), 1), encoding="utf-8"
        )
        done = app.adopt()
        assert "alembic.ini has share_connection = false" in done.stdout
        start_replicas(app, "base")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dialect"),
    [("factory", "sqlite"), ("flask-alembic", "sqlite"), ("factory", "mysql")],
)
def test_what_the_old_tool_cannot_build_is_known_also_when_run_again(
    name: str, dialect: str, tmp_path: Path
) -> None:
    """MySQL's message has the name of the scratch database, and others are not the same twice, too."""
    with databases(dialect, False) as urls:
        app = build(name, tmp_path, **urls)
        (first,) = app.folder.rglob("migrations/**/*first.py")
        source = first.read_text(encoding="utf-8")
        lost = "    import os; op.execute(f'DELETE FROM lost{os.getpid()}')\n"
        broken, number = re.subn("(def upgrade.*:\n)", f"\\1{lost}", source)
        assert number == 1
        first.write_text(broken, encoding="utf-8")
        for _ in range(2):
            assert (
                "An empty database cannot be migrated, nor can the old tool" in app.adopt().stdout
            )


@pytest.mark.slow
def test_tables_that_mappers_make_are_no_difference(tmp_path: Path) -> None:
    """As SQLAlchemy-Continuum makes them; the old env.py has called ``configure_mappers()``."""
    app = build("factory", tmp_path)
    (models,) = app.folder.rglob("shop/models.py")
    with models.open("a", encoding="utf-8") as file:
        file.write(
            "\n\nfrom sqlalchemy import event, orm\n\nevent.listen(orm.Mapper, 'after_configured', lambda: "
            "db.Table('versions', db.Column('id', db.Integer, primary_key=True)))\n"
        )
    env = app.folder / "migrations" / "env.py"
    source = "from sqlalchemy.orm import configure_mappers\n\nconfigure_mappers()\n"
    env.write_text(source + env.read_text(encoding="utf-8"), encoding="utf-8")
    execute(app, ["CREATE TABLE versions (id INTEGER NOT NULL PRIMARY KEY)"])
    assert "versions" not in app.adopt().stdout.partition("Models and database differ")[2]
    app.alembic("check")


@pytest.mark.slow
def test_a_revision_that_reads_the_url_of_the_old_env_is_named(tmp_path: Path) -> None:
    app = build("factory", tmp_path)
    (first,) = app.folder.rglob("migrations/**/*first.py")
    source = first.read_text(encoding="utf-8")
    engine = "    config = op.get_context().config\n    sa.engine_from_config(config.get_section('alembic'))\n"
    first.write_text(re.sub("(def upgrade.*:\n)", f"\\1{engine}", source), encoding="utf-8")
    done = app.adopt(status=1)
    assert f"KeyError: 'url', in migrations/versions/{first.name}:" in done.stderr
    assert "Write op.get_bind()" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql"])
def test_an_old_env_that_writes_changes_nothing(dialect: str, tmp_path: Path) -> None:
    """As one that calls ``create_all()``."""
    with databases(dialect, False) as urls:
        app = build("factory", tmp_path, **urls)
        env = app.folder / "migrations" / "env.py"
        make = "get_engine().begin() as c: c.exec_driver_sql('CREATE TABLE IF NOT EXISTS made (a INT)')"
        source = env.read_text(encoding="utf-8")
        last = "\nif context.is_offline_mode"
        env.write_text(source.replace(last, f"\nwith {make}{last}"), encoding="utf-8")
        done = app.adopt(status=1)  # from empty, it makes one table more
        assert "There the old tool cannot run without a change: " in done.stdout
        assert "made" not in servers.tables(make_url(app.urls["DATABASE_URL"]))


@pytest.mark.slow
def test_a_version_table_in_a_schema_that_the_old_env_makes(tmp_path: Path) -> None:
    """No revision can make it, for the version table is written first."""
    with databases("postgresql", False) as urls:
        app = build("factory", tmp_path, **urls)
        env = app.folder / "migrations" / "env.py"
        source = env.read_text(encoding="utf-8")
        make = "    with connectable.begin() as c: c.exec_driver_sql('CREATE SCHEMA IF NOT EXISTS told')\n"
        before = "    with connectable.connect() as connection:"
        source = source.replace(
            before, f"    if not context.is_offline_mode():\n    {make}{before}"
        )
        source = source.replace("**conf_args", '**conf_args, version_table_schema="told"')
        env.write_text(source, encoding="utf-8")
        app.use(("db stamp head",))
        done = app.adopt()
        assert "made from empty: the same schema as with the old tool" in done.stdout
        start_replicas(app, "base")


@pytest.mark.slow
def test_an_app_that_cannot_be_made_without_its_tables(tmp_path: Path) -> None:
    app = build("factory", tmp_path)
    before_return(app, "with app.app_context(): db.session.execute(db.text('SELECT * FROM users'))")
    app.adopt()
    app.alembic("check")


@pytest.mark.slow
def test_an_app_that_makes_tables_which_its_revisions_need(tmp_path: Path) -> None:
    app = build("factory", tmp_path)
    factory = app.folder / "shop" / "__init__.py"
    source = factory.read_text(encoding="utf-8")
    makes = "CREATE TABLE IF NOT EXISTS roles (id INTEGER)"
    make = f"with app.app_context(), db.engine.begin() as c: c.execute(db.text('{makes}'))\n    "
    factory.write_text(source.replace("return app", f"{make}return app"), encoding="utf-8")
    (first,) = app.folder.rglob("migrations/**/*first.py")
    source = first.read_text(encoding="utf-8")
    fill = "def upgrade():\n    op.execute('INSERT INTO roles VALUES (1)')\n"
    first.write_text(source.replace("def upgrade():\n", fill, 1), encoding="utf-8")
    assert "made from empty: the same schema as with the old tool" in app.adopt().stdout


@pytest.mark.slow
def test_an_app_whose_tables_a_package_makes(tmp_path: Path) -> None:
    app = build("factory", tmp_path)
    before_return(app, "with app.app_context(): getattr(db, 'create' + '_all')()")
    done = app.adopt()
    assert "No line of the app does it, so a package does" in done.stdout
    assert "These lines may do it" not in done.stdout


@pytest.mark.slow
def test_plain_alembic_without_models_in_a_folder_that_git_ignores(tmp_path: Path) -> None:
    """Its revisions are written by hand; the models cannot be compared with every kind of database, either."""
    app = build("alembic", tmp_path)
    env = app.folder / "migrations" / "env.py"
    source = env.read_text(encoding="utf-8")
    env.write_text(
        source.replace("target_metadata = db.metadata", "target_metadata = None"), "utf-8"
    )
    models = app.folder / "shop" / "models.py"
    source = models.read_text(encoding="utf-8")
    models.write_text(source.replace("db.String(200)", "db.ARRAY(db.Text)", 1), encoding="utf-8")
    (app.folder / ".gitignore").write_text("# mine\nmigrations/\n", encoding="utf-8")
    git(app.folder, "init", "--quiet")
    done = app.adopt()
    assert "\nGit ignores shop/migrations/__init__.py (.gitignore:2:migrations/)." in done.stdout
    assert "2 tables made from empty: the same schema as with the old tool\n" in done.stdout
    assert "mend the models first: " in done.stdout
    assert "cannot be migrated" not in done.stdout


@pytest.mark.slow
def test_extensions_that_an_admin_has_made_in_the_database(tmp_path: Path) -> None:
    """Some of them may only be made by an admin, which the app's user is not."""
    user = f"kit_{secrets.token_hex(6)}"
    with databases("postgresql", False) as urls:
        url = make_url(urls["DATABASE_URL"])
        admin = App(SHAPES["factory"], tmp_path, urls)
        made = (
            f"CREATE ROLE {user} LOGIN CREATEDB PASSWORD 'x'",
            f"ALTER DATABASE {url.database} OWNER TO {user}",
        )
        execute(admin, [*made, "CREATE EXTENSION pageinspect", "CREATE EXTENSION citext"])
        try:
            own = url.set(username=user, password="x").render_as_string(hide_password=False)
            app = build("factory", tmp_path, DATABASE_URL=own)
            (first,) = app.folder.rglob("migrations/**/*first.py")
            source = first.read_text(encoding="utf-8")
            uses = "def upgrade():\n    op.execute('CREATE TABLE names (name citext)')\n"
            first.write_text(source.replace("def upgrade():\n", uses, 1), encoding="utf-8")
            done = app.adopt()
            assert "3 tables made from empty: the same schema as with the old tool" in done.stdout
            execute(admin, ["DROP EXTENSION citext"])
            assert "let an admin make the extension in" in app.adopt().stdout
        finally:
            execute(
                admin,
                [
                    f"REASSIGN OWNED BY {user} TO CURRENT_USER",
                    f"DROP OWNED BY {user}",
                    f"DROP ROLE {user}",
                ],
            )


@pytest.mark.slow
def test_an_app_that_migrates_itself_is_named(tmp_path: Path) -> None:
    app = build("factory", tmp_path)
    before_return(app, "from flask_migrate import upgrade")
    before_return(app, "with app.app_context(): upgrade()")
    assert "\nThe app itself migrates with the old tool, or a plugin does" in app.adopt().stdout
    other = build("flask-alembic", tmp_path / "other")
    before_return(other, "app.app_context().push(); from flask_alembic import Alembic")
    before_return(other, "if not db.inspect(db.engine).has_table('users'): Alembic(app).upgrade()")
    assert (
        "\nOn an empty database, the app itself migrates with the old tool" in other.adopt().stdout
    )


@pytest.mark.slow
def test_an_app_that_reads_a_new_column_when_it_is_made_as_with_the_old_tool(
    tmp_path: Path,
) -> None:
    app = build("factory", tmp_path)
    before_return(app, "with app.app_context(): models.Post.query.first()")
    app.adopt()
    app.change_models("more")
    for line in ("flask db migrate", "alembic revision --autogenerate -m more"):
        module, *arguments = line.split()
        done = app.python("-m", module, *arguments, status=None)
        assert "no such column: posts.more" in done.stderr


@pytest.mark.slow
def test_health_without_an_extension(tmp_path: Path) -> None:
    app = build("odd", tmp_path)
    app.adopt()
    app.alembic("downgrade base")
    assert "Running upgrade  -> " in app.alembic("upgrade heads").stderr  # of functions with a name
    code = "from shop.serve import application as app; from shop.migrations.kit import health\n"
    ask = f"{code}with app.app_context(): print(health()['default']['status'])"
    environment = {**app.environment, "SHOP_URL": app.urls["DATABASE_URL"]}
    assert app.python("-c", ask, env=environment).stdout.splitlines()[-1] == "ok"


@pytest.mark.slow
def test_what_the_module_of_the_app_patches_is_patched_for_alembic_too(tmp_path: Path) -> None:
    app = build("factory", tmp_path)
    wsgi = "import sys\nsys.patched = True\nfrom shop import create_app\napp = create_app()\napp.run()\n"
    (app.folder / "wsgi.py").write_text(wsgi, encoding="utf-8")
    extensions = app.folder / "shop" / "extensions.py"
    source = extensions.read_text(encoding="utf-8")
    extensions.write_text(f"import sys\nassert sys.patched\n{source}", encoding="utf-8")
    assert "wsgi calls app.run() when it is imported" in app.adopt("--app", "wsgi").stdout
    app.alembic("check")


@pytest.mark.slow
def test_a_database_that_the_old_env_leaves_out_is_left_out(tmp_path: Path) -> None:
    """It is taken out of the app's config, once a process, and is not built, for nothing can be."""
    app = build("multidb", tmp_path)
    execute(app, USERS, "AUTH_DATABASE_URL")
    env = app.folder / "migrations" / "env.py"
    source = env.read_text(encoding="utf-8")
    less = "current_app.config['SQLALCHEMY_BINDS'].pop('auth')\nbind_names = []"
    assert source.count("\nbind_names = []") == 1
    env.write_text(source.replace("bind_names = []", less, 1), encoding="utf-8")
    (first,) = (app.folder / "migrations" / "versions").glob("*first.py")
    source = first.read_text(encoding="utf-8")
    broken = "def upgrade_():\n    raise RuntimeError('lost')\n"
    first.write_text(source.replace("def upgrade_():\n", broken, 1), encoding="utf-8")
    assert "nor can the old tool do it: RuntimeError: lost" in app.adopt().stdout
    assert "env.py is the same as" in app.python("-m", "flask_alembic_kit", "update").stdout
    app.alembic("check")
    app.alembic("downgrade base")
    with pytest.raises(OperationalError, match="no such table: posts"):
        execute(app, ["SELECT * FROM posts"])
    execute(app, ["DELETE FROM users"], "AUTH_DATABASE_URL")


ENV_OPTIONS = """\
from functools import lru_cache
from shop.entities import register_entities
from sqlalchemy.orm import configure_mappers

ENTITIES = ["a view"]
register_entities(ENTITIES)
configure_mappers()

LEFT_ALONE = config.get_section("alembic:exclude")["tables"].split()
assert config.get_main_option("left").split() == ["one", "two"]


@lru_cache
def is_ours(name):
    return f"{{{name}}}" not in {"{%s}" % each for each in LEFT_ALONE}  # {% {#


def include_object(item, name, kind, reflected, other):
    return kind != "table" or is_ours(name)


def run_migrations_offline"""


@pytest.mark.slow
def test_options_of_the_old_env_are_in_the_new_one(tmp_path: Path) -> None:
    app = build("factory", tmp_path)
    env = app.folder / "migrations" / "env.py"
    source = env.read_text(encoding="utf-8")
    source = source.replace("def run_migrations_offline", ENV_OPTIONS, 1)
    source = source.replace(
        "connectable.connect()",
        'connectable.execution_options(isolation_level="AUTOCOMMIT").connect()',
    )
    options = "include_object=include_object, transaction_per_migration=True, version_table='v', "
    source = source.replace("            **conf_args", f"            {options}**conf_args")
    env.write_text(source, encoding="utf-8")
    execute(
        app, ["ALTER TABLE alembic_version RENAME TO v", "CREATE TABLE spatial_ref_sys (id int)"]
    )
    env.write_text(env.read_text(encoding="utf-8") + "\nlogging.captureWarnings(True)\n", "utf-8")
    entities = "def register_entities(found):  # as that of alembic-utils\n    print(*found)\n"
    (app.folder / "shop" / "entities.py").write_text(entities, encoding="utf-8")
    ini = app.folder / "migrations" / "alembic.ini"
    text_of = ini.read_text(encoding="utf-8").replace(
        "[alembic]", "[alembic]\nleft =\n  one\n  two"
    )
    ini.write_text(f"{text_of}\n[alembic:exclude]\ntables = spatial_ref_sys other\n", "utf-8")
    done = app.adopt()
    assert "Not taken over from env.py: isolation_level='AUTOCOMMIT'" in done.stdout
    shown = [line for line in done.stdout.splitlines() if "from env.py, line" in line]
    assert len(shown) == 1 and shown[0].endswith(": logging.captureWarnings(True)")
    assert "a view" in app.alembic("check").stdout
    written = (app.folder / "shop" / "migrations" / "env.py").read_text(encoding="utf-8")
    assert '"transaction_per_migration": True,' in written
    assert "left =\n    one\n    two\n" in (app.folder / "alembic.ini").read_text(encoding="utf-8")
    assert "\"version_table\": 'v'," in written
    assert '@lru_cache\ndef is_ours(name):\n    return f"{{{name}}}" not in' in written
    assert "kit.all_but(IGNORED_TABLES, include_object)," in written


@pytest.mark.slow
def test_update_replaces_the_machinery_and_shows_what_is_yours(tmp_path: Path) -> None:
    app = build("factory", tmp_path)
    app.adopt()
    migrations = app.folder / "shop" / "migrations"
    kit = app.tree()
    env = migrations / "env.py"
    env.write_text(env.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    (migrations / "kit" / "guard.py").write_text("old = True\n", encoding="utf-8")
    (migrations / "kit" / "gone.py").write_text("old = True\n", encoding="utf-8")
    done = app.python("-m", "flask_alembic_kit", "update")
    assert "-# mine" in done.stdout
    assert "script.py.mako is the same as in this version." in done.stdout
    assert env.read_text(encoding="utf-8").endswith("# mine\n")
    env.write_bytes(kit["shop/migrations/env.py"])
    assert app.tree() == kit


@pytest.mark.slow
def test_scratch_databases_are_dropped(tmp_path: Path) -> None:
    with databases("postgresql", False) as urls:
        app = build("factory", tmp_path, **urls)
        app.adopt()
        url = make_url(urls["DATABASE_URL"])
        names = servers.query(url, "SELECT datname FROM pg_database")
    assert not [name for name in names if name != url.database and str(url.database) in name]


def begin_in_a_package(app: App, environment: Path) -> None:
    """Put a revision into an installed package, which the first one of the app then follows."""
    own = app.folder / "migrations" / "versions"
    versions = next(environment.rglob("site-packages")) / "plugin" / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    (versions.parent / "__init__.py").touch()
    code = "revision, down_revision = 'plugin', None\ndef upgrade(): pass\ndef downgrade(): pass\n"
    (versions / "plugin.py").write_text(code, encoding="utf-8")
    setting = "[alembic]\nversion_locations = %(here)s/versions plugin:versions\n"
    for path, before, after in (
        (own.parent / "alembic.ini", "[alembic]\n", setting),
        *(
            (path, "\ndown_revision = None", "\ndown_revision = 'plugin'")
            for path in own.glob("*.py")
        ),
    ):
        path.write_text(path.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    "packages",
    [
        ("alembic", "flask", "flask-migrate", "flask-sqlalchemy", "sqlalchemy"),
        ("alembic==1.18.*", "flask", "flask-migrate", "flask-sqlalchemy", "sqlalchemy"),
        OLDEST,
    ],
    ids=["newest", "plugins-without-checks", "oldest"],
)
def test_installed_from_its_wheel(
    packages: tuple[str, ...], uv: str, once: Callable[..., Path], tmp_path: Path
) -> None:
    """In an environment of the app's own, with the newest, the oldest that do, and one between."""

    def make(folder: Path) -> None:
        run(uv, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT, cwd=folder)

    (wheel,) = once("wheel", make).glob("*.whl")
    programs = new_environment(uv, tmp_path / "venv", wheel, *packages)
    app = build("src-capitals", tmp_path / "an app", interpreter=str(programs / "python"))
    app.urls["PYTHONTZPATH"] = ""  # as on Windows, which has no time zones of its own
    command = str(programs / "flask-alembic-kit")
    done = run(command, "adopt", "--yes", cwd=app.folder, env=app.environment)
    assert "Done." in done.stdout
    app.alembic("downgrade base")
    app.alembic("upgrade head")
    app.alembic("check")
    revise(app)
    register(app.folder / "src" / "ShopApp" / "__init__.py", done)
    app.change_models("most")
    # Flask-Migrate before 4 has an entry point `db`, which comes first.
    name = "migrations" if packages is OLDEST else "db"
    for line in ("migrate -m most", "upgrade", "applied"):
        app.python("-m", "flask", name, *line.split())
    if packages is OLDEST:
        older = build("flask-alembic", tmp_path / "older")
        older.interpreter = str(programs / "python")
        assert "Revisions: 2 of flask-alembic." in older.adopt().stdout
        for dialect, driver in {"postgresql": "psycopg2", "mysql": "pymysql"}.items():
            with databases(dialect, False) as urls:
                older = build("factory", tmp_path / dialect, **urls)
                older.interpreter = str(programs / "python")
                older.urls["DATABASE_URL"] = re.sub(r"\+\w+", f"+{driver}", urls["DATABASE_URL"])
                begin_in_a_package(older, tmp_path / "venv")
                assert "Revisions: 3 of flask-migrate." in older.adopt().stdout
                revise(older)


@pytest.mark.slow
def test_the_root_is_a_package_that_the_app_does_not_use(tmp_path: Path) -> None:
    """``flask`` imports the app as a part of it, and the app's own modules from the root."""
    app = build("module", tmp_path)
    (app.folder / "__init__.py").touch()
    (app.folder / "app.py").rename(app.folder / "shop.py")
    (app.folder / "web.py").write_text("from shop import app as application\n", encoding="utf-8")
    environment = {**app.environment, "FLASK_APP": "web", "PYTHONPATH": str(app.folder)}
    assert "App: app.web:application, in .." in app.adopt(env=environment).stdout
    app.alembic("check")


@pytest.mark.slow
@pytest.mark.parametrize("program", ["flask", "alembic"])
def test_an_app_that_takes_the_arguments_for_its_own_is_refused(
    program: str, tmp_path: Path
) -> None:
    """As a script that calls ``parse_args()`` where it is imported."""
    app = build("module", tmp_path)
    parses = f"import argparse, sys\nif '{program}' in sys.argv[0]: argparse.ArgumentParser().parse_args()\n"
    script = f"{parses}from app import app as application\n"
    (app.folder / "script.py").write_text(script, encoding="utf-8")
    done = app.adopt("--app", "script.py", status=1)
    assert (
        "script.py ended" in done.stderr
        if program == "flask"
        else "alembic cannot be run" in done.stderr
    )


@pytest.mark.slow
def test_tables_without_a_revision_beside_a_history(tmp_path: Path) -> None:
    """As ``create_all()`` makes them."""
    app = build("factory", tmp_path)
    execute(app, ["DROP TABLE alembic_version"])
    assert "run alembic stamp heads" in app.adopt().stdout
    assert "or heads if create_all made it" in app.alembic("upgrade head", status=255).stdout
    app.alembic("stamp heads")
    app.alembic("check")
    execute(app, ["DROP TABLE alembic_version", "DROP TABLE posts"])
    assert "stamp heads" not in app.adopt().stdout


@pytest.mark.slow
def test_an_old_env_that_compares_nothing_and_models_of_two_bases(tmp_path: Path) -> None:
    app = build("factory", tmp_path)
    (app.folder / "shop" / "one.py").write_text(BASE.format("one"), encoding="utf-8")
    with (app.folder / app.shape.models).open("a", encoding="utf-8") as models:
        models.write("\n\nfrom . import one  # noqa\n")
    env = app.folder / "migrations" / "env.py"
    source = env.read_text(encoding="utf-8")
    nothing = source.replace("def get_metadata():\n", "def get_metadata():\n    return None\n")
    env.write_text(nothing, encoding="utf-8")
    assert "remove_table" not in app.adopt().stdout
    written = (app.folder / app.shape.target / "env.py").read_text(encoding="utf-8")
    assert "[Base.metadata, db.metadata]" in written
    assert "env.py is the same as" in app.python("-m", "flask_alembic_kit", "update").stdout


@pytest.mark.slow
def test_an_app_that_ends_the_process_is_shown_with_what_it_says(tmp_path: Path) -> None:
    app = App(SHAPES["nothing"], tmp_path, {})
    (tmp_path / "shop.py").write_text("import os; os.write(2, b'no key'); os._exit(3)\n", "utf-8")
    assert "Error: The app ended the process:\nno key" in app.adopt(status=1).stderr


def test_an_installed_app_is_not_adopted_where_it_is_installed(tmp_path: Path) -> None:
    """As one that pip has brought, with its settings in the folder."""
    app = build("nothing", tmp_path)
    installed = app.folder / ".venv" / "site-packages"
    installed.mkdir(parents=True)
    (app.folder / "shop").rename(installed / "shop")
    before = app.tree()
    environment = {**app.environment, "PYTHONPATH": str(installed)}
    for named in ([], ["--db", "shop.extensions:db"]):
        done = app.adopt(*named, status=1, env=environment)
        assert f"Error: The app shop is in {installed / 'shop'}, not in this folder." in done.stderr
    assert app.tree() == before


def test_too_old_for_the_kit(tmp_path: Path) -> None:
    """Says which package is too old, and changes nothing."""
    app = build("factory", tmp_path)
    before = app.tree()
    metadata = tmp_path / "path" / "alembic-1.4.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Name: alembic\nVersion: 1.4.3\n", encoding="utf-8")
    done = app.adopt(status=None, env={**app.environment, "PYTHONPATH": str(metadata.parent)})
    assert "alembic 1.4.3 is too old" in done.stderr
    assert app.tree() == before
