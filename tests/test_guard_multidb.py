"""Several databases: all migrate, or none does."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import servers
from kit import FIRST_REVISION, Project
from own_servers import own_server
from servers import at, query, tables
from sqlalchemy import URL, make_url
from test_guard import enforce_foreign_keys


@pytest.fixture(params=["sqlite-sqlite", "postgresql-postgresql", "sqlite-postgresql"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[URL, URL]]:
    """Two empty databases: for ``default`` and for ``auth``."""
    with ExitStack() as stack:
        default, auth = (
            stack.enter_context(servers.database(dialect, tmp_path))
            for dialect in request.param.split("-")
        )
        yield default, auth


def environment(default: URL, auth: URL) -> dict[str, str]:
    return at(default) | at(auth, "AUTH_DATABASE_URL")


def test_what_a_revision_writes_into_another_database_is_rolled_back_with_it(
    multidb: Project, urls: tuple[URL, URL]
) -> None:
    """Also into one whose turn is yet to come: a second run would write it twice."""
    env = environment(*urls)
    body = """
from flask_app.db import db
with db.engines["auth"].begin() as auth:
    auth.execute(sa.text("INSERT INTO t VALUES (1)"))
"""
    table = 'op.create_table("t", sa.Column("a", sa.Integer))'
    multidb.add_revision("pass", upgrade_auth=table)
    multidb.alembic("upgrade", "head", env=env)
    multidb.add_revision(f"{body}\nraise ValueError")
    assert (
        "Nothing of this run is kept."
        in multidb.alembic("upgrade", "head", env=env, status=1).stderr
    )
    assert query(urls[1], "SELECT a FROM t") == []
    path = next(multidb.versions.glob("*r002.py"))
    path.write_text(path.read_text(encoding="utf-8").replace("raise ValueError", ""), "utf-8")
    multidb.alembic("upgrade", "head", env=env)
    assert query(urls[1], "SELECT a FROM t") == [1]


@pytest.mark.parametrize("failing", ["default", "auth"])
def test_failure_in_one_database_rolls_every_one_back(
    multidb: Project, urls: tuple[URL, URL], failing: str
) -> None:
    bodies = dict.fromkeys(("default", "auth"), 'op.create_table("t", sa.Column("a", sa.Integer))')
    bodies[failing] += "\n1 / 0"
    revision = multidb.add_revision(bodies["default"], upgrade_auth=bodies["auth"])
    done = multidb.alembic("upgrade", "head", env=environment(*urls), status=1)
    assert done.stderr.count(f"Revision {revision} of database {failing!r} failed.") == 1
    assert done.stderr.count("failed.") == 1
    for url in urls:
        assert tables(url) == set()


def test_broken_key_in_one_database_rolls_every_one_back(multidb: Project, tmp_path: Path) -> None:
    """The check of foreign keys comes before the first of them commits."""
    enforce_foreign_keys(multidb)
    orphan = """
        op.execute("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
        op.execute("CREATE TABLE children (id INTEGER REFERENCES parents)")
        op.execute("INSERT INTO children VALUES (1)")
    """
    for name, bodies in {
        "default": (orphan, "pass"),
        "auth": ("pass", orphan),
    }.items():
        urls = [make_url(f"sqlite:///{tmp_path / name}{number}.db") for number in (1, 2)]
        revision = multidb.add_revision(bodies[0], upgrade_auth=bodies[1])
        line = multidb.fails("upgrade", "head", env=environment(urls[0], urls[1]))
        assert f"Database {name!r} is rolled back: 1 rows would refer to rows" in line
        for url in urls:
            assert tables(url) == set()
        next(multidb.versions.glob(f"*{revision}*")).unlink()


def test_stamp_says_where_each_database_is(multidb: Project) -> None:
    said = multidb.alembic("stamp", "head").stderr
    assert f"Database default is at head ({FIRST_REVISION})" in said
    assert f"Database auth is at head ({FIRST_REVISION})" in said


def test_database_that_cannot_be_reached_leaves_the_others_alone(
    multidb: Project, tmp_path: Path
) -> None:
    there = make_url(f"sqlite:///{tmp_path / 'there.db'}")
    gone = make_url("postgresql://postgres@127.0.0.1:1/gone")
    for name, urls in {"auth": (there, gone), "default": (gone, there)}.items():
        assert f"Database {name!r} cannot be reached" in multidb.fails(
            "upgrade", "head", env=environment(*urls)
        )
        assert tables(there) == set()


def other_name(url: URL) -> URL:
    """Return another URL of the same database."""
    if url.get_backend_name() == "sqlite":
        assert url.database
        folder, _, name = url.database.rpartition("/")
        return url.set(database=f"{folder}/../{folder.rpartition('/')[2]}/{name}")
    return url.set(host="localhost" if url.host == "127.0.0.1" else "127.0.0.1")


@pytest.mark.parametrize(
    "same",
    [pytest.param(True, id="one-url", marks=pytest.mark.slow), pytest.param(False, id="two-urls")],
)
@pytest.mark.parametrize(
    "dialect", ["sqlite", "postgresql", pytest.param("mysql", marks=pytest.mark.slow)]
)
def test_two_names_for_one_database_do_not_wait_for_each_other(
    multidb: Project, tmp_path: Path, dialect: str, same: bool
) -> None:
    with servers.database(dialect, tmp_path) as url:
        env = environment(url, url if same else other_name(url))
        env |= {"MIGRATION_WAIT": "2", "MIGRATION_LOCK_TIMEOUT": "2"}
        both = {"users", "posts", "alembic_version", "alembic_version_auth"}
        versions = {"alembic_version", "alembic_version_auth"}
        for command, left in (
            ("upgrade head", both),
            ("upgrade head", both),
            ("downgrade base", versions),
            ("-x database=auth upgrade head", both - {"posts"}),
            ("current", both - {"posts"}),
            ("upgrade head", both),
            ("downgrade base", versions),
            ("-x database=default upgrade head", both - {"users"}),
            ("upgrade head", both),
        ):
            multidb.alembic(*command.split(), env=env)
            assert tables(url) == left, command
        for table in versions:
            assert len(query(url, f"SELECT version_num FROM {table}")) == 1
        failing = multidb.add_revision("pass", upgrade_auth="1 / 0")
        done = multidb.alembic("upgrade", "head", env=env, status=1)
        assert done.stderr.count(f"Revision {failing} of database 'auth' failed.") == 1


HOSTS = """
import json, sys
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from flask_app import create_app
from flask_app.migrations import alembic_config
from flask_app.migrations.kit.databases import hosts
from sqlalchemy import create_engine, event
engines = {name: create_engine(url) for name, url in json.loads(sys.argv[1]).items()}
statements = []
for engine in engines.values():
    event.listen(engine, "before_cursor_execute", lambda *found: statements.append(found[2]))
with create_app().app_context():
    config = alembic_config()
    with EnvironmentContext(config, ScriptDirectory.from_config(config)):
        print(json.dumps([hosts(engines, engines), len(statements)]))
"""


@pytest.mark.parametrize("dialect", ["postgresql", "mysql"])
def test_each_database_is_asked_once_where_it_is(multidb: Project, dialect: str) -> None:
    with ExitStack() as stack:
        urls = [stack.enter_context(servers.database(dialect)) for _ in range(4)]
        named = dict(zip("abcd", urls, strict=True)) | {"e": other_name(urls[1])}
        shown = {name: url.render_as_string(hide_password=False) for name, url in named.items()}
        done = multidb.python("-c", HOSTS, json.dumps(shown))
    found, number = json.loads(done.stdout)
    assert found == {**{name: name for name in "abcd"}, "e": "b"}
    assert number == len(named) + 3  # and whether two are one


BAD_NAMES = {
    "hyphen": "auth-2",
    "keyword": "class",
    "outside": "../auth",
    "quote": "a'b",
    "empty": "a b",
}


@pytest.mark.parametrize("case", BAD_NAMES)
def test_name_that_is_none_for_a_function_is_refused(multidb: Project, case: str) -> None:
    config = multidb.folder / multidb.package / "config.py"
    text = config.read_text(encoding="utf-8")
    old = '"SQLALCHEMY_BINDS": {'
    assert old in text
    bind = f'{old}{BAD_NAMES[case]!r}: "sqlite:///more.db", '
    config.write_text(text.replace(old, bind), encoding="utf-8")
    before = sorted(multidb.versions.iterdir())
    for command in (
        "upgrade head",
        "upgrade head --sql",
        "revision -m x",
        "revision --autogenerate -m x",
    ):
        done = multidb.alembic(*command.split(), status=None)
        assert "Traceback" not in done.stderr
        line = done.stdout.splitlines()[-1]
        # Without env.py there is only the template to say no, and Alembic hides what it says.
        expected = f"cannot have the name {BAD_NAMES[case]!r}"
        assert (expected if command != "revision -m x" else "Template rendering failed") in line
        assert sorted(multidb.versions.iterdir()) == before
        assert not list(multidb.folder.rglob("*.sql"))


def test_renamed_bind_is_one_line(multidb: Project) -> None:
    config = multidb.folder / multidb.package / "config.py"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('"auth": ', '"people": '), encoding="utf-8")
    assert "The database 'auth' has models, but no URL" in multidb.fails("upgrade", "head")


def test_bind_without_a_base_class_of_models_is_one_line(
    rendered: Callable[..., Project], tmp_path: Path
) -> None:
    project = rendered(variant="multidb", layer="flask-sqlalchemy-lite").copy(tmp_path)
    project.edit("config.py", '"auth": ', '"people": "sqlite://", "auth": ')
    assert "The database 'people' has no model" in project.fails("upgrade", "head")


def test_only_binds(multidb: Project, tmp_path: Path) -> None:
    auth = make_url(f"sqlite:///{tmp_path / 'auth.db'}")
    multidb.edit(
        "__init__.py",
        "    db.init_app(",
        '    app.config.pop("SQLALCHEMY_DATABASE_URI")\n    db.init_app(',
    )
    multidb.alembic("upgrade", "head", env=at(auth, "AUTH_DATABASE_URL"))
    assert tables(auth) == {"users", "alembic_version"}


def test_two_schemas_of_one_database_do_not_wait_for_each_other(multidb: Project) -> None:
    with servers.database("postgresql") as url:
        query(url, "CREATE SCHEMA auth")
        auth = url.update_query_dict({"options": "-csearch_path=auth"})
        multidb.alembic("upgrade", "head", env=environment(url, auth))
        assert tables(url) == {"posts", "alembic_version"}
        assert tables(auth) == {"users", "alembic_version"}


def test_named_database_is_all_that_is_touched(multidb: Project, urls: tuple[URL, URL]) -> None:
    default, auth = urls
    lost = make_url("postgresql://postgres@127.0.0.1:1/gone")
    multidb.alembic("-x", "database=auth", "upgrade", "head", env=environment(lost, auth))
    assert tables(auth) == {"users", "alembic_version"}
    assert tables(default) == set()


PREPARED = "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"


@pytest.fixture(scope="module")
def two_phase_server() -> Iterator[URL]:
    """A PostgreSQL of our own in which transactions can be prepared."""
    with own_server("postgresql", "-c", "max_prepared_transactions=10") as server:
        query(server.url, "CREATE DATABASE auth")
        yield server.url


@pytest.fixture
def two_phase(multidb: Project, two_phase_server: URL) -> Iterator[tuple[Project, URL, URL]]:
    """A project that commits in two phases, and its two empty databases."""
    multidb.edit("migrations/env.py", "TWO_PHASE = False", "TWO_PHASE = True")
    urls = [two_phase_server.set(database=name) for name in ("postgres", "auth")]
    yield multidb, urls[0], urls[1]
    for url in urls:
        for gid in query(url, PREPARED):
            query(url, f"ROLLBACK PREPARED '{gid}'")
        query(url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")


def test_two_phases_commit_every_database(two_phase: tuple[Project, URL, URL]) -> None:
    project, default, auth = two_phase
    project.alembic("upgrade", "head", env=environment(default, auth))
    project.alembic("check", env=environment(default, auth))
    assert tables(default) == {"posts", "alembic_version"}
    assert tables(auth) == {"users", "alembic_version"}
    assert query(default, PREPARED) == query(auth, PREPARED) == []


@pytest.mark.parametrize("lost", ["default", "auth"])
def test_failure_between_the_phases_names_what_is_undecided(
    two_phase: tuple[Project, URL, URL], lost: str
) -> None:
    project, default, auth = two_phase
    urls = {"default": default, "auth": auth}
    env_py = project.folder / project.package / "migrations" / "env.py"
    before = env_py.read_text(encoding="utf-8")
    project.edit(
        "migrations/env.py",
        "            kit.prepare(connection, name)\n",
        "            kit.prepare(connection, name)\n"
        f"        driver = guarded[{lost!r}].connection.dbapi_connection\n"
        "        with __import__('contextlib').suppress(Exception):\n"
        "            driver.execute('SELECT pg_terminate_backend(pg_backend_pid())')\n",
    )
    line = project.fails("upgrade", "head", env=environment(default, auth))
    (undecided,) = query(urls.pop(lost), PREPARED)
    assert undecided in line and f"Database {lost!r}" in line
    assert undecided.startswith(f"migration-{lost}-")
    ((name, other),) = urls.items()
    assert query(other, PREPARED) == []
    env_py.write_text(before, encoding="utf-8")
    env = environment(default, auth)
    line = project.fails("upgrade", "head", env=env)
    assert f"prepared transaction {undecided!r}: COMMIT PREPARED" in line
    project.alembic("-x", f"database={name}", "upgrade", "head", env=env)  # is not concerned
    query(auth if lost == "auth" else default, f"COMMIT PREPARED '{undecided}'")
    project.alembic("upgrade", "head", env=env)
    project.alembic("check", env=env)


def test_two_phases_that_a_server_does_not_allow_leave_nothing(multidb: Project) -> None:
    multidb.edit("migrations/env.py", "TWO_PHASE = False", "TWO_PHASE = True")
    with servers.database("postgresql") as default, servers.database("postgresql") as auth:
        assert query(default, "SHOW max_prepared_transactions") == ["0"]
        line = multidb.fails("upgrade", "head", env=environment(default, auth))
        assert "prepared transactions are disabled" in line
        assert tables(default) == tables(auth) == set()
