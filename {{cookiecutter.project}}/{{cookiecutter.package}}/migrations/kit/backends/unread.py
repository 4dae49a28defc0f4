"""Reads of SQLite what SQLAlchemy does not: collations, and indexes on expressions and the like."""

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from sqlalchemy import Column, Index, MetaData, Table, literal_column
from sqlalchemy.schema import CreateIndex

from .compare import AsMade

SQL = "SELECT name, sql FROM sqlite_master WHERE sql LIKE '%COLLATE%' AND type = 'table'"
# Those that may be read only in part; one query for all tables, as each reads the whole catalogue.
INDEXES = """
    SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'index' AND (sql LIKE '%(%(%'
    OR sql LIKE '%WHERE%' OR sql LIKE '%DESC%' OR sql LIKE '%COLLATE%')
"""
COLUMN = re.compile(r'(?:^|,)\s*(".*?"|\w+)[^,]*?\sCOLLATE\s+"?(\w+)', re.IGNORECASE)
INDEX = re.compile(
    r'CREATE(\s+UNIQUE)?.*?\sON\s+(?:"[^"]+"|[^\s("]+)\s*\((.*?)\)\s*(?:WHERE\s+(.*))?',
    re.IGNORECASE | re.DOTALL,
)


class Unread(AsMade):
    def compare_type(self, found: Any, wanted: Any) -> bool:
        both = (getattr(column.type, "collation", None) for column in (found, wanted))
        is_other = len({str(collation or "BINARY").upper() for collation in both}) > 1
        return is_other or super().compare_type(found, wanted)

    def spelled(self, column: Any) -> str:
        return super().spelled(column).partition(" COLLATE ")[0]

    def autogen_column_reflect(self, inspector: Any, table: Table, column: Any) -> None:
        if collation := self.all_collations.get((table.name, column["name"])):
            column["type"].collation = collation
        theirs: Any = super().autogen_column_reflect
        theirs(inspector, table, column)

    @cached_property
    def all_collations(self) -> dict[tuple[str, str], str]:
        return self.collations()

    def collations(self) -> dict[tuple[str, str], str]:
        """Return the collations of columns, after the table and the column."""
        found = {}
        for table, sql in self.connection.exec_driver_sql(SQL):
            columns = sql.partition("(")[2]
            for _ in range(columns.count("(")):
                columns = re.sub(r"\([^()]*\)", "", columns)
            found.update({(table, c.strip('"')): name for c, name in COLUMN.findall(columns)})
        return found

    def correct_for_autogen_constraints(self, *found_and_wanted: Any) -> None:
        """Let Alembic find the indexes that are not read, or only in part."""
        found = found_and_wanted[1]
        for table in {item.table.name for items in found_and_wanted for item in items}:
            there = {index.name: index for index in found}
            unread = self.unread(table, there, self.all_indexes)
            found -= {index for name, index in there.items() if name in unread}
            found |= {index for index, _ in unread.values()}

    def compare_indexes(self, wanted: Index, found: Index) -> Any:
        """Compare all that the SQL says; Alembic asks since 1.12."""
        from alembic.ddl.impl import ComparisonResult

        both = (found, wanted)
        items = [item for index in both for item in (*index.expressions, *index.dialect_kwargs)]
        if all(isinstance(item, Column) for item in items):
            theirs: Any = super()
            return theirs.compare_indexes(wanted, found)
        one, other = (self.bare(CreateIndex(index)) for index in both)
        same = ComparisonResult.Equal()
        return same if one == other else ComparisonResult.Different(f"{one} to {other}")

    def bare(self, sql: Any) -> str:
        """Return SQL without what may be written in one way or another."""
        sql = sql if isinstance(sql, str) else str(sql.compile(dialect=self.dialect))
        return re.sub(r"[\s\"`()]", "", sql).lower()

    @cached_property
    def all_indexes(self) -> list[Any]:
        return [*self.connection.exec_driver_sql(INDEXES)]

    def unread(
        self, table: str, read: dict[Any, Index], indexes: Iterable[Any]
    ) -> dict[str, tuple[Index, str]]:
        """Return the indexes on expressions and the like by name, with their SQL."""
        found = {}
        for owner, name, sql in indexes:
            is_read = name in read and self.bare(sql) == self.bare(CreateIndex(read[name]))
            if owner == table and not is_read and (parts := INDEX.fullmatch(sql)):
                unique, items, where = parts.groups()
                options: dict[str, Any] = {"sqlite_where": literal_column(where)} if where else {}
                index = Index(name, literal_column(items), unique=bool(unique), **options)
                Table(table, MetaData(), index)
                found[name] = index, sql
        return found
