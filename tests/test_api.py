"""``PACKAGE.migrations`` in Python, and ``/health``: data, exceptions, nothing printed."""

import json
import re
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
import servers
from kit import FIRST_REVISION, ROOT, Project
from servers import at, query
from sqlalchemy import make_url

START = """
from alembic import command
from alembic.util import CommandError
from flask_app import create_app
from flask_app.db import db
from flask_app.migrations import alembic_config, current, differences, heads, needs_upgrade

app = create_app()
"""


def test_state_of_the_databases(project: Project) -> None:
    names = [*project.databases]
    project.add_revision("pass")
    done = project.python(
        "-c",
        START
        + f"""
import gc
from inspect import signature
from flask_app.migrations import migrate
frozen = gc.get_freeze_count()
names = {names!r}
assert [*signature(migrate).parameters][:3] == ["directory", "message", "sql"]  # for help()
with app.app_context():
    assert heads() == ("r001",)
    assert current() == dict.fromkeys(names, ())
    assert needs_upgrade() == names
    command.upgrade(alembic_config(), "{FIRST_REVISION}")
    assert current() == dict.fromkeys(names, ("{FIRST_REVISION}",))
    assert differences() == {{}}  # also while a revision is to come
    command.upgrade(alembic_config(), "head")
    assert needs_upgrade() == []
    assert differences() == {{}}
assert gc.get_freeze_count() <= frozen  # that is for commands, whose process ends
""",
    )
    assert done.stdout == done.stderr == ""


def test_differences_are_those_of_autogenerate(migrated: Project) -> None:
    migrated.add_column()
    expected = {"default"}
    if migrated.variant == "multidb":
        migrated.add_column("User", "email: Mapped[str | None]")
        expected.add("auth")
    done = migrated.python(
        "-c",
        START
        + f"""
with app.app_context():
    found = differences()
assert found.keys() == {expected!r}
(difference,) = found["default"]
assert difference[0] == "add_column" and difference[3].name == "body"
""",
    )
    assert done.stdout == done.stderr == ""


def test_database_that_newer_code_has_migrated_needs_no_upgrade(migrated: Project) -> None:
    code = "with app.app_context():\n    assert not needs_upgrade()"
    for url in migrated.databases.values():
        query(make_url(f"sqlite:///{url}"), "UPDATE alembic_version SET version_num = 'newer'")
    migrated.python("-c", START + code)
    assert "newer" in migrated.fails("upgrade", "head")


def test_what_is_edited_in_env_py_holds_for_the_functions(generic: Project) -> None:
    generic.edit(
        "migrations/env.py",
        '"compare_server_default": True,',
        '"compare_server_default": True, "version_table": "mine",',
    )
    generic.alembic("upgrade", "head")
    generic.python(
        "-c",
        START
        + """
with app.app_context():
    assert current() == {"default": heads()}
    assert app.test_client().get("/health").status_code == 200
""",
    )


def test_apps_in_one_process_do_not_mix(generic: Project) -> None:
    generic.python(
        "-c",
        START
        + """
other = create_app({"SQLALCHEMY_DATABASE_URI": "sqlite:///other.db"})
with other.app_context():
    command.upgrade(alembic_config(), "head")
for one, status in ((app, 503), (other, 200), (app, 503)):
    with one.app_context():
        assert needs_upgrade() == (["default"] if one is app else [])
    assert one.test_client().get("/health").status_code == status
""",
    )


def test_errors_are_alembics_own(generic: Project) -> None:
    gone = {"DATABASE_URL": "postgresql://ada:s3cr3t@127.0.0.1:1/shop"}
    code = """
with app.app_context():
    for function in (current, needs_upgrade, differences):
        try:
            function()
        except CommandError as error:
            assert "cannot be reached" in str(error) and "s3cr3t" not in str(error)
        else:
            raise AssertionError(function)
"""
    generic.python("-c", START + code, env=gone)


def test_script_gives_what_is_x_on_the_command_line(project: Project) -> None:
    """As Alembic's documentation does it, without the other options of a command."""
    project.edit("migrations/env.py", "def options(", X_SEEN)
    done = project.python(
        "-c",
        START
        + """
import gc, logging
from argparse import Namespace
from pathlib import Path

def given(*x):
    return alembic_config(cmd_opts=Namespace(x=[*x]))

with app.app_context():
    frozen = gc.get_freeze_count()
    try:
        command.check(given("database=default"))
    except CommandError as error:
        assert "not at head" in str(error)
    else:
        raise AssertionError
    command.upgrade(given("database=default", "more=1"), "head")
    command.check(given("database=default"))
    assert needs_upgrade() == [name for name in current() if name != "default"]
    before = [*Path("flask_app/migrations/versions").glob("*.py")]
    options = Namespace(x=["database=default"], autogenerate=True)
    assert command.revision(alembic_config(cmd_opts=options), "none", autogenerate=True) == []
    assert [*Path("flask_app/migrations/versions").glob("*.py")] == before
    assert gc.get_freeze_count() <= frozen and not logging.root.handlers
""",
    )
    assert done.stdout.count("['database=default', 'more=1']") == 1


# What a project may do with -x, at the top of its env.py.
X_SEEN = """if context.get_x_argument():
    print(context.get_x_argument())


def options("""

HEALTH = """
response = app.test_client().get("/health")
print(response.status_code, response.text)
"""


def health(project: Project, **environment: str) -> tuple[int, dict[str, dict[str, object]]]:
    """Return the status and the JSON of the first answer of an app."""
    printed = project.python("-c", START + HEALTH, env=environment).stdout
    status, _, text = printed.partition(" ")
    assert "s3cr3t" not in printed
    return int(status), json.loads(text)


def test_configuration_that_a_script_changes_is_its_own(generic: Project) -> None:
    """Nobody else's is changed with it, as a callback of Flask-Migrate would."""
    generic.python(
        "-c",
        START
        + """
with app.app_context():
    command.upgrade(alembic_config(), "head")
    config = alembic_config()
    config.set_main_option("file_template", "mine_%(rev)s".replace("%", "%%"))
    for each, id in ((config, "r1"), (alembic_config(), "r2")):
        command.revision(each, "more", rev_id=id)
""",
    )
    names = sorted(path.name for path in generic.versions.glob("*r[12]*.py"))
    assert names[1] == "mine_r1.py" and names[0].endswith("-r2_more.py"), names


def test_sql_goes_where_the_script_wants_it(project: Project) -> None:
    """That of several databases too, which the command writes into files."""
    project.python(
        "-c",
        START
        + """
from io import StringIO
from pathlib import Path

with app.app_context():
    buffer = StringIO()
    command.upgrade(alembic_config(output_buffer=buffer), "head", sql=True)
for table in ("users", "posts"):
    assert buffer.getvalue().count(f"CREATE TABLE {table} ") == 1, buffer.getvalue()
assert not [*Path().glob("*.sql")]
""",
    )


def test_health_of_databases_that_are_behind_and_at_head(project: Project) -> None:
    behind = {"ok": False, "status": "behind", "reachable": True}
    behind |= {"current": [], "heads": [FIRST_REVISION]}
    assert health(project) == (503, dict.fromkeys(project.databases, behind))
    project.alembic("upgrade", "head")
    at_head = behind | {"ok": True, "status": "ok", "current": [FIRST_REVISION]}
    assert health(project) == (200, dict.fromkeys(project.databases, at_head))


def test_health_stays_well_while_newer_code_is_deployed(migrated: Project) -> None:
    """It migrates before it starts, and what runs until then must not be taken out of service."""
    for url in migrated.databases.values():
        query(make_url(f"sqlite:///{url}"), "UPDATE alembic_version SET version_num = 'newer'")
        log = f"UPDATE alembic_log SET revision = 'newer', down_revision = '{FIRST_REVISION}'"
        query(make_url(f"sqlite:///{url}"), log)
    status, states = health(migrated)
    assert status == 200
    assert states["default"]["status"] == "newer"
    assert states["default"]["current"] == ["newer"]


def test_health_of_a_database_that_cannot_be_reached(multidb: Project) -> None:
    multidb.alembic("upgrade", "head")
    gone = "postgresql://ada:s3cr3t@127.0.0.1:1/shop"
    status, states = health(multidb, AUTH_DATABASE_URL=gone)
    assert status == 503
    assert states["default"]["ok"] and states["default"]["current"] == [FIRST_REVISION]
    assert states["auth"]["reachable"] is states["auth"]["ok"] is False


def test_health_where_a_listener_finds_no_password(generic: Project) -> None:
    """As one that asks a vault, whenever the app connects; what it says is not for /health."""
    listener = """
    with app.app_context():
        import sqlalchemy as sa

        @sa.event.listens_for(db.engine, "do_connect")
        def ask(*arguments):
            raise RuntimeError("the vault is sealed: s3cr3t")
    return app
"""
    generic.edit("__init__.py", "    return app\n", listener)
    status, states = health(generic)
    assert (status, states["default"]["status"]) == (503, "unreachable")
    assert "RuntimeError: the vault" in generic.alembic("upgrade", "head", status=1).stderr


def test_health_and_no_op_upgrade_of_a_role_with_few_rights(generic: Project) -> None:
    with servers.database("postgresql") as url:
        generic.alembic("upgrade", "head", env=servers.at(url))
        name = f"kit_{secrets.token_hex(6)}"
        role = servers.at(url.set(username=name))
        servers.query(url, f"CREATE ROLE {name} LOGIN")
        try:
            line = generic.fails("current", env=role)
            assert "permission denied for table alembic_version, in 'SELECT " in line
            code = f"from {generic.package} import create_app\nclient = create_app().test_client()"
            done = generic.python("-c", f"{code}\nprint(client.get('/health').json)", env=role)
            assert "'reachable': True" in done.stdout and "'status': 'unknown'" in done.stdout
            servers.query(url, f"GRANT SELECT ON alembic_version TO {name}")
            done = generic.alembic("upgrade", "head", env=role)
            assert "its log cannot be read: permission denied for table alembic_log" in done.stderr
            assert "there is nothing to do" in done.stderr
        finally:
            servers.query(url, f"DROP OWNED BY {name}")
            servers.query(url, f"DROP ROLE {name}")


def test_health_of_a_database_that_the_app_only_reads(multidb: Project) -> None:
    multidb.edit("migrations/env.py", "READ_ONLY: set[str] = set()", 'READ_ONLY = {"auth"}')
    multidb.alembic("upgrade", "head")
    status, states = health(multidb)
    assert status == 200
    ok = {"ok": True, "status": "ok", "reachable": True}
    assert states["auth"] == {**ok, "current": [], "heads": []}


@pytest.mark.parametrize("dialect", ["postgresql", "mysql"])
def test_health_reads_no_files_and_takes_no_lock_but_at_first(
    generic: Project, dialect: str
) -> None:
    with servers.database(dialect) as url:
        generic.alembic("upgrade", "head", env=at(url))
        code = f"""
import shutil
from pathlib import Path
from sqlalchemy import event

client = app.test_client()
assert client.get("/health").status_code == 200
shutil.rmtree({str(generic.versions)!r})
statements = []
with app.app_context():
    event.listen(
        db.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2])
    )
answer = client.get("/health")
assert answer.status_code == 200 and answer.json["default"]["current"] == ["{FIRST_REVISION}"]
assert len(statements) == 2 and not any("lock" in sql.lower() for sql in statements), statements
"""
        generic.python("-c", START + code, env=at(url))


def test_health_sees_what_happens_while_the_app_runs(generic: Project, tmp_path: Path) -> None:
    generic.python(
        "-c",
        START
        + """
client = app.test_client()
with app.app_context():
    assert client.get("/health").status_code == 503
    command.upgrade(alembic_config(), "head")
    assert client.get("/health").status_code == 200
    command.downgrade(alembic_config(), "base")
    assert client.get("/health").status_code == 503
""",
    )


def test_squashed_revision_is_behind(generic: Project) -> None:
    """Also where only Python is asked: the database needs what comes after it."""
    generic.alembic("upgrade", "head")
    (path,) = generic.versions.glob("*.py")
    path.write_text(path.read_text(encoding="utf-8") + "\nreplaces = ['old']\n", encoding="utf-8")
    query(
        make_url(f"sqlite:///{generic.databases['default']}"),
        "UPDATE alembic_version SET version_num = 'old'",
    )
    code = """
with app.app_context():
    assert needs_upgrade() == ["default"]
    assert app.test_client().get("/health").json["default"]["status"] == "behind"
"""
    generic.python("-c", START + code, env={"MIGRATION_EDITED": "warning"})


@pytest.mark.parametrize("is_first", [False, True])
def test_health_does_not_wait_for_a_migration_in_another_thread(
    generic: Project, is_first: bool
) -> None:
    """Also where nobody has asked before, so that the version tables are not known yet."""
    generic.alembic("upgrade", "head")
    generic.add_revision(
        """
        from pathlib import Path
        Path("begun").touch()
        while not Path("asked").exists():
            time.sleep(0.01)
        """
    )
    code = f"""
import threading, time
from pathlib import Path

def upgrade():
    with app.app_context():
        command.upgrade(alembic_config(), "head")

client = app.test_client()
assert {is_first} or client.get("/health").status_code == 503
thread = threading.Thread(target=upgrade)
thread.start()
while not Path("begun").exists():
    time.sleep(0.01)
late = threading.Timer(30, Path("asked").touch)  # or it would wait for ever
late.start()
assert client.get("/health").json["default"]["status"] == "behind"
assert not Path("asked").exists()
late.cancel()
Path("asked").touch()
thread.join()
assert client.get("/health").status_code == 200
"""
    generic.python("-c", START + code)


def test_lines_of_the_documentation(rendered: Callable[..., Project], tmp_path: Path) -> None:
    project = rendered(project="shop").copy(tmp_path)
    page = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
    (block,) = re.findall("^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for call, result in re.findall(
        r"^    (\w+\(\)) +# (.*?)(?:[,:] [a-z].*)?$", block, re.MULTILINE
    ):
        block = block.replace(f"    {call} ", f"    assert {call} == {result} ")
    assert block.count("assert") == 4
    project.python("-c", block)


def test_options_of_a_script_without_x_and_its_own_connection(project: Project) -> None:
    """Alembic's documentation shows both; nothing is left behind on the connection."""
    project.python(
        "-c",
        START
        + f"""
from argparse import Namespace
names = {[*project.databases]!r}
with app.app_context():
    config = alembic_config(cmd_opts=Namespace(autogenerate=True))
    engines = {{name or "default": engine for name, engine in db.engines.items()}}
    with engines["default"].connect() as connection:
        config.attributes["connection"] = {{**engines, "default": connection}}
        command.upgrade(config, "head")
        left = [*connection.dispatch.before_cursor_execute]
        assert "count_one" not in repr(left), left
    command.revision(alembic_config(cmd_opts=Namespace(autogenerate=True)), autogenerate=True)
""",
    )
