"""What is in a database, as the server and SQLAlchemy describe it."""

from typing import Any

from alembic.runtime.migration import MigrationContext

from ...proof import log_of
from ..errors import Refused
from ..schema import contents
from .rows import all_rows
from .said import Item, said
from .tables import full_name, reflected, virtual

LIMIT = 1000  # rows that are copied
Key = tuple[str, str, str]


def own_tables(migration: MigrationContext) -> set[str]:
    """Return the names of the tables of Alembic and the kit, and of those that SQLite makes itself."""
    names = {migration.version_table, log_of(migration.version_table)}
    schema = migration.version_table_schema
    names |= virtual(migration.connection, "shadow")
    return names | {f"{schema}.{name}" for name in names if schema}


class State:
    """What is in the database of a migration context.

    :param items: what the server says
    :param tables: what SQLAlchemy reflects, by table, as lines
    :param rows: those in the tables, as text
    """

    def __init__(self, migration: MigrationContext) -> None:
        connection: Any = migration.connection
        self.own = own_tables(migration)
        self.dialect = connection.dialect
        listed = said(connection, self.own)
        self.items: dict[Any, Item] = {item.key: item for item in listed}
        metadata = reflected(connection, self.own)
        found = contents(connection.engine)
        theirs = {name: table for name, table in found.items() if name not in self.own}
        self.tables = {
            name: [
                f"{column} {each}"
                for column, says in table["columns"].items()
                for each in ([says] if isinstance(says, str) else says)
            ]
            for name, table in theirs.items()
        }
        self.counts = {name: table["rows"] for name, table in theirs.items() if table["rows"]}
        if sum(self.counts.values()) > LIMIT:
            tables = ", ".join(f"{n} in {name}" for name, n in self.counts.items())
            raise Refused(
                f"The revisions write {sum(self.counts.values())} rows ({tables}), and squash copies "
                f"{LIMIT} at most. Load them by another way than a revision, or squash up to an earlier one."
            )
        self.rows = {
            full_name(table): all_rows(connection, table) for table in metadata.tables.values()
        }

    def differences(self, new: "State") -> list[tuple[str, Any]]:
        """Return what differs: ``item`` and its key, ``schema`` or ``rows`` and the table."""
        found: list[tuple[str, Any]] = [
            ("item", key)
            for key in dict.fromkeys([*self.items, *new.items])
            if key not in self.items
            or key not in new.items
            or self.items[key].says != new.items[key].says
        ]
        for what in ("tables", "rows"):
            before, after = getattr(self, what), getattr(new, what)
            found += [
                (what, name)
                for name in sorted({*before, *after})
                if before.get(name) != after.get(name)
            ]
        return found

    def explain(self, new: "State", what: str, key: Any) -> str:
        """Return a difference in words."""
        if what == "item":
            item = self.items.get(key) or new.items[key]
            if key not in new.items:
                return f"{item}: not carried over"
            if key not in self.items:
                return f"{item}: was not there"
            return f"{item}: {change(item.says.splitlines(), new.items[key].says.splitlines())}"
        found = (getattr(each, what).get(key) or [] for each in (self, new))
        return f"{'rows of' if what == 'rows' else 'table'} {key}: {change(*found)}"


def change(before: list[str], after: list[str]) -> str:
    """Return the first of the lines that are not in both, shortened to where they differ."""
    gone, new = (
        next((line.strip(" ,") for line in lines if line not in others), "nothing")
        for lines, others in ((before, after), (after, before))
    )
    if gone == new:
        return "other order"
    same = next((n for n, (a, b) in enumerate(zip(gone, new, strict=False)) if a != b), 0)
    start = max(same - 50, 0)
    gone, new = (f"{'...' * bool(start)}{line[start : start + 100]}" for line in (gone, new))
    return f"{gone} before, {new} now"
