"""Every driver that installs here: locks, limits, failures and messages are as with the project's own."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import servers
from kit import ENVIRONMENT, Process, Project, new_environment, read_toml, run, start
from servers import at, query, tables
from sqlalchemy import URL, make_url
from test_guard import UNTIL_TOLD, finished, hold, tell, wait_for_line
from test_pythons import forked_python

pytestmark = pytest.mark.slow

# By the name in a URL: the package. Those of MySQL need a compiler, and the headers of a client.
DRIVERS = {
    "postgresql+psycopg": "psycopg[binary]",
    "postgresql+psycopg2": "psycopg2-binary",
    "postgresql+pg8000": "pg8000",
    "mysql+pymysql": "pymysql",
    "mysql+mysqldb": "mysqlclient",
    "mysql+mysqlconnector": "mysql-connector-python",
    "mariadb+mariadbconnector": "mariadb",
}
# The others run if ``DRIVERS`` is set in the environment; those of a project, in all other tests.
FEW = ("postgresql+psycopg2", "mysql+mysqldb")
ASYNCHRONOUS = {"postgresql+asyncpg": "asyncpg", "sqlite+aiosqlite": "aiosqlite"}


@pytest.fixture
def environment(
    rendered: Callable[..., Project], once: Callable[..., Path], uv: str
) -> Callable[[str], Path]:
    """Return Python in an environment with what a project needs, and a driver."""
    pyproject = read_toml(rendered(variant="generic").folder / "pyproject.toml")

    def environment(package: str) -> Path:
        def make(folder: Path) -> None:
            needed = pyproject["project"]["dependencies"]
            try:
                new_environment(uv, folder / "venv", *needed, package, "greenlet")
            except AssertionError:
                (folder / "venv" / "fails").touch()

        folder = once(f"driver-{package}", make) / "venv"
        if (folder / "fails").exists():
            pytest.skip(f"{package} does not install here")
        return forked_python(folder)

    return environment


class Driven:
    """A project whose databases are reached by a driver."""

    def __init__(self, project: Project, python: Path, url: URL, name: str) -> None:
        self.project, self.python, self.url = project, python, url
        self.driven = url.set(drivername=name)

    def start(self, *arguments: str, **variables: str) -> Process:
        env = {**ENVIRONMENT, **at(self.driven), **variables}
        return start(self.python, "-m", "alembic", *arguments, cwd=self.project.folder, env=env)

    def upgrade(self, **variables: str) -> tuple[int | None, str, str]:
        process = self.start("upgrade", "head", **variables)
        printed, log = process.communicate()
        return process.returncode, printed, log

    def fails(self, **variables: str) -> str:
        """Upgrade, which must fail with one line; return that."""
        status, printed, log = self.upgrade(**variables)
        assert status == 255, (status, printed, log)
        # SQLAlchemy logs that pg8000 cannot close a connection that is lost.
        assert "Traceback" not in log or "Exception terminating connection" in log, log
        (line,) = printed.splitlines()
        return line


@pytest.fixture(params=[name for name in DRIVERS if "DRIVERS" in os.environ or name in FEW])
def driven(
    request: pytest.FixtureRequest, generic: Project, environment: Callable[[str], Path]
) -> Iterator[Driven]:
    """A project with each driver in turn, and an empty database."""
    name = request.param
    with servers.database("mysql" if name.startswith("m") else "postgresql") as url:
        yield Driven(generic, environment(DRIVERS[name]), url, name)


def test_replicas_wait_for_each_other(driven: Driven) -> None:
    driven.project.add_revision('op.create_table("log", sa.Column("name", sa.String(20)))')
    waits = driven.project.add_revision(UNTIL_TOLD)
    driven.project.add_revision("op.execute(\"INSERT INTO log VALUES ('once')\")")
    first = driven.start("upgrade", "head")
    wait_for_line(first, f"-> {waits}")
    line = driven.fails(MIGRATION_WAIT="0.5")
    holder = "(connection " if driven.url.get_backend_name() == "mysql" else "(pid "
    assert holder in line and "0.5 s (MIGRATION_WAIT)" in line
    others = [driven.start("upgrade", "head") for _ in range(3)]
    for other in others:
        wait_for_line(other, "Waiting for another migration")
    tell(driven.project)
    for each in (first, *others):
        assert finished(each) == 0
    assert query(driven.url, "SELECT name FROM log") == ["once"]


def test_table_that_is_locked_is_one_line(driven: Driven) -> None:
    driven.upgrade()
    driven.project.add_revision('op.add_column("users", sa.Column("email", sa.String(80)))')
    with hold(driven.project, driven.url, "INSERT INTO users (name) VALUES ('Ada')") as holder:
        line = driven.fails(MIGRATION_LOCK_TIMEOUT="1", MIGRATION_LOCK_RETRIES="0")
        holder.communicate("")
    assert "waited for a lock for longer than MIGRATION_LOCK_TIMEOUT" in line
    assert ", held by " in line and " from " in line
    assert driven.upgrade()[0] == 0


def test_failed_revision_leaves_nothing_or_says_what_is_left(driven: Driven) -> None:
    failing = driven.project.add_revision('op.create_table("t", sa.Column("a", sa.Integer))\n1 / 0')
    status, _, log = driven.upgrade()
    assert status == 1
    assert f"Revision {failing} of database 'default' failed." in log.splitlines()[-1]
    if driven.url.get_backend_name() == "mysql":
        assert "may remain" in log.splitlines()[-1]
    else:
        assert "Nothing of this run is kept." in log.splitlines()[-1]
        assert tables(driven.url) == set()


KILL = """
bind = op.get_bind()
own = bind.scalar(sa.text({own!r}))
with sa.create_engine(bind.engine.url).connect() as other:
    other.execute(sa.text({kill!r} % own))
op.execute("SELECT 1")
"""
KILLS = {
    "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend(%d, 60000)"),
    "mysql": ("SELECT CONNECTION_ID()", "KILL %d"),
}


def test_lost_connection_is_one_line(driven: Driven) -> None:
    own, kill = KILLS[driven.url.get_backend_name()]
    code = KILL.format(own=own, kill=kill)
    driven.project.add_revision(code)
    line = driven.fails()
    assert line.startswith("FAILED: Revision r001 of database 'default': "), line
    kept = "may remain." if driven.url.get_backend_name() == "mysql" else "of this run is kept."
    assert line.endswith(kept), line


def test_server_that_is_not_there_is_one_line(driven: Driven) -> None:
    driven.driven = driven.driven.set(port=1, password="s3cr3t")
    line = driven.fails()
    assert "s3cr3t" not in line
    assert line.startswith(f"FAILED: Database 'default' cannot be reached at {driven.driven!r}: ")


def test_database_that_is_not_there_is_one_line(driven: Driven) -> None:
    driven.driven = driven.driven.set(database="kit_nosuch")
    assert "kit_nosuch" in driven.fails().partition(": ")[2].partition(": ")[2]


def test_limits_and_locks_are_given_back(driven: Driven) -> None:
    show = {"postgresql": "SHOW lock_timeout", "mysql": "SELECT @@SESSION.lock_wait_timeout"}
    code = f"""
from alembic import command
from {driven.project.package} import create_app
from {driven.project.package}.db import db
from {driven.project.package}.migrations import alembic_config

app = create_app({{"SQLALCHEMY_ENGINE_OPTIONS": {{"pool_size": 1, "max_overflow": 0}}}})

def state():
    with db.engine.connect() as connection:
        return connection.exec_driver_sql({show[driven.url.get_backend_name()]!r}).scalar()

with app.app_context():
    before = state()
    command.upgrade(alembic_config(), "head")
    assert state() == before, (state(), before)
"""
    env = {**ENVIRONMENT, **at(driven.driven)}
    run(driven.python, "-c", code, cwd=driven.project.folder, env=env)


@pytest.mark.parametrize("name", ASYNCHRONOUS)
def test_asynchronous_driver_is_refused_in_one_line(
    generic: Project, environment: Callable[[str], Path], name: str
) -> None:
    url = URL.create(name, "ada", "s3cr3t", "127.0.0.1", database="shop")
    if name.startswith("sqlite"):
        url = URL.create(name, database="shop.db")
    line = Driven(generic, environment(ASYNCHRONOUS[name]), url, name).fails()
    assert "has the asynchronous driver" in line and "s3cr3t" not in line


def test_connection_of_an_asynchronous_engine_is_migrated(
    generic: Project, environment: Callable[[str], Path], tmp_path: Path
) -> None:
    """As in Alembic's cookbook, with and without a transaction of the caller."""
    code = f"""
import asyncio
from alembic import command
from sqlalchemy.ext.asyncio import create_async_engine
from {generic.package} import create_app
from {generic.package}.migrations import alembic_config

def migrate(connection):
    config = alembic_config()
    config.attributes["connection"] = connection
    for revision in ("head", "base", "head"):
        (command.downgrade if revision == "base" else command.upgrade)(config, revision)

async def main():
    engine = create_async_engine({f"sqlite+aiosqlite:///{tmp_path / 'given.db'}"!r})
    for begin in (engine.connect, engine.begin):
        async with begin() as connection:
            await connection.run_sync(migrate)
    await engine.dispose()

with create_app().app_context():
    asyncio.run(main())
"""
    env = {**ENVIRONMENT, "DATABASE_URL": "sqlite:///apps.db"}
    run(environment("aiosqlite"), "-c", code, cwd=generic.folder, env=env)
    assert "users" in tables(make_url(f"sqlite:///{tmp_path / 'given.db'}"))


def test_database_without_savepoints(
    generic: Project, environment: Callable[[str], Path], tmp_path: Path
) -> None:
    """DuckDB, which also has no SERIAL for the tables of a new project."""
    python = environment("duckdb-engine")
    (first,) = generic.versions.glob("*.py")
    head, _, _ = first.read_text(encoding="utf-8").partition("def upgrade")
    body = 'def upgrade(): op.execute("CREATE TABLE users (id INTEGER)")\n'
    first.write_text(head + body, encoding="utf-8")
    env = {**ENVIRONMENT, "DATABASE_URL": f"duckdb:///{tmp_path / 'shop.db'}"}
    upgrade = (python, "-m", "alembic", "upgrade", "head")
    assert "is at head" in run(*upgrade, cwd=generic.folder, env=env).stderr
    first.write_text(f"{head}{body}more = 1\n", encoding="utf-8")
    log = run(*upgrade, cwd=generic.folder, env=env).stderr
    assert "was edited after it had been applied here" in log and "nothing to do" in log
