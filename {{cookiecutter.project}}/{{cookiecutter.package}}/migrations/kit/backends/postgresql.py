"""PostgreSQL: an advisory lock, limits for other locks, schemas and extensions."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from importlib import import_module
from secrets import randbits
from typing import Any

from alembic.ddl.postgresql import PostgresqlImpl
from alembic.operations import ops
from alembic.util import CommandError
from sqlalchemy import Index, Table, event, inspect, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex

from ..advisory_lock import LOCAL, in_session, in_transaction, is_pooled
from ..session import run, seconds, wait
from . import Backend
from .indexes import ByName

with suppress(ImportError):  # migrates the types of Enums; this way, nothing has to be known of it
    import_module("alembic_postgresql_enum")


class PostgreSQLBackend(Backend):
    is_one_transaction = True
    lock_timeout = "55P03"
    faults = ("25006", "40P01", "53100")  # read-only, deadlock, disk full
    rename_key = "ALTER TABLE {} RENAME CONSTRAINT {} TO {}"
    rename_value = "ALTER TYPE {} RENAME VALUE {} TO {}"
    time_limit = ("SET LOCAL statement_timeout = 2000", "SELECT 1")  # taken back with a savepoint

    @contextmanager
    def guarded(self, connection: Connection, name: str) -> Iterator[None]:
        lock = lock_of(name)
        limit = str(math.ceil(seconds("MIGRATION_LOCK_TIMEOUT", 10) * 1000))
        prepared: list[str] = []
        event.listen(connection, "prepare_twophase", lambda _, xid: prepared.append(xid))
        guard = in_transaction if is_pooled(connection) else in_session
        try:
            with guard(connection, name, lock, limit):
                yield
        finally:
            for xid in prepared:
                check_decided(connection.engine, name, xid)

    def guard_transaction(self, connection: Connection, name: str) -> None:
        limit = str(math.ceil(seconds("MIGRATION_LOCK_TIMEOUT", 10) * 1000))
        found = {"lock": lock_of(name), "limit": limit}
        wait(lambda: connection.execute(text(LOCAL), found).scalar() is not None, name)

    def leads_to_same(self, one: Connection, other: Connection) -> bool:
        """Ask for a lock that only this database knows; a copy of the server has its identity."""
        lock = {"lock": randbits(62)}
        one.execute(text("SELECT pg_advisory_xact_lock(:lock)"), lock)
        is_free = other.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), lock)
        schemas = {each.scalar(text("SELECT current_schema()")) for each in (one, other)}
        return not is_free and len(schemas) == 1

    def prepare(self, connection: Connection) -> None:
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")

    def is_of_extension(self, connection: Connection, table: Table) -> bool:
        name = connection.dialect.identifier_preparer.format_table(table)
        depends = "classid = 'pg_class'::regclass AND objid = to_regclass(:name) AND deptype = 'e'"
        found = text(f"SELECT EXISTS (SELECT FROM pg_depend WHERE {depends})")
        return bool(connection.scalar(found, {"name": name}))

    def complete(self, connection: Connection, changes: ops.UpgradeOps) -> None:
        """Create the schemas of new tables; no downgrade drops them: others may use them by then."""
        changes.ops = [put_between(step) for step in changes.ops]
        schemas = {change.schema for change in changes.ops if isinstance(change, ops.CreateTableOp)}
        for schema in sorted(schemas - {None, *inspect(connection).get_schema_names()}, key=str):
            quoted = connection.dialect.identifier_preparer.quote(str(schema))
            changes.ops.insert(0, ops.ExecuteSQLOp(f"CREATE SCHEMA IF NOT EXISTS {quoted}"))


def lock_of(name: str) -> int:
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)


def check_decided(engine: Engine, name: str, xid: str) -> None:
    """Fail if a prepared transaction is left, which holds its locks for ever, or nobody knows."""
    find = "SELECT max(gid) FROM pg_prepared_xacts WHERE gid = :xid"
    with suppress(SQLAlchemyError), engine.connect() as connection:
        xid = run(connection, find, xid=xid)
    if xid:
        raise CommandError(
            f"Database {name!r} may hold the prepared transaction {xid!r}: COMMIT PREPARED it if "
            "another database of this run has committed, else ROLLBACK PREPARED it."
        )


def put_between(step: Any) -> Any:
    """Return what makes an Enum anew if values are put between others.

    alembic-postgresql-enum 1.11.0 puts them after the one that they are to be before.
    """
    old = getattr(step, "old_values", [])
    is_added = getattr(step, "operation_name", "") == "add_enum_value"
    return step.reverse().reverse() if is_added and step.new_values[: len(old)] != old else step


class PostgreSQL(ByName, PostgresqlImpl):
    __dialect__ = "postgresql"
    index_names = "SELECT indexname FROM pg_indexes WHERE schemaname = ANY (current_schemas(false))"

    def is_reflected(self, index: Index) -> bool:
        return " COLLATE " not in str(CreateIndex(index).compile(dialect=self.dialect))


backend = PostgreSQLBackend()
