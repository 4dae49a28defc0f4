"""The lock of PostgreSQL that backends/postgresql.py takes: of a session, or of a transaction.

Both poll: a CREATE INDEX CONCURRENTLY would wait for a session that waits inside pg_advisory_lock().
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_stack

from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.engine import Connection

from ..mistakes import revision_in
from ..outcome import option
from ..session import Busy, driver_of, give_back, listening, logger, run, setting, wait

HOLDER = """
    SELECT string_agg(format('pid %s from %s', pid, coalesce(host(client_addr), 'here')), ', ')
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND (classid::bigint << 32) | objid::bigint = :lock
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# The lock of the session; NULL behind a pooler, where the driver was told of another process. And what
# earlier runs have left prepared.
TRY = """
    SELECT CASE WHEN pg_backend_pid() = coalesce(:told, pg_backend_pid())
    THEN pg_try_advisory_lock(:lock) END, (SELECT max(gid) FROM pg_prepared_xacts
    WHERE database = current_database() AND left(gid, length(:prefix)) = :prefix)
"""
# Old and new values: a limit for locks; no limit for the time between statements; and a session ends two
# minutes after its client has vanished, for example because the network failed.
LIMITS = """
    SELECT name, current_setting(name), set_config(name, value, :is_local)
    FROM (VALUES ('lock_timeout', :limit), ('idle_in_transaction_session_timeout', '0'),
        ('idle_session_timeout', '0'), ('transaction_timeout', '0'), ('tcp_keepalives_idle', '60'),
        ('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '6')) AS limits (name, value)
    WHERE current_setting(name, true) IS NOT NULL
"""
# Lock and limits until the end of the transaction; no row, and no limit, without the lock.
LOCAL = LIMITS + "AND pg_try_advisory_xact_lock(:lock)"
GIVE_BACK = """
    SELECT pg_advisory_unlock(:lock) FROM
    (SELECT count(set_config(key, value, false)) FROM json_each_text(CAST(:before AS json))) AS done
"""


@contextmanager
def in_session(connection: Connection, name: str, lock: int, limit: str) -> Iterator[None]:
    """Hold the lock, which has been taken, and limits in the session, also between transactions."""
    with connection.begin():
        found = connection.execute(text(LIMITS), {"limit": limit, "is_local": False})
        before = json.dumps({row[0]: row[1] for row in found})

    def leave() -> None:
        if not run(connection, GIVE_BACK, lock=lock, before=before):
            message = "The lock of database %r was lost, maybe by a pooler; now %s holds it"
            logger.warning(message, name, run(connection, HOLDER, lock=lock) or "nobody")

    try:
        yield
    finally:
        give_back(connection, leave)


@contextmanager
def in_transaction(connection: Connection, name: str, lock: int, limit: str) -> Iterator[None]:
    """Hold lock and limits in the one transaction of a run: a pooler may change the session then."""
    driver = driver_of(connection)
    threshold = getattr(driver, "prepare_threshold", None)

    def attempt() -> None:
        try:
            take_local(connection, lock, limit)
        except Busy:
            driver.rollback()  # SQLAlchemy begins nothing anew; the pooler gets its session back
            raise

    def refuse(what: str) -> None:
        problem = "a pooler such as PgBouncer keeps no lock for that"
        raise CommandError(f"{what}, but {problem}: connect directly (MIGRATION_POOLER).")

    def begin(_: Connection) -> None:
        if option("transaction_per_migration"):
            refuse(f"Database {name!r} has transaction_per_migration")
        wait(attempt, name)

    def commit(_: Connection) -> None:
        if revision_in(walk_stack(None)):
            refuse("it commits in between")

    twophase = listening(connection, begin_twophase=lambda *_: refuse(f"{name!r} has TWO_PHASE"))
    driver.prepare_threshold = None  # else psycopg prepares statements that others have, too
    try:
        with twophase, listening(connection, begin=begin, commit=commit):
            yield
    finally:
        driver.prepare_threshold = threshold


def take_local(connection: Connection, lock: int, limit: str) -> None:
    """Take lock and limits until the end of the transaction."""
    if not connection.execute(text(LOCAL), {"lock": lock, "limit": limit, "is_local": True}).all():
        raise Busy(connection.execute(text(HOLDER), {"lock": lock}).scalar())


def take(connection: Connection, name: str, lock: int) -> bool:
    """Take the lock of the session; return False behind a pooler."""
    info = getattr(driver_of(connection), "info", None)
    if (pooler := setting("MIGRATION_POOLER")) not in (None, "session"):
        raise CommandError(f"MIGRATION_POOLER={pooler!r} must be 'session', or not be set.")
    told = None if pooler else getattr(info, "backend_pid", None)
    found = {"lock": lock, "told": told, "prefix": f"migration-{name}-"}
    with connection.begin():
        is_taken, prepared = connection.execute(text(TRY), found).one()
    if is_taken is False:
        raise Busy(run(connection, HOLDER, lock=lock))
    if prepared:
        if is_taken:
            run(connection, "SELECT pg_advisory_unlock(:lock)", lock=lock)
        raise undecided(name, prepared)
    return bool(is_taken)


def undecided(name: str, xid: str) -> CommandError:
    return CommandError(
        f"Database {name!r} may hold the prepared transaction {xid!r}: COMMIT PREPARED it if "
        "another database of its run has committed, else ROLLBACK PREPARED it."
    )
