"""Any other kind of database: a lock that all of them can hold, a row in a table.

A second connection changes it in a transaction that stays open to the end. If its owner dies, the server
rolls that transaction back, and the lock is free.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from ..session import Busy, driver_of, logger
from . import Backend

LOCK = sa.Table(
    "alembic_lock",
    sa.MetaData(),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("times", sa.Integer, nullable=False),  # how often it was taken
)
HOLDS = (
    "Database %r (%s): the lock is a row of the table alembic_lock. MIGRATION_LOCK_TIMEOUT has no "
    "effect here, and MIGRATION_WAIT none while a statement waits in the server."
)
NO_LOCK = "Database %r (%s) cannot be locked while it is migrated: run one migration at a time."


class DefaultBackend(Backend):
    @contextmanager
    def guarded(self, connection: Connection, name: str) -> Iterator[None]:
        kind = connection.dialect.name
        change = LOCK.update().where(LOCK.c.name == name).values(times=LOCK.c.times + 1)
        is_held = False
        with connection.engine.connect() as lock:
            is_memory = driver_of(lock) is driver_of(connection)  # of which there may be one only
            if not is_memory and has_row(lock, name):
                with lock.begin() as transaction:
                    try:
                        lock.execute(change)  # while somebody else does, this waits, or fails
                    except DBAPIError as error:
                        raise Busy(error.orig) from error
                    if is_held := can_write(connection):
                        logger.info(HOLDS, name, kind)
                        yield
                    else:
                        transaction.rollback()
        if not is_held:
            logger.warning(NO_LOCK, name, kind)
            yield


def has_row(lock: Connection, name: str) -> bool:
    """Make the row, unless it is there; say whether there is one."""
    with suppress(DBAPIError), lock.begin():
        LOCK.create(lock, checkfirst=True)
    with suppress(DBAPIError), lock.begin():
        lock.execute(LOCK.insert().values(name=name, times=0))
    with suppress(DBAPIError), lock.begin():
        return bool(lock.execute(sa.select(LOCK.c.name).where(LOCK.c.name == name)).first())
    return False


def can_write(connection: Connection) -> bool:
    """Say whether a connection can write while another one has changed a row."""
    with suppress(DBAPIError), connection.begin() as transaction:
        connection.execute(LOCK.insert().values(name="", times=0))
        transaction.rollback()
        return True
    return False


backend = DefaultBackend()
