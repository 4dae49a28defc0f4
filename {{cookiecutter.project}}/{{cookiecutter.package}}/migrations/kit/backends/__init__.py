"""What differs by kind of database: a file for each, with the name of SQLAlchemy's dialect."""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from importlib.util import find_spec
from secrets import randbits
from types import MappingProxyType
from typing import Any

from alembic.operations.ops import OpContainer, UpgradeOps
from sqlalchemy import Table, inspect, text
from sqlalchemy.engine import Connection, Dialect, Engine


class Backend:
    """The defaults, which a kind of database may override."""

    # More options of context.configure().
    options: Mapping[str, Any] = MappingProxyType({})
    # Whether a run is one transaction, DDL too, which other connections do not see.
    is_one_transaction = False
    # The driver's codes of errors: no lock in time; no such cast; what else is no fault of a revision.
    lock_timeout: object = "unknown"
    no_cast: object = "unknown"
    faults: Collection[object] = ()
    # What errors say after which a commit may have been done, or not; that undo what was changed before.
    unsure: Collection[str] = ()
    undoing: Collection[str] = ()
    committing = "(?!)"  # the beginning of statements that commit what was changed before
    # The command that knows from SQL what it does to a database in use; without one, operations tell.
    linter: str | None = None
    # A VARCHAR becomes longer at once, if its old and its new length, in characters, are in one of these.
    longer_at_once: tuple[tuple[float, float], ...] = ()
    # Gives the primary key of a table, or a value of an Enum, another name, where it has one.
    rename_key: str | None = None
    rename_value = ""
    # What has a word in its text, which stays there when a name becomes another or is gone; and
    # what there is only of a table that is gone, or has lost a column.
    naming = "SELECT NULL"
    # Where a connection is; and what takes a lock, says that another has it, and frees it.
    where = ""
    probe: tuple[str, ...] = ()
    # What ends a query that takes long, and what takes that back.
    time_limit = ("SELECT 1", "SELECT 1")

    def guarded(self, connection: Connection, name: str) -> AbstractContextManager[None]:
        """Hold a lock with the name of the database, and limit other waits; undo both at the end."""
        return nullcontext()

    def guard_transaction(self, connection: Connection, name: str) -> None:
        """Hold a lock until the end of a transaction that the caller of Alembic has begun."""

    def prepare(self, connection: Connection) -> None:
        """Do what can still fail, before the first of several databases commits."""

    def holders(self, connection: Connection, statement: str) -> str:
        """Return who holds the lock that a statement did not get, and on which table."""
        return ""

    def remains(self, connection: Connection, statement: str) -> str:
        """Return what a failed statement has left in spite of the rollback, and what to do about it."""
        return ""

    def place(self, engine: Engine) -> object:
        """Return what is the same for all engines of a database."""
        if not self.where:
            return engine.url
        with engine.connect() as connection:
            return connection.scalar(text(self.where))

    def is_same(self, one: Engine, other: Engine) -> bool:
        """Say whether two engines with the same place lead to the same database."""
        if not self.probe:
            return True
        take, is_seen, free = map(text, self.probe)
        lock = {"lock": randbits(62)}  # a copy of a server has its identity, but not its locks
        with one.connect() as first, other.connect() as second:
            first.execute(take, lock)
            is_known = second.scalar(is_seen, lock)
            first.execute(free, lock)
        return bool(is_known)

    def others(self, connection: Connection, schemas: Collection[str | None]) -> list[str]:
        """Return the statements that drop views, types and the like, as far as no table needs them."""
        quote, views = connection.dialect.identifier_preparer, inspect(connection).get_view_names()
        return [f"DROP VIEW {quote.quote(name)}" for name in views]

    def is_of_extension(self, connection: Connection, table: Table) -> bool:
        """Say whether an extension of the database made a table."""
        return False

    def complete(self, connection: Connection, changes: UpgradeOps, fills: Collection[str]) -> None:
        """Add the changes that this database also needs; ``fills`` has the values that rows get."""

    def finish(self, connection: Connection, way: OpContainer) -> None:
        """Add to one direction of a revision what only this database needs."""


def backend_of(dialect: Dialect) -> Backend:
    """Return what differs for a dialect of SQLAlchemy."""
    name = f"{__name__}.{dialect.name.partition('.')[0]}"  # firebird.firebird
    backend: Backend = import_module(name if find_spec(name) else f"{__name__}.default").backend
    return backend
