"""What an operator does to a server: each is one line that is true, and the next run works."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from kit import Project
from own_servers import Server, free_port, own_server, path_of
from servers import at, query, tables
from test_guard import UNTIL_TOLD, finished, start, tell, wait_for_line

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
    revision = generic.add_revision(f"{UNTIL_TOLD}    op.execute('SELECT 1')")
    process = start(generic, "upgrade", "head", env=env)
    wait_for_line(process, "It waits until it is told.")
    server.stop(how)
    server.start()
    tell(generic)
    printed, log = process.communicate()
    (line,) = printed.splitlines()
    assert line.startswith(f"FAILED: Revision {revision} of database 'default': "), line
    assert line.endswith(kept(server))
    assert log == ""  # no lock was lost to a pooler, and nobody has logged in again to say so
    generic.alembic("upgrade", "head", env=env)


def test_restart_while_a_replica_waits(generic: Project, server: Server) -> None:
    env = at(server.url)
    generic.alembic("upgrade", "head", env=env)
    revision = generic.add_revision(f"{UNTIL_TOLD}    op.execute('SELECT 1')")
    first = start(generic, "upgrade", "head", env=env)
    wait_for_line(first, f"-> {revision}")
    waiting = start(generic, "upgrade", "head", env=env)
    wait_for_line(waiting, "Waiting for")
    server.stop()
    time.sleep(1)
    server.start()
    tell(generic)
    assert finished(first) == 255
    printed, log = waiting.communicate()
    assert waiting.returncode == 0, printed + log
    assert query(server.url, "SELECT version_num FROM alembic_version") == [revision]


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


@pytest.mark.skipif(not shutil.which("mount") or os.geteuid() != 0, reason="only root mounts")
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_full_disk_of_a_server(generic: Project, kind: str) -> None:
    fill = {
        "postgresql": "SELECT i, (SELECT string_agg(md5(CAST(random() AS text)), '')"
        " FROM generate_series(1, 30)) FROM generate_series(1, 60000) AS i",
        "mysql": "SELECT seq, REPEAT(MD5(seq), 200) FROM seq_1_to_60000",
    }
    options = ["--innodb-log-file-size=8M"] if kind == "mysql" else []
    with TemporaryDirectory(prefix="kit-") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", folder]
        if subprocess.run(mount, check=False).returncode:
            pytest.skip("nothing can be mounted here")
        try:
            with own_server(kind, *options, folder=Path(folder)) as server:
                create = 'op.create_table("t", sa.Column("a", sa.Integer), sa.Column("b", sa.Text))'
                generic.add_revision(create)
                generic.alembic("upgrade", "head", env=at(server.url))
                generic.add_revision(f'op.execute("INSERT INTO t {fill[kind]}")')
                filler = Path(folder, "filler")
                filler.write_bytes(bytes(shutil.disk_usage(folder).free - 9_000_000))
                line = generic.fails("upgrade", "head", env=at(server.url))
                assert line.startswith("FAILED: Revision r002 of database 'default': ")
                assert line.endswith(kept(server))
                filler.unlink()
                assert query(server.url, "SELECT count(*) FROM t") == [0]
                assert query(server.url, "SELECT version_num FROM alembic_version") == ["r001"]
                path = next(generic.versions.glob("*r002*"))
                path.write_text(path.read_text("utf-8").replace("60000", "60"), encoding="utf-8")
                generic.alembic("upgrade", "head", env=at(server.url))
                assert query(server.url, "SELECT count(*) FROM t") == [60]
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def wait_for_port(port: int) -> None:
    """Wait for a server that listens, though it may let nobody in."""
    for _ in range(1200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)


def test_server_that_is_about_to_accept_connections_is_waited_for(generic: Project) -> None:
    """As a standby that is promoted, or a server after a crash."""
    with own_server("postgresql") as server:
        server.stop()
        signal_file = Path(server.options["cwd"], "data", "standby.signal")
        signal_file.touch()
        server.process = subprocess.Popen(
            [*server.command, "-c", "hot_standby=off"], **server.options
        )
        wait_for_port(int(server.url.port or 0))
        process = start(generic, "upgrade", "head", env=at(server.url))
        wait_for_line(process, "Waiting for a connection")
        promote = [path_of("pg_ctl"), "promote", "-D", str(signal_file.parent)]
        subprocess.run(promote, check=True, **server.options)
        printed, log = process.communicate()
        assert process.returncode == 0, printed + log


def test_standby(generic: Project) -> None:
    with own_server("postgresql", "-c", "wal_level=replica") as primary:
        generic.alembic("upgrade", "head", env=at(primary.url))
        folder, port = f"{primary.options['cwd']}/standby", free_port()
        connect = ["-h", "127.0.0.1", "-p", str(primary.url.port), "-U", "postgres"]
        copy = [path_of("pg_basebackup"), "-D", folder, "-R", "-c", "fast", *connect]
        subprocess.run(copy, check=True, **primary.options)
        sockets = str(primary.options["cwd"])
        command = [path_of("postgres"), "-D", folder, "-p", str(port), "-k", sockets]
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
