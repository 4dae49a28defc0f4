"""How a connection is opened for migrating, so that nothing is lost and nothing half-applied.

env.py uses it; there is nothing to edit. While a command changes a database (upgrade, downgrade,
stamp), one migration runs at a time, however many start; no statement waits long for a table that
somebody else has locked; and SQLite migrates in one transaction that loses no row to a foreign key.
The connection goes back to the pool as it was.

A pooler in transaction mode, such as PgBouncer, takes the locks away: migrate past it.
"""

import logging
import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from alembic import context
from alembic.util import CommandError
from flask import current_app
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.engine import TwoPhaseTransaction
from sqlalchemy.exc import DBAPIError

from .errors import explained, unreachable

logger = logging.getLogger("alembic.guard")


@contextmanager
def guarded(engine: Engine, name: str = "default") -> Iterator[Connection]:
    """Yield a connection that is safe to migrate over.

    :param engine: the app's own
    :param name: the name of the database, in messages and in the lock
    :raises CommandError: if the database cannot be reached, another migration takes longer than
        ``MIGRATION_WAIT`` seconds, or somebody locks a table for ``MIGRATION_LOCK_TIMEOUT`` seconds
    """
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(engine.connect())
            if is_changing() and engine.dialect.name in GUARDS:
                stack.enter_context(GUARDS[engine.dialect.name](connection, name))
        except DBAPIError as error:
            raise unreachable(engine, name, error) from error
        with explained(connection, name):
            yield connection


def is_changing() -> bool:
    """Say whether the command is to change the database: only then it has a target revision."""
    try:
        context.get_revision_argument()
    except KeyError:
        return False
    return True


@contextmanager
def postgresql(connection: Connection, name: str) -> Iterator[None]:
    """Hold an advisory lock of the session, and limit how long a statement waits for others."""
    lock = int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)
    # Not pg_advisory_lock(): who waits in a statement holds a snapshot, and CREATE INDEX
    # CONCURRENTLY in the migration that is waited for would wait for that snapshot.
    wait(lambda: run(connection, "SELECT pg_try_advisory_lock(:lock)", lock=lock), name)
    limit = run(connection, "SELECT current_setting('lock_timeout')")
    set_limit = "SELECT set_config('lock_timeout', :limit, false)"
    try:
        run(connection, set_limit, limit=f"{seconds('MIGRATION_LOCK_TIMEOUT', 10) * 1000:.0f}")
        yield
    finally:
        with given_back(connection):
            run(connection, set_limit, limit=limit)
            run(connection, "SELECT pg_advisory_unlock(:lock)", lock=lock)


@contextmanager
def mysql(connection: Connection, name: str) -> Iterator[None]:
    """Hold a lock of the session, and limit how long a statement waits for others."""
    lock = sha256(f"{connection.engine.url.database} {name}".encode()).hexdigest()
    wait(lambda: run(connection, "SELECT GET_LOCK(:lock, 0)", lock=lock), name)
    limit = run(connection, "SELECT @@SESSION.lock_wait_timeout")
    set_limit = "SET SESSION lock_wait_timeout = :limit"
    try:
        longest = 31536000  # a year
        run(connection, set_limit, limit=round(seconds("MIGRATION_LOCK_TIMEOUT", 10)) or longest)
        yield
    finally:
        with given_back(connection):
            run(connection, set_limit, limit=limit)
            run(connection, "SELECT RELEASE_LOCK(:lock)", lock=lock)


@contextmanager
def sqlite(connection: Connection, name: str) -> Iterator[None]:
    """Hold a lock on a file beside the database; begin each transaction; check foreign keys."""
    driver: Any = connection.connection.dbapi_connection
    autocommit = getattr(driver, "autocommit", None)  # Python 3.12
    if autocommit is not None:
        driver.autocommit = -1  # sqlite3.LEGACY_TRANSACTION_CONTROL: this function begins
        driver.rollback()
    file = driver.execute("PRAGMA database_list").fetchone()[2]
    limit = driver.execute("PRAGMA busy_timeout").fetchone()[0]
    enforced = driver.execute("PRAGMA foreign_keys").fetchone()[0]
    changes = 0

    def begin(connection: Connection) -> None:
        nonlocal changes
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            driver.rollback()  # what a listener of the app may have begun
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            changes = driver.total_changes

    def check(connection: Connection) -> None:
        nonlocal changes
        if enforced and driver.total_changes != changes:
            changes = driver.total_changes
            check_foreign_keys(driver, file, name)

    # The transaction of the database does not do for a lock: transaction_per_migration and
    # autocommit_block() end it between two revisions.
    with closing(sqlite3.connect(f"{file}-migrating" if file else ":memory:", timeout=0)) as lock:
        wait(lambda: begin_exclusive(lock), name)
        event.listen(connection, "begin", begin)
        event.listen(connection, "commit", check)
        connection.info["check"] = check
        longest = 2**31 - 1
        try:
            timeout = round(seconds("MIGRATION_LOCK_TIMEOUT", 10) * 1000) or longest
            driver.execute(f"PRAGMA busy_timeout={timeout}")
            # To change a table, batch mode drops it, which would delete what refers to it.
            driver.execute("PRAGMA foreign_keys=OFF")
            yield
        finally:
            del connection.info["check"]
            driver.rollback()
            driver.execute(f"PRAGMA foreign_keys={enforced}")
            driver.execute(f"PRAGMA busy_timeout={limit}")
            if autocommit is not None:
                driver.autocommit = autocommit


GUARDS = {"postgresql": postgresql, "mysql": mysql, "mariadb": mysql, "sqlite": sqlite}


def prepare(connection: Connection) -> None:
    """Do what can still fail before any of several databases commits."""
    transaction = connection.get_transaction()
    if isinstance(transaction, TwoPhaseTransaction):
        transaction.prepare()
    elif connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
    elif "check" in connection.info:
        connection.info["check"](connection)


def seconds(setting: str, default: float) -> float:
    """Return a setting of the app's config, or else of the environment."""
    return float(current_app.config.get(setting) or os.environ.get(setting) or default)


def wait(locked: Callable[[], Any], name: str) -> None:
    """Try to get a lock until it works.

    :raises CommandError: if it does not within ``MIGRATION_WAIT`` seconds
    """
    longest = seconds("MIGRATION_WAIT", 600)
    end = time.monotonic() + longest
    pause = 0.05
    while not locked():
        if pause == 0.05:
            logger.info("Waiting for another migration of database %r, up to %g s", name, longest)
        if time.monotonic() > end:
            raise CommandError(
                f"Another migration of database {name!r} has not ended within {longest:g} s "
                "(MIGRATION_WAIT): see whether it hangs, then run this again."
            )
        time.sleep(pause * random.uniform(0.5, 1))
        pause = min(pause * 1.5, 1)


def run(connection: Connection, sql: str, **parameters: Any) -> Any:
    """Return the first value of a statement, and leave no transaction behind.

    Alembic would take it for one of ours, and commit nothing.
    """
    result = connection.execute(text(sql), parameters)
    value = result.scalar() if result.returns_rows else None
    connection.commit()
    return value


@contextmanager
def given_back(connection: Connection) -> Iterator[None]:
    """End what a migration left; drop the connection, and with it all it holds, if that fails."""
    try:
        connection.rollback()
        yield
    except DBAPIError:
        connection.invalidate()


def begin_exclusive(lock: sqlite3.Connection) -> bool:
    """Say whether this process has got the lock, which the system takes away when it ends."""
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise CommandError(f"The database's folder cannot be written to: {error}.") from error
        return False
    return True


def check_foreign_keys(driver: Any, file: str, name: str) -> None:
    """Refuse rows whose parent is not there, unless as many were like that before.

    :raises CommandError: naming the tables and some of the rows
    """
    broken = driver.execute("PRAGMA foreign_key_check").fetchall()
    before: list[Any] = []
    if broken and file:  # another connection still sees what was there before
        read_only = f"{Path(file).as_uri()}?mode=ro"
        with suppress(sqlite3.Error), closing(sqlite3.connect(read_only, uri=True)) as other:
            before = other.execute("PRAGMA foreign_key_check").fetchall()
    # By number, not by row: batch mode numbers the rows of a table anew.
    more = Counter((table, parent) for table, _, parent, _ in broken)
    more -= Counter((table, parent) for table, _, parent, _ in before)
    rows = [
        f"{table} {row} -> {parent}"
        for table, row, parent, _ in sorted({*broken} - {*before})
        if (table, parent) in more
    ]
    if rows:
        raise CommandError(
            f"Database {name!r}: {more.total()} rows would refer to rows that are not there, and "
            f"nothing of this run is kept: {', '.join(rows[:5])}."
        )
