"""How a connection is opened for migrating, so that nothing is lost and nothing half-applied.

While a command changes a database (upgrade, downgrade, stamp), one migration runs at a time, however
many start, and no statement waits long for a table that somebody else has locked. How, and what else
a kind of database needs, is in backends/. The connection goes back to the pool as it was.
"""

import gc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from alembic import context
from alembic.util import CommandError
from sqlalchemy.engine import Connection, Engine, TwoPhaseTransaction
from sqlalchemy.exc import DBAPIError

from .backends import backend_of
from .errors import explained, in_one_line, running_command, unreachable
from .shared import shared


@contextmanager
def guarded(engine: Engine, name: str = "default") -> Iterator[Connection]:
    """Yield a connection that is safe to migrate over.

    :param name: the name of the database, in messages and in the lock
    :raises CommandError: if the database cannot be reached, another migration takes longer than
        ``MIGRATION_WAIT`` seconds, or somebody locks a table for ``MIGRATION_LOCK_TIMEOUT`` seconds
    """
    if running_command():  # a process of its own, which has loaded all that it needs
        gc.freeze()  # the collector looks through none of that again: a tenth of the time of a long run
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(engine.connect())
            if is_changing():
                backend = backend_of(engine.dialect)
                stack.enter_context(backend.guarded(connection, name))
                if backend.is_one_transaction:
                    stack.enter_context(shared(connection))
        except DBAPIError as error:
            raise unreachable(engine, name, error) from error
        stack.enter_context(explained(connection, name))
        yield connection


def prepare(connection: Connection, name: str) -> None:
    """Do what can still fail, before the first of several databases commits.

    :raises CommandError: if the database cannot commit
    """
    transaction = connection.get_transaction()
    if isinstance(transaction, TwoPhaseTransaction) and is_changing():
        try:
            transaction.prepare()
        except DBAPIError as error:
            connection.invalidate()  # else psycopg rolls back what it believes to be prepared
            raise CommandError(f"Database {name!r}: {in_one_line(error)}.") from error
    elif is_changing():
        backend_of(connection.dialect).prepare(connection)


def is_changing() -> bool:
    """Say whether the command changes the database: only then it has a revision to arrive at."""
    try:
        context.get_revision_argument()
    except KeyError:
        return False
    return True
