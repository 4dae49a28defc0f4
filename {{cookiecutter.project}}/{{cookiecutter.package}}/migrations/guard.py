"""How a connection is opened for migrating, so that nothing is lost and nothing half-applied.

env.py uses it; there is nothing to edit. While a command changes a database (upgrade, downgrade,
stamp), one migration runs at a time, however many start; no statement waits long for a table that
somebody else has locked; and SQLite, in sqlite.py, migrates in one transaction that loses no row to
a foreign key. The connection goes back to the pool as it was.

A pooler in transaction mode, such as PgBouncer, takes the locks away: migrate past it.
"""

import gc
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from typing import Any

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.engine import TwoPhaseTransaction
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from .errors import explained, in_one_line, unreachable
from .sqlite import sqlite
from .wait import seconds, wait


@contextmanager
def guarded(engine: Engine, name: str = "default") -> Iterator[Connection]:
    """Yield a connection that is safe to migrate over.

    :param engine: the app's own
    :param name: the name of the database, in messages and in the lock
    :raises CommandError: if the database cannot be reached, another migration takes longer than
        ``MIGRATION_WAIT`` seconds, or somebody locks a table for ``MIGRATION_LOCK_TIMEOUT`` seconds
    """
    if context.config.cmd_opts:  # a process of its own, which has loaded all that it needs
        gc.freeze()  # the collector looks through none of that again: a tenth of the time of a long run
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(engine.connect())
            if is_changing() and engine.dialect.name in GUARDS:
                stack.enter_context(GUARDS[engine.dialect.name](connection, name))
        except DBAPIError as error:
            raise unreachable(engine, name, error) from error
        stack.enter_context(explained(connection, name))
        yield connection


def prepare(connection: Connection, name: str) -> None:
    """Do what can still fail, before the first of several databases commits.

    :raises CommandError: if the database cannot commit
    """
    if not is_changing():
        return
    transaction = connection.get_transaction()
    if isinstance(transaction, TwoPhaseTransaction):
        try:
            transaction.prepare()
        except DBAPIError as error:
            connection.invalidate()  # else psycopg rolls back what it believes to be prepared
            raise CommandError(f"Database {name!r}: {in_one_line(error)}.") from error
    elif connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
    elif "check" in connection.info:
        connection.info["check"](connection)


def is_changing() -> bool:
    """Say whether the command changes the database: only then it has a revision to arrive at."""
    try:
        context.get_revision_argument()
    except KeyError:
        return False
    return True


@contextmanager
def postgresql(connection: Connection, name: str) -> Iterator[None]:
    """Hold an advisory lock, and limit how long a statement waits for a table."""
    lock = int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)
    # Not pg_advisory_lock(): who waits inside a statement holds a snapshot, and a CREATE INDEX
    # CONCURRENTLY in the migration that is waited for would wait for that snapshot.
    wait(lambda: run(connection, "SELECT pg_try_advisory_lock(:lock)", lock=lock), name)
    limit = run(connection, "SELECT current_setting('lock_timeout')")
    prepared: list[str] = []
    event.listen(connection, "prepare_twophase", lambda _, xid: prepared.append(xid))
    try:
        milliseconds = str(math.ceil(seconds("MIGRATION_LOCK_TIMEOUT", 10) * 1000))
        run(connection, "SELECT set_config('lock_timeout', :limit, false)", limit=milliseconds)
        yield
    finally:
        with given_back(connection):
            run(connection, "SELECT set_config('lock_timeout', :limit, false)", limit=limit)
            run(connection, "SELECT pg_advisory_unlock(:lock)", lock=lock)
        for xid in prepared:
            check_decided(connection.engine, name, xid)


@contextmanager
def mysql(connection: Connection, name: str) -> Iterator[None]:
    """Hold a named lock, and limit how long a statement waits for a table."""
    lock = sha256(f"{connection.engine.url.database} {name}".encode()).hexdigest()
    wait(lambda: run(connection, "SELECT GET_LOCK(:lock, 0)", lock=lock), name)
    limit = run(connection, "SELECT @@SESSION.lock_wait_timeout")
    try:
        year = 31536000  # the longest there is
        longest = math.ceil(seconds("MIGRATION_LOCK_TIMEOUT", 10)) or year
        run(connection, "SET SESSION lock_wait_timeout = :limit", limit=longest)
        yield
    finally:
        with given_back(connection):
            run(connection, "SET SESSION lock_wait_timeout = :limit", limit=limit)
            run(connection, "SELECT RELEASE_LOCK(:lock)", lock=lock)


GUARDS = {"postgresql": postgresql, "mysql": mysql, "mariadb": mysql, "sqlite": sqlite}


def run(connection: Connection, sql: str, **parameters: Any) -> Any:
    """Return the first value of a statement, and leave no transaction open.

    Alembic would take that for somebody else's, and commit nothing.
    """
    result = connection.execute(text(sql), parameters)
    value = result.scalar() if result.returns_rows else None
    connection.commit()
    return value


@contextmanager
def given_back(connection: Connection) -> Iterator[None]:
    """End what a migration has left; if that fails, close the connection and all that it holds."""
    try:
        connection.rollback()
        yield
    except SQLAlchemyError:
        connection.invalidate()


def check_decided(engine: Engine, name: str, xid: str) -> None:
    """See to it that nobody overlooks a prepared transaction, which holds its locks for ever.

    :raises CommandError: if the transaction is there, or nobody knows
    """
    find = "SELECT max(gid) FROM pg_prepared_xacts WHERE gid = :xid"
    with suppress(SQLAlchemyError), engine.connect() as connection:
        xid = run(connection, find, xid=xid)
    if xid:
        raise CommandError(
            f"Database {name!r} may hold the prepared transaction {xid!r}: COMMIT PREPARED it if "
            "another database of this run has committed, else ROLLBACK PREPARED it."
        )
