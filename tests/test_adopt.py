"""An app that exists is adopted by one command, and goes on with what it has."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import servers
from kit import ROOT, new_environment, run
from shapes import POSTS, SHAPES, USERS, App, build
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from flask_alembic_kit import proof, usage
from flask_alembic_kit.versions import LOWEST

KILLS = int(os.environ.get("KILLS", "3"))  # evenly over the time that adopt takes

REPLICAS = 4
OLDEST = (
    *(f"{name}=={version}.*" for name, version in LOWEST.items()),
    "flask-sqlalchemy==2.5.*",
    "flask-migrate==3.1.*",
    "flask-alembic==2.*",
    "werkzeug<3",
)
# Files that keep another name where the new ones take their place.
MOVED = ("env.py", "script.py.mako", "alembic.ini")


def execute(app: App, statements: list[str], variable: str = "DATABASE_URL") -> None:
    """Execute statements in a database of the app."""
    engine = create_engine(app.urls[variable])
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def rows(app: App) -> dict[str, int]:
    """Return the number of users and of posts."""
    found = {}
    tables = {"users": "AUTH_DATABASE_URL" if app.shape.several else "DATABASE_URL"}
    for table, variable in {**tables, "posts": "DATABASE_URL"}.items():
        engine = create_engine(app.urls[variable])
        with engine.connect() as connection:
            found[table] = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
        engine.dispose()
    return found


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
        run("ruff", "check", "--isolated", "--no-cache", "--select", "E4,F,I", env, cwd=app.folder)
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


USES = """\
import flask_alembic.cli as commands
from flask_migrate import Migrate, upgrade as build

migrate = Migrate()
migrate.init_app(application, db)
"""


USES_BY_OTHER_NAMES = """\
import flask_migrate
from flask_migrate import Migrate as M

M(app, db, command="schema")
flask_migrate.Migrate(other, db)
flask_migrate.upgrade()
from flask_migrate.cli import db as commands
"""


def test_lines_that_use_the_old_tool_with_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(USES, encoding="utf-8")
    (tmp_path / "web.py").write_text(USES_BY_OTHER_NAMES, encoding="utf-8")
    assert [line.splitlines()[1].strip() for line in usage.lines(tmp_path, "migrations")] == [
        "from migrations import kit  # kit.db has the commands",
        "from migrations import upgrade as build",
        usage.GOES,
        "from migrations import kit; application.cli.add_command(kit.db)",
        "import migrations as flask_migrate",
        usage.GOES,
        "from migrations import kit; app.cli.add_command(kit.db, 'schema')",
        "from migrations import kit; other.cli.add_command(kit.db)",
        "from migrations.kit import db as commands",
    ]


def test_drift_is_that_of_the_app_where_one_head_depends_on_another() -> None:
    at = {"default": ["billing"]}  # which depends on `shop`, the other head
    new = {"heads": ["billing", "shop"], "current": at, "built_at": at, "differs": {}}
    assert proof.drift(None, {**new, "built_differs": {"default": ["add_table t"]}}) == {}
    older = {**new, "current": {"default": ["shop"]}, "built_differs": {"default": ["add_table t"]}}
    assert proof.drift(None, older) == {proof.UNSEEN: ["add_table t"]}


def test_without_yes_it_asks_first(tmp_path: Path) -> None:
    app = build("nothing", tmp_path)
    before = app.tree()
    done = app.python("-m", "flask_alembic_kit", "adopt", input="n\n", status=None)
    assert "shop/migrations/env.py" in done.stdout
    assert "from shop.migrations import kit; app.cli.add_command(kit.db)" in done.stdout
    assert app.tree() == before


@pytest.mark.slow
def test_a_tool_without_a_revision(tmp_path: Path) -> None:
    """Flask-Alembic makes a folder with a script.py.mako when the app is made."""
    app = build("nothing", tmp_path)
    factory = app.folder / "shop" / "__init__.py"
    tool = "from flask_alembic import Alembic; Alembic(app)\n    return app"
    factory.write_text(factory.read_text(encoding="utf-8").replace("return app", tool), "utf-8")
    assert "the first revision, from the models" in app.adopt().stdout
    app.alembic("check")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_on_a_terminal_it_asks_for_what_it_cannot_find(tmp_path: Path) -> None:
    from test_questions import on_terminal

    app = build("factory", tmp_path)
    (app.folder / "api").mkdir()
    (app.folder / "api" / "__init__.py").write_text("def create_app(): ...\n", encoding="utf-8")
    adopt = ("-m", "flask_alembic_kit", "adopt")
    shown = on_terminal(app, "shop", "y", arguments=adopt, env=app.urls)
    assert "Which is the app? api/__init__.py shop/__init__.py\r\n--app: " in shown
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
    last.write_text(
        source.replace("import sqlalchemy", f"{used}import sqlalchemy", 1), encoding="utf-8"
    )
    done = app.adopt()
    assert "Plain alembic heads, show and branches start no app" in done.stdout
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


# What old migrations need that is not there, and what adopt says of it.
LOST = {
    "import alembic_enums": "No module named 'alembic_enums', in migrations/env.py:1: import alem",
    "import os; os.environ['SHOP']": "KeyError: 'SHOP', in migrations/env.py:1: import os; os.envi",
    "print 'Hello'": "in migrations/env.py:1: print 'Hello'",
}


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
    env.unlink()
    before = app.tree()
    assert "Error: migrations has revisions, and no env.py: " in app.adopt(status=1).stderr
    assert app.tree() == before
    (app.folder / "shop" / "extensions.py").write_text("import lost\n", encoding="utf-8")
    said = (
        "Error: The app cannot be loaded: ModuleNotFoundError: No module named 'lost', in shop/ext"
    )
    assert app.adopt(status=1).stderr.startswith(said)


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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["module", "nothing"])
def test_killed_at_any_moment_it_can_be_run_again(name: str, tmp_path: Path) -> None:
    app = build(name, tmp_path)
    before = app.tree()
    started = time.monotonic()
    app.copy(tmp_path / "timed").adopt()
    usual = time.monotonic() - started
    for number in range(1, KILLS + 1):
        killed = app.copy(tmp_path / str(number))
        command = (sys.executable, "-m", "flask_alembic_kit", "adopt", "--yes")
        process = subprocess.Popen(
            command, cwd=killed.folder, env=killed.environment, stdout=subprocess.DEVNULL
        )
        time.sleep(usual * number / (KILLS + 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed.adopt()
        assert not gone(before, killed.tree())
        assert not (killed.folder / ".flask-alembic-kit").exists()
        killed.alembic("upgrade heads")
        killed.alembic("check")


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
        raise RuntimeError("this revision runs in one go with the first only")
"""


@pytest.mark.slow
def test_revisions_that_must_not_see_what_the_run_has_done(tmp_path: Path) -> None:
    """The old tool runs them from empty by chance: what they look at is not committed yet."""
    with databases("postgresql", False) as urls:
        app = build("factory", tmp_path, **urls)
        (last,) = (app.folder / "migrations" / "versions").glob("*second.py")
        source = last.read_text(encoding="utf-8")
        last.write_text(source.replace("def upgrade():\n", LOOK_AROUND, 1), encoding="utf-8")
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
def test_an_app_that_cannot_be_made_without_its_tables(tmp_path: Path) -> None:
    app = build("factory", tmp_path)
    factory = app.folder / "shop" / "__init__.py"
    source = factory.read_text(encoding="utf-8")
    reads = "with app.app_context(): db.session.execute(db.text('SELECT * FROM users'))\n    "
    factory.write_text(source.replace("return app", f"{reads}return app"), encoding="utf-8")
    app.adopt()
    app.alembic("check")


@pytest.mark.slow
def test_an_app_that_migrates_itself_is_named(tmp_path: Path) -> None:
    app = build("factory", tmp_path)
    factory = app.folder / "shop" / "__init__.py"
    source = factory.read_text(encoding="utf-8")
    migrates = "from flask_migrate import upgrade\n    with app.app_context(): upgrade()\n    "
    factory.write_text(source.replace("return app", f"{migrates}return app"), encoding="utf-8")
    assert "The app itself runs the old tool when it is made" in app.adopt().stdout


@pytest.mark.slow
def test_health_without_an_extension(tmp_path: Path) -> None:
    app = build("odd", tmp_path)
    app.adopt()
    code = "from shop.serve import application as app; from shop.migrations.kit import health\n"
    ask = f"{code}with app.app_context(): print(health()['default']['status'])"
    environment = {**app.environment, "SHOP_URL": app.urls["DATABASE_URL"]}
    assert app.python("-c", ask, env=environment).stdout.splitlines()[-1] == "ok"


@pytest.mark.slow
def test_what_the_module_of_the_app_patches_is_patched_for_alembic_too(tmp_path: Path) -> None:
    app = build("factory", tmp_path)
    wsgi = "import sys\nsys.patched = True\nfrom shop import create_app\napp = create_app()\n"
    (app.folder / "wsgi.py").write_text(wsgi, encoding="utf-8")
    extensions = app.folder / "shop" / "extensions.py"
    source = extensions.read_text(encoding="utf-8")
    extensions.write_text(f"import sys\nassert sys.patched\n{source}", encoding="utf-8")
    app.adopt("--app", "wsgi")
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
    app.alembic("check")
    app.alembic("downgrade base")
    with pytest.raises(OperationalError, match="no such table: posts"):
        execute(app, ["SELECT * FROM posts"])
    execute(app, ["DELETE FROM users"], "AUTH_DATABASE_URL")


ENV_OPTIONS = """\
from functools import lru_cache

LEFT_ALONE = {"spatial_ref_sys"}


@lru_cache
def is_ours(name):
    return name not in LEFT_ALONE


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
    done = app.adopt()
    assert "Not taken over from env.py: isolation_level='AUTOCOMMIT'" in done.stdout
    shown = [line for line in done.stdout.splitlines() if "from env.py, line" in line]
    assert len(shown) == 1 and shown[0].endswith(": logging.captureWarnings(True)")
    app.alembic("check")
    written = (app.folder / "shop" / "migrations" / "env.py").read_text(encoding="utf-8")
    assert '"transaction_per_migration": True,' in written
    assert "\"version_table\": 'v'," in written
    assert "@lru_cache\ndef is_ours(name):" in written
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
    assert "script.py.mako is that of this version." in done.stdout
    assert env.read_text(encoding="utf-8").endswith("# mine\n")
    env.write_bytes(kit["shop/migrations/env.py"])
    assert app.tree() == kit


@pytest.mark.slow
def test_scratch_databases_are_dropped(tmp_path: Path) -> None:
    with databases("postgresql", False) as urls:
        app = build("factory", tmp_path, **urls)
        app.adopt()
        url = make_url(urls["DATABASE_URL"])
        with servers.connect(url) as connection:
            names = connection.execute(text("SELECT datname FROM pg_database")).scalars().all()
    assert not [name for name in names if name != url.database and str(url.database) in name]


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
def test_installed_from_its_wheel(packages: tuple[str, ...], uv: str, tmp_path: Path) -> None:
    """In an environment of the app's own, with the newest, the oldest that do, and one between."""
    run(uv, "build", "--quiet", "--wheel", "--out-dir", str(tmp_path), str(ROOT), cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    programs = new_environment(uv, tmp_path / "venv", wheel, *packages)
    app = build("src-capitals", tmp_path / "app", interpreter=str(programs / "python"))
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


@pytest.mark.slow
def test_an_app_that_ends_the_process_is_shown_with_what_it_says(tmp_path: Path) -> None:
    app = App(SHAPES["nothing"], tmp_path, {})
    (tmp_path / "shop.py").write_text("import os; os.write(2, b'no key'); os._exit(3)\n", "utf-8")
    assert "Error: The app ended the process:\nno key" in app.adopt(status=1).stderr


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
