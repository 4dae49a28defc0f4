"""What an operator does to a server: each is one line that is true, and the next run works."""

import signal
import subprocess
from collections.abc import Iterator

import pytest
from kit import Project
from own_servers import Server, free_port, own_server, path_of
from servers import at, query, tables
from test_guard import start, wait_for_line

pytestmark = pytest.mark.slow


@pytest.fixture(params=["postgresql", "mysql"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of each kind in turn, with an empty database."""
    with own_server(request.param) as server:
        yield server


def kept(server: Server) -> str:
    return "may remain." if server.url.get_backend_name() == "mysql" else "of this run is kept."


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["shutdown", "crash"])
def test_restart_in_the_middle(generic: Project, server: Server, how: signal.Signals) -> None:
    env = at(server.url)
    generic.alembic("upgrade", "head", env=env)
    revision = generic.add_revision("time.sleep(2)\nop.execute('SELECT 1')")
    process = start(generic, "upgrade", "head", env=env)
    wait_for_line(process, f"-> {revision}")
    server.stop(how)
    server.start()
    printed, log = process.communicate(timeout=60)
    (line,) = printed.splitlines()
    assert line.startswith(f"FAILED: Revision {revision} of database 'default': "), line
    assert line.endswith(kept(server))
    assert log == ""  # no lock was lost to a pooler, and nobody has logged in again to say so
    generic.alembic("upgrade", "head", env=env)


def test_role_without_rights(generic: Project, server: Server) -> None:
    """One that may write the kit's own tables, and change no table of the app."""
    generic.alembic("upgrade", "head", env=at(server.url))
    generic.add_revision('op.add_column("users", sa.Column("x", sa.Integer))')
    is_mysql = server.url.get_backend_name() == "mysql"
    query(server.url, "CREATE USER app@'%'" if is_mysql else "CREATE ROLE app LOGIN")
    tables = ("shop.*",) if is_mysql else ("alembic_version", "alembic_log")
    for table in tables:
        role = "app@'%'" if is_mysql else "app"
        query(server.url, f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}")
    line = generic.fails("upgrade", "head", env=at(server.url.set(username="app")))
    assert line.startswith("FAILED: Revision r001 of database 'default': ")
    assert ("ALTER command denied" if is_mysql else "must be owner of table users") in line
    assert line.endswith(kept(server))
    generic.alembic("upgrade", "head", env=at(server.url))


def test_standby(generic: Project) -> None:
    with own_server("postgresql", "-c", "wal_level=replica") as primary:
        generic.alembic("upgrade", "head", env=at(primary.url))
        folder, port = f"{primary.options['cwd']}/standby", free_port()
        connect = ["-h", "127.0.0.1", "-p", str(primary.url.port), "-U", "postgres"]
        copy = [path_of("pg_basebackup"), "-D", folder, "-R", "-c", "fast", *connect]
        subprocess.run(copy, check=True, timeout=60, **primary.options)
        socket = str(primary.options["cwd"])
        command = [path_of("postgres"), "-D", folder, "-p", str(port), "-k", socket]
        standby = Server(primary.url.set(port=port), command, primary.options)
        standby.start()
        try:
            generic.alembic("upgrade", "head", env=at(standby.url))
            generic.alembic("check", env=at(standby.url))
            generic.add_revision('op.create_table("t", sa.Column("a", sa.Integer))')
            line = generic.fails("upgrade", "head", env=at(standby.url))
        finally:
            standby.stop(signal.SIGKILL)
        assert "in a read-only transaction. Nothing of this run is kept." in line
        generic.alembic("upgrade", "head", env=at(primary.url))
        assert "t" in tables(primary.url)
