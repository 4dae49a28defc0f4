"""The lock of PostgreSQL that backends/postgresql.py takes: of a session, or of a transaction.

Who waits inside pg_advisory_lock() holds a snapshot, and a CREATE INDEX CONCURRENTLY in the migration
that is waited for would wait for that snapshot: so both guards try again and again.
"""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from alembic import context
from alembic.util import CommandError
from sqlalchemy import event, text
from sqlalchemy.engine import Connection

from .session import given_back, run, setting, wait

# Who holds the lock.
HOLDER = """
    SELECT string_agg(format('pid %s from %s', pid, coalesce(host(client_addr), 'here')), ', ')
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND (classid::bigint << 32) | objid::bigint = :lock
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# Lock and limit until the end of the transaction; no row, and no limit, without the lock.
LOCAL = """
    SELECT set_config('lock_timeout', :limit, true) WHERE pg_try_advisory_xact_lock(:lock)
"""


@contextmanager
def in_session(connection: Connection, name: str, lock: int, limit: str) -> Iterator[None]:
    """Hold lock and limit in the session, also between transactions."""
    locked = partial(run, connection, "SELECT pg_try_advisory_lock(:lock)", lock=lock)
    wait(locked, name, lambda: run(connection, HOLDER, lock=lock))
    before = run(connection, "SELECT current_setting('lock_timeout')")
    try:
        run(connection, "SELECT set_config('lock_timeout', :limit, false)", limit=limit)
        yield
    finally:
        with given_back(connection):
            run(connection, "SELECT set_config('lock_timeout', :limit, false)", limit=before)
            if not run(connection, "SELECT pg_advisory_unlock(:lock)", lock=lock):
                found = run(connection, HOLDER, lock=lock) or "nobody"
                message = "The lock of database %r was lost, as by a pooler; now %s holds it"
                logging.getLogger("alembic.guard").warning(message, name, found)


@contextmanager
def in_transaction(connection: Connection, name: str, lock: int, limit: str) -> Iterator[None]:
    """Hold lock and limit in the one transaction of a run: a pooler may change the session then."""
    driver: Any = connection.connection.dbapi_connection
    threshold = getattr(driver, "prepare_threshold", None)
    advice = (
        "which a pooler such as PgBouncer allows no lock for: connect past it (MIGRATION_POOLER)"
    )

    def locked() -> bool:
        parameters = {"lock": lock, "limit": limit}
        is_ours = connection.execute(text(LOCAL), parameters).scalar() is not None
        if not is_ours:
            driver.rollback()  # SQLAlchemy begins nothing anew; the pooler gets its session back
        return is_ours

    def begin(*_: Any) -> None:
        if is_per_migration():
            raise CommandError(f"Database {name!r} has transaction_per_migration, {advice}.")
        wait(locked, name, lambda: connection.execute(text(HOLDER), {"lock": lock}).scalar())

    def commit(_: Connection) -> None:
        for frame, _line in traceback.walk_stack(None):
            if "down_revision" in frame.f_globals:
                revision = frame.f_globals["revision"]
                raise CommandError(f"Revision {revision} commits in between, {advice}.")

    def begin_twophase(*_: Any) -> None:
        raise CommandError(f"Database {name!r} is to commit in two phases, {advice}.")

    listeners = [(connection, each.__name__, each) for each in (begin, begin_twophase, commit)]
    for listener in listeners:
        event.listen(*listener)
    try:
        driver.prepare_threshold = None  # else psycopg prepares statements that others have, too
        yield
    finally:
        for listener in listeners:
            event.remove(*listener)
        driver.prepare_threshold = threshold


def is_pooled(connection: Connection) -> bool:
    """Say whether the session is a pooler's: the driver was told of another process."""
    info = getattr(connection.connection.dbapi_connection, "info", None)
    told = getattr(info, "backend_pid", None)
    if setting("MIGRATION_POOLER") == "session" or told is None:
        return False
    return bool(run(connection, "SELECT pg_backend_pid()") != told)


def is_per_migration() -> bool:
    with suppress(Exception):  # Alembic's own, of a context that is not configured yet
        return bool(context.get_context().opts["transaction_per_migration"])
    return False
