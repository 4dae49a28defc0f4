"""Migrations through PgBouncer: locks and limits stay on none of its sessions.

``POOLER_ROUNDS=10 uv run pytest -m "" tests/test_pooler.py`` makes ten rounds of eight replicas in each mode.
"""

import getpass
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import servers
from kit import FIRST_REVISION, Project
from own_servers import free_port, path_of
from servers import at, query, tables
from sqlalchemy import URL, create_engine
from sqlalchemy.exc import OperationalError
from test_guard import ADVISORY_LOCKS, UNTIL_TOLD, finished, start, tell, wait_for_line

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("POOLER_ROUNDS", "2"))
REPLICAS = 8


@contextmanager
def pgbouncer(url: URL, mode: str) -> Iterator[URL]:
    """Start a pooler before the server of a URL, and yield the URL of the same database there."""
    path = path_of("pgbouncer")
    port = free_port()
    password = f" password={url.password}" if url.password else ""
    text = f"""
[databases]
* = host={url.host} port={url.port or 5432} user={url.username}{password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = any
pool_mode = {mode}
default_pool_size = 20
max_client_conn = 200
unix_socket_dir =
ignore_startup_parameters = extra_float_digits
"""
    # Not in a folder of pytest's: root's, which nobody else may enter, and it does not run as root.
    with TemporaryDirectory() as folder:
        ini = Path(folder, "pgbouncer.ini")
        ini.write_text(text, encoding="utf-8")
        user = []
        if getpass.getuser() == "root":
            shutil.chown(folder, "postgres")
            user = ["-u", "postgres"]
        process = subprocess.Popen(
            [path, *user, str(ini)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        pooled = url.set(host="127.0.0.1", port=port)
        try:
            for _ in range(1200):
                with suppress(OperationalError):
                    query(pooled, "SELECT 1")
                    break
                time.sleep(0.05)
            yield pooled
        finally:
            process.terminate()
            process.wait()


@pytest.fixture
def pooled() -> Iterator[Callable[[str], tuple[URL, URL]]]:
    """Make an empty database; return its URL through a pooler in a mode, and its own."""
    with ExitStack() as stack:

        def pooled(mode: str) -> tuple[URL, URL]:
            url = stack.enter_context(servers.database("postgresql"))
            return stack.enter_context(pgbouncer(url, mode)), url

        yield pooled


def leftover(pooler: URL) -> set[str]:
    """Return the limits that the sessions of a pooler have, from as many at once as it may have."""
    engine = create_engine(pooler, pool_size=20, isolation_level="READ COMMITTED")
    with ExitStack() as stack:
        connections = [stack.enter_context(engine.connect()) for _ in range(10)]
        found = {str(each.exec_driver_sql("SHOW lock_timeout").scalar()) for each in connections}
    engine.dispose()
    return found


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_replicas_behind_a_pooler(
    generic: Project, pooled: Callable[[str], tuple[URL, URL]], mode: str
) -> None:
    pooler, url = pooled(mode)
    generic.add_revision('op.create_table("log", sa.Column("name", sa.String(20)))')
    generic.alembic("upgrade", "head", env=at(pooler))
    for number in range(ROUNDS):
        generic.add_revision(
            f"op.execute(\"INSERT INTO log VALUES ('{number}')\")\ntime.sleep(0.1)"
        )
        generic.add_revision(f"op.execute(\"INSERT INTO log VALUES ('{number} again')\")")
        processes = [start(generic, "upgrade", "head", env=at(pooler)) for _ in range(REPLICAS)]
        logs = [process.communicate() for process in processes]
        assert [process.returncode for process in processes] == [0] * REPLICAS, logs
        assert query(url, "SELECT count(*) FROM log") == [2 * (number + 1)]
        assert query(url, ADVISORY_LOCKS) == [0]
        assert leftover(pooler) == {"0"}
    assert query(url, "SELECT count(*) FROM alembic_log") == [2 + 2 * ROUNDS]


def test_statement_mode_is_one_line(
    generic: Project, pooled: Callable[[str], tuple[URL, URL]]
) -> None:
    pooler, url = pooled("statement")
    for _ in range(ROUNDS):
        processes = [start(generic, "upgrade", "head", env=at(pooler)) for _ in range(REPLICAS)]
        for process in processes:
            (line,) = process.communicate()[0].splitlines()
            assert "statement pooling mode" in line or "statement mode" in line, line
        assert tables(url) == set()
        assert query(url, ADVISORY_LOCKS) == [0]


IN_BETWEEN = {
    "autocommit": """
        op.create_table("t", sa.Column("a", sa.Integer))
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY by_a ON t (a)")
    """,
    "commit": 'op.create_table("t", sa.Column("a", sa.Integer))\nop.get_bind().commit()',
}


@pytest.mark.parametrize("how", IN_BETWEEN)
def test_revision_that_commits_in_between_is_refused(
    generic: Project, pooled: Callable[[str], tuple[URL, URL]], how: str
) -> None:
    pooler, url = pooled("transaction")
    revision = generic.add_revision(IN_BETWEEN[how])
    line = generic.fails("upgrade", "head", env=at(pooler))
    assert revision in line and "connect directly" in line
    assert tables(url) == set()
    assert query(url, ADVISORY_LOCKS) == [0]
    assert leftover(pooler) == {"0"}
    if how == "autocommit":
        generic.alembic("upgrade", "head", env=at(url))
        assert "t" in tables(url)


def test_transaction_per_migration_is_refused(
    generic: Project, pooled: Callable[[str], tuple[URL, URL]]
) -> None:
    pooler, url = pooled("transaction")
    generic.set_config("ALEMBIC_CONTEXT", '{"transaction_per_migration": True}')
    line = generic.fails("upgrade", "head", env=at(pooler))
    assert "transaction_per_migration" in line
    assert tables(url) == set()


def test_session_mode_that_is_named_allows_everything(
    generic: Project, pooled: Callable[[str], tuple[URL, URL]]
) -> None:
    pooler, url = pooled("session")
    line = generic.fails("upgrade", "head", env={**at(pooler), "MIGRATION_POOLER": "sessions"})
    assert "MIGRATION_POOLER='sessions' must be 'session'" in line
    env = {**at(pooler), "MIGRATION_POOLER": "session"}
    generic.add_revision(IN_BETWEEN["autocommit"])
    processes = [start(generic, "upgrade", "head", env=env) for _ in range(REPLICAS)]
    assert [finished(process) for process in processes] == [0] * REPLICAS
    assert query(url, ADVISORY_LOCKS) == [0]
    assert leftover(pooler) == {"0"}


def test_lock_that_a_pooler_took_away_is_named(
    generic: Project, pooled: Callable[[str], tuple[URL, URL]]
) -> None:
    """Who says that the sessions are his own, and is wrong."""
    pooler, _ = pooled("transaction")
    generic.alembic("upgrade", "head", env=at(pooler))
    generic.add_revision("pass")
    generic.add_revision(
        """
        op.get_bind().commit()
        from sqlalchemy import create_engine, text
        other = create_engine(op.get_bind().engine.url).connect()
        other.execute(text("SELECT 1"))
        globals()["other"] = other
        """
    )
    env = {**at(pooler), "MIGRATION_POOLER": "session"}
    done = generic.alembic("upgrade", "head", env=env)
    (line,) = [line for line in done.stderr.splitlines() if "was lost" in line]
    assert "pid " in line


def test_pooler_and_direct_connections_lock_each_other_out(
    generic: Project, pooled: Callable[[str], tuple[URL, URL]]
) -> None:
    pooler, url = pooled("transaction")
    revision = generic.add_revision(UNTIL_TOLD)
    for first, second in ((pooler, url), (url, pooler)):
        migrating = start(generic, "upgrade", "head", env=at(first))
        wait_for_line(migrating, f"-> {revision}")
        line = generic.fails("upgrade", "head", env={**at(second), "MIGRATION_WAIT": "0.5"})
        assert "(pid " in line and "0.5 s (MIGRATION_WAIT)" in line
        tell(generic)
        assert finished(migrating) == 0
        generic.alembic("downgrade", FIRST_REVISION, env=at(url))
        (generic.folder / "go").unlink()
