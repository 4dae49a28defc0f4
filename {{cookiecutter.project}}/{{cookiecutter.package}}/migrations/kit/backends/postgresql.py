"""PostgreSQL: an advisory lock, limits for other locks, schemas and extensions."""

import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256

from alembic.ddl.postgresql import PostgresqlImpl
from alembic.operations import ops
from sqlalchemy import Table, inspect, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ..session import listening, run, seconds, wait
from . import Backend
from .advisory_lock import in_session, in_transaction, take, take_local, undecided
from .casts import cast
from .enums import mend
from .indexes import AsDefined
from .keys import free

# Views with what stands on them; and else what is of no extension, and nothing stands on.
OTHERS = """
    SELECT statement FROM (
        SELECT format('DROP %s IF EXISTS %s CASCADE', CASE relkind
            WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END, oid::regclass), 0::oid, oid, relnamespace
        FROM pg_class WHERE relkind IN ('v', 'm')
        UNION SELECT format('DROP SEQUENCE %s', oid::regclass), oid, oid, relnamespace
        FROM pg_class WHERE relkind = 'S'
        UNION SELECT format('DROP ROUTINE %s', oid::regprocedure), oid, oid, pronamespace FROM pg_proc
        UNION SELECT format('DROP TYPE %s', t.oid::regtype), t.oid, t.oid, typnamespace
        FROM pg_type t LEFT JOIN pg_class c ON c.oid = typrelid WHERE typtype IN ('d', 'e', 'r') OR relkind = 'c'
    ) AS found (statement, base, id, schema)
    WHERE schema::regnamespace::text = ANY (SELECT quote_ident(unnest(CAST(:schemas AS text[]))))
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = id AND deptype IN ('a', 'e', 'i')
        OR refobjid IN (base, (SELECT typarray FROM pg_type WHERE oid = base)) AND deptype = 'n')
"""
# The sessions that hold locks on tables that a statement names.
BLOCKERS = """
    SELECT string_agg(DISTINCT format('pid %s from %s (%s) on %s', pid,
    coalesce(host(client_addr), 'here'), state, relation::regclass), ', ')
    FROM pg_locks JOIN pg_class ON pg_class.oid = relation JOIN pg_stat_activity USING (pid)
    WHERE granted AND pid <> pg_backend_pid() AND relkind IN ('r', 'p', 'm', 'v')
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND :statement ~* ('\\m' || relname || '\\M')
"""
INVALID = """
    SELECT min(indexrelid::regclass::text) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE NOT indisvalid AND :statement ~* ('\\m' || relname || '\\M')
"""
TAKE = "SELECT pg_advisory_xact_lock(:lock)"  # freed with the transaction


class PostgreSQLBackend(Backend):
    is_one_transaction = True
    lock_timeout, no_cast = "55P03", "42846"
    # Read-only; deadlock, a newer row than the snapshot; disk full; no right; cancelled.
    faults = ("25006", "40P01", "40001", "53100", "42501", "57014")
    linter = "squawk"
    longer_at_once = ((1, math.inf),)
    rename_key = "ALTER TABLE {} RENAME CONSTRAINT {} TO {}"
    rename_value = "ALTER TYPE {} RENAME VALUE {} TO {}"
    naming = """
        SELECT string_agg(name, ', ') FROM (
            SELECT oid::regprocedure::text AS name FROM pg_proc WHERE prosrc ~ ('\\m' || CAST(:word AS text) || '\\M')
            AND oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
            UNION SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('v', 'm') AND oid >= 16384
            AND pg_get_viewdef(oid) ~ ('\\m' || CAST(:word AS text) || '\\M')
            AND pg_get_viewdef(oid) ~ ('\\m' || CAST(:table AS text) || '\\M')
        ) AS found"""
    where = "SELECT concat_ws(' ', current_database(), current_schema())"
    probe = (TAKE, "SELECT NOT pg_try_advisory_xact_lock(:lock)", "SELECT 1")
    time_limit = ("SET LOCAL statement_timeout = 2000", "SELECT 1")  # taken back with a savepoint

    @contextmanager
    def guarded(self, connection: Connection, name: str) -> Iterator[None]:
        lock, limit = lock_and_limit(name)
        guard = in_session if take(connection, name, lock) else in_transaction
        prepared: list[str] = []
        note = listening(connection, prepare_twophase=lambda _, xid: prepared.append(xid))
        try:
            with note, guard(connection, name, lock, limit):
                yield
        finally:
            for xid in prepared:
                check_decided(connection.engine, name, xid)

    def guard_transaction(self, connection: Connection, name: str) -> None:
        wait(lambda: take_local(connection, *lock_and_limit(name)), name)

    def holders(self, connection: Connection, statement: str) -> str:
        return connection.scalar(text(BLOCKERS), {"statement": statement}) or ""

    def remains(self, connection: Connection, statement: str) -> str:
        name = connection.scalar(text(INVALID), {"statement": statement})
        return f" The index {name} is left INVALID: DROP INDEX CONCURRENTLY {name}." if name else ""

    def prepare(self, connection: Connection) -> None:
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")

    def is_of_extension(self, connection: Connection, table: Table) -> bool:
        name = connection.dialect.identifier_preparer.format_table(table)
        depends = "classid = 'pg_class'::regclass AND objid = to_regclass(:name) AND deptype = 'e'"
        found = text(f"SELECT EXISTS (SELECT FROM pg_depend WHERE {depends})")
        return bool(connection.scalar(found, {"name": name}))

    def others(self, connection: Connection, schemas: Collection[str | None]) -> list[str]:
        default = connection.scalar(text("SELECT current_schema()"))
        names = {"schemas": [schema or default for schema in schemas]}
        return [*connection.execute(text(OTHERS), names).scalars()]

    def complete(
        self, connection: Connection, changes: ops.UpgradeOps, fills: Collection[str]
    ) -> None:
        """Create the schemas of new tables. No downgrade drops them: others may use them too."""
        mend(changes, fills, connection.dialect.default_schema_name)
        schemas = {change.schema for change in changes.ops if isinstance(change, ops.CreateTableOp)}
        for schema in sorted(schemas - {None, *inspect(connection).get_schema_names()}, key=str):
            quoted = connection.dialect.identifier_preparer.quote(str(schema))
            changes.ops.insert(0, ops.ExecuteSQLOp(f"CREATE SCHEMA IF NOT EXISTS {quoted}"))

    def finish(self, connection: Connection, way: ops.OpContainer) -> None:
        cast(connection, way)
        free(connection, way, needs_own=False)


def lock_and_limit(name: str) -> tuple[int, str]:
    lock = int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)
    return lock, str(math.ceil(seconds("MIGRATION_LOCK_TIMEOUT", 10) * 1000))


def check_decided(engine: Engine, name: str, xid: str) -> None:
    """Fail if a prepared transaction is left, which would hold its locks, or be forgotten."""
    with suppress(SQLAlchemyError), engine.connect() as connection:
        xid = run(connection, "SELECT max(gid) FROM pg_prepared_xacts WHERE gid = :xid", xid=xid)
    if xid:
        raise undecided(name, xid)


class PostgreSQL(AsDefined, PostgresqlImpl):
    __dialect__ = "postgresql"


backend = PostgreSQLBackend()
