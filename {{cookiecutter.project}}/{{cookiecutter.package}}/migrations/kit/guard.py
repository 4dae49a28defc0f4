"""How a connection is opened for migrating, so that nothing is lost and nothing half-applied.

While a command changes a database (upgrade, downgrade, stamp), one migration runs at a time, however
many start, and no statement waits long for a table that somebody else has locked: see backends/. The
connection does not go back to the app's pool, for a revision may have set something in it.
"""

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from secrets import token_hex

from alembic.util import CommandError
from sqlalchemy.engine import Connection, Engine, TwoPhaseTransaction
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from .backends import backend_of
from .databases import Given, of_caller
from .errors import LockTimeout, explained, interrupted, unreachable
from .mistakes import first_line
from .outcome import followed, is_changing
from .session import Busy, give_back, in_transactions, logger, seconds, wait
from .shared import shared
from .signals import answered

# Messages of servers that take no connection now, and of DuckDB if another process has the file.
NO_CONNECTION = "(?i)too many (cli|conn)|connection slots|max_user_conn|set lock|database system is"


@contextmanager
def guarded(
    engine: Engine, name: str = "default", twin: Connection | None = None
) -> Iterator[Connection]:
    """Yield a connection that is safe to migrate over: the app's, or what a caller of Alembic gave.

    :param twin: a guarded connection to the same database, under another name of it
    """
    with ExitStack() as stack:
        found, tries, enter = twin or of_caller(name) or engine, count(), stack.enter_context
        try:
            connection = twin or wait(lambda: enter(opened(found, name, next(tries))), name)
        except DBAPIError as error:
            raise unreachable(found.engine, name, error) from error
        except KeyboardInterrupt as error:
            interrupted(error, f" before database {name!r} was migrated.")
            raise
        outcome = enter(followed(connection, name, backend_of(connection.dialect)))
        enter(explained(outcome))
        yield connection
        if is_changing() and not outcome.is_callers and (left := connection.get_transaction()):
            left.commit()  # after op.get_bind().commit() in a revision, Alembic commits nothing


@contextmanager
def opened(found: Given, name: str, tries: int) -> Iterator[Connection]:
    """Yield a connection that holds the lock, and is ready to migrate; or raise Busy."""
    with connected(found, name, tries) as connection, ExitStack() as stack:
        backend, is_callers = backend_of(connection.dialect), connection.in_transaction()
        if not is_callers:
            stack.enter_context(in_transactions(connection))
        if is_changing() and is_callers:
            backend.guard_transaction(connection, name)
        elif is_changing():
            if found is not connection and isinstance(connection.engine.pool, QueuePool):
                stack.callback(give_back, connection, connection.invalidate)
            try:
                stack.enter_context(backend.guarded(connection, name))
            except DBAPIError as error:
                if found is connection or not error.connection_invalidated:
                    raise
                raise Busy(first_line(error), "a connection") from error  # killed while it asked
            if backend.is_one_transaction:
                stack.enter_context(shared(connection))
        yield connection


@contextmanager
def connected(found: Given, name: str, tries: int) -> Iterator[Connection]:
    """Yield a connection; wait for a server that restarts, and keep no connection while waiting."""
    if isinstance(found, Connection):
        yield found
        return
    if found.dialect.is_async:
        problem = f"Database {name!r} has the asynchronous driver {found.dialect.driver}"
        raise CommandError(f"{problem}: name another in its URL, or give a connection.")
    try:
        with answered():
            connection = found.connect()
    except (SQLAlchemyError, TypeError, ValueError, OSError) as error:  # in many ways, by driver
        if is_changing() and (tries or re.search(NO_CONNECTION, str(error))):
            raise Busy(first_line(error), "a connection") from error
        raise unreachable(found, name, error) from error
    with connection as entered:  # pytest-alembic's is only a context manager
        try:
            yield entered
        except Busy:
            entered.invalidate()
            raise


def transaction_of(name: str) -> str:
    """Return a name for a transaction in two phases, by which the next run knows it."""
    return f"migration-{name}-{token_hex(8)}"


def prepare(connection: Connection, name: str) -> None:
    """Do what can still fail, before the first of several databases commits."""
    transaction = connection.get_transaction()
    if isinstance(transaction, TwoPhaseTransaction) and is_changing():
        try:
            transaction.prepare()
        except DBAPIError:
            connection.invalidate()  # else psycopg rolls back a transaction that is not prepared
            raise
    elif is_changing():
        backend_of(connection.dialect).prepare(connection)


def retry(function: Callable[[], None]) -> None:
    """Run a function again, ``MIGRATION_LOCK_RETRIES`` times, if it got no lock and has left nothing."""
    times = int(seconds("MIGRATION_LOCK_RETRIES", 3))
    for number in range(1, times + 2):
        try:
            return function()
        except LockTimeout as error:
            if number > times or not error.is_clean:
                raise
            pause = min(2**number * random.uniform(0.25, 0.5), 60)
            logger.warning("%s Trying again in %.1f s (%d/%d)", error.message, pause, number, times)
        time.sleep(pause)
