"""How autogenerate compares what SQLite keeps as text: collations, and indexes on more than columns."""

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from typing import Any

from alembic.autogenerate import comparators
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy import Column, Index, String, Table, text
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex

from .compare import NAME
from .constraints import name_for
from .indexes import Once

COLLATED = "SELECT name, sql FROM sqlite_master WHERE sql LIKE 'CREATE TABLE%COLLATE%'"
COLLATIONS = f"SELECT name, coll FROM pragma_index_xinfo('{NAME}_of') WHERE key AND name NOT NULL"
# Those of tables with expressions, an order, a collation or a condition.
INDEXES = """
    SELECT DISTINCT tbl_name, i.name, sql FROM sqlite_master AS i JOIN pragma_index_xinfo(i.name) AS c
    WHERE type = 'index' AND (cid = -2 OR "desc" OR sql LIKE '%COLLATE%' OR sql LIKE '%WHERE%' OR sql LIKE '% ASC%')
"""
PARTS = re.compile(r"(?is)CREATE (UNIQUE )?[^(]*\((.*?)\)\s*(?:WHERE (.*))?")
TOKEN = re.compile(r"'(?:''|[^'])*'|\w+|[^\w\s\"`\[\]]")


class AsWritten(Once):
    """Compares the words of two statements: SQLite keeps the one that has made an index."""

    def autogen_column_reflect(self, inspector: Inspector, table: Table, column_info: Any) -> None:
        """Add the collation of a column, also for batch mode, which copies the table."""
        super().autogen_column_reflect(inspector, table, column_info)
        if self.inspector is not inspector:  # all are read at once
            self.inspector, self.collations = inspector, dict(self.read_collations())
        collation = self.collations.get((table.name, column_info["name"]))
        if collation and isinstance(column_info["type"], String):
            column_info["type"].collation = collation

    def read_collations(self) -> Iterator[tuple[tuple[str, str], str]]:
        """Yield the collations of columns: an index on a copy of their table tells them."""
        if not self.can_make:
            return
        run, quote = self.connection.exec_driver_sql, self.dialect.identifier_preparer.quote
        for name, sql in run(COLLATED).all():
            items = re.sub("(?i)autoincrement", "", sql.partition("(")[2])  # it makes a table
            with suppress(SQLAlchemyError), self.connection.begin_nested():
                run(f"CREATE TEMPORARY TABLE {NAME} ({items}")
                columns = run(f"SELECT name FROM pragma_table_xinfo('{NAME}')").scalars()
                run(f"CREATE INDEX temp.{NAME}_of ON {NAME} ({', '.join(map(quote, columns))})")
                found = run(COLLATIONS).all()
                run(f"DROP TABLE temp.{NAME}")
                yield from (((name, column), coll) for column, coll in found if coll != "BINARY")

    def spelled(self, column: Column[Any]) -> str:
        return re.sub(r" COLLATE .*", "", super().spelled(column))

    def compare_type(self, found: Column[Any], wanted: Column[Any]) -> bool:
        """Say whether the types differ, or the collations."""
        types = (column.type.compile(dialect=self.dialect) for column in (found, wanted))
        one, other = (re.findall(r" COLLATE \W?(?!BINARY)(\w+)", each.upper()) for each in types)
        return one != other or super().compare_type(found, wanted)

    @cached_property
    def written(self) -> dict[str, dict[str, str]]:
        """Return the statements of the indexes by table and name."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for table, index, sql in self.connection.exec_driver_sql(INDEXES):
            found[table][index] = sql
        return found

    def correct_for_autogen_constraints(self, *found_and_wanted: Any) -> None:
        """Leave what Alembic would not see to ``compare_written()``; name what it cannot drop."""
        uniques, found, new_uniques, wanted = found_and_wanted
        names = [unique.name for unique in new_uniques]
        kept = [{*u.columns.keys()} for u in new_uniques if not u.name or names.count(u.name) > 1]
        for unique in [u for u in uniques if u.name is None and {*u.columns.keys()} not in kept]:
            unique.name = name_for(unique)
        for indexes in (found, wanted):
            for index in [i for i in indexes if not i.table.schema]:
                if self.is_special(index) or index.name in self.written[index.table.name]:
                    indexes.discard(index)
        super().correct_for_autogen_constraints(*found_and_wanted)

    def is_special(self, index: Index) -> bool:
        where = index.dialect_options[self.dialect.name]["where"]
        return where is not None or not all(isinstance(e, Column) for e in index.expressions)


def parts(sql: str) -> tuple[str, ...]:
    """Return whether an index is unique, what is in it, and its condition."""
    found = PARTS.fullmatch(sql)
    return found.groups("") if found else ("", sql, "")


def tokens(sql: str) -> list[list[str]]:
    """Return these as they are compared."""
    found = (TOKEN.findall(part) for part in parts(sql))
    return [[t if t.startswith("'") else t.lower() for t in part] for part in found]


@comparators.dispatch_for("table")
def compare_written(autogenerate: AutogenContext, changes: Any, *about: Any) -> None:
    """Compare the indexes of a table that Alembic would not see, or not whole."""
    schema, name, found, wanted = about
    impl = autogenerate.migration_context.impl
    if schema or not isinstance(impl, AsWritten):
        return
    there = impl.written[name] if found is not None else {}
    indexes: set[Any] = wanted.indexes if wanted is not None else set()
    special: dict[Any, Any] = {
        index.name: index for index in indexes if index.name in there or impl.is_special(index)
    }
    for index in sorted(there.keys() | special.keys()):
        old, new, item = there.get(index, ""), "", special.get(index)
        steps: list[Any] = []
        if old:
            is_unique, items, where = parts(old)
            options: Any = {f"{impl.dialect.name}_where": text(where)} if where else {}
            options["unique"] = bool(is_unique)
            made = ops.CreateIndexOp(index, changes.table_name, [text(items)], **options)
            steps.append(made.reverse())
        if item is not None:
            new = str(CreateIndex(item).compile(dialect=impl.dialect))
            steps.append(ops.CreateIndexOp.from_index(item))
        is_same = old and new and tokens(old) == tokens(new)
        either: Any = item if new else made.to_index()
        if not is_same and autogenerate.run_object_filters(either, index, "index", not new, None):
            changes.ops += steps
