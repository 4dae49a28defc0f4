"""What SQLAlchemy does not read of a table of SQLite, and batch mode would lose: seen, and kept.

Batch mode makes a table anew, fills it, and gives it the name of the old one, also for revisions written by hand.
https://www.sqlite.org/lang_altertable.html#making_other_kinds_of_table_schema_changes
"""

import re
import warnings
from functools import cached_property
from typing import Any

from alembic.ddl.impl import DefaultImpl
from sqlalchemy import CheckConstraint, Index, MetaData, String, Table, func, literal_column
from sqlalchemy.schema import CreateIndex

from .compare import AsMade

SQL = "SELECT name, sql FROM sqlite_master WHERE sql LIKE '%COLLATE%' AND type = 'table'"
INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql > '' AND tbl_name = ?"
TRIGGERS = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?"
NUMBERED = "SELECT 1 FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%' AND name = ?"
COLUMN = re.compile(r'(?:^|,)\s*(".*?"|\w+)[^,]*?\sCOLLATE\s+"?(\w+)', re.I)
INDEX = re.compile(
    r'CREATE(\s+UNIQUE)?.*?\sON\s+(?:"[^"]+"|[^\s("]+)\s*\((.*?)\)\s*(?:WHERE\s+(.*))?', re.I | re.S
)


# Alembic says so of each check without a name: see keep_check().
warnings.filterwarnings("ignore", "Unnamed CHECK constraint on reflected table")


class Kept(AsMade):
    kept: tuple[str, list[str]] = ("", [])  # the table that is made anew, and what it gets then

    def compare_type(self, found: Any, wanted: Any) -> bool:
        both = (getattr(column.type, "collation", None) for column in (found, wanted))
        is_other = len({str(collation or "BINARY").upper() for collation in both}) > 1
        return is_other or super().compare_type(found, wanted)

    def spelled(self, column: Any) -> str:
        return super().spelled(column).partition(" COLLATE ")[0]

    def autogen_column_reflect(self, inspector: Any, table: Table, column: Any) -> None:
        if collation := self.all_collations.get((table.name, column["name"])):
            column["type"].collation = collation
        super().autogen_column_reflect(inspector, table, column)

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
        _, found, _, wanted = found_and_wanted
        for table in {item.table.name for items in found_and_wanted for item in items}:
            there = {index.name: index for index in found}
            unread = self.unread(table, there)
            found -= {index for name, index in there.items() if name in unread}
            found |= {index for index, _ in unread.values()}

    def compare_indexes(self, wanted: Index, found: Index) -> Any:
        """Compare all that the SQL says; Alembic asks since 1.12."""
        from alembic.ddl.impl import ComparisonResult

        one, other = (self.bare(CreateIndex(index)) for index in (found, wanted))
        same = ComparisonResult.Equal()
        return same if one == other else ComparisonResult.Different(f"{one} to {other}")

    def bare(self, sql: Any) -> str:
        """Return SQL without what may be written in one way or another."""
        sql = sql if isinstance(sql, str) else str(sql.compile(dialect=self.dialect))
        return re.sub(r"[\s\"`()]", "", sql).lower()

    def unread(self, table: str, read: dict[Any, Index]) -> dict[str, tuple[Index, str]]:
        """Return the indexes on expressions and the like by name, with their SQL."""
        found = {}
        for name, sql in self.connection.exec_driver_sql(INDEXES, (table,)):
            if name not in read or self.bare(sql) != self.bare(CreateIndex(read[name])):
                unique, items, where = INDEX.fullmatch(sql).groups()  # type: ignore[union-attr]
                options = {"sqlite_where": literal_column(where)} if where else {}
                index = Index(name, literal_column(items), unique=bool(unique), **options)
                Table(table, MetaData(), index)
                found[name] = index, sql
        return found

    def prep_table_for_batch(self, batch: Any, table: Table) -> None:
        """Note what is lost, before the new table is made."""
        for name, transfer in batch.column_transfers.items():
            if batch.columns[name].computed is not None:
                transfer.pop("expr", None)  # SQLite computes it again
        if self.as_sql:
            return
        for check in table.constraints:
            if isinstance(check, CheckConstraint) and not isinstance(check.name, str):
                keep_check(str(check.sqltext), batch, table)
        for (owner, name), collation in self.collations().items():
            if owner == table.name and name in batch.columns:
                type_ = table.c[name].type
                if batch.columns[name].type is type_ and isinstance(type_, String):
                    type_.collation = collation
        read = {index.name: index for index in table.indexes}
        statements = []
        for name, (_, sql) in self.unread(table.name, read).items():
            if batch.indexes.pop(name, None) is not None or name not in read:
                statements.append(sql)
        run = self.connection.exec_driver_sql
        statements += run(TRIGGERS, (table.name,)).scalars()
        if run(NUMBERED, (table.name,)).scalar():
            batch.new_table.dialect_options["sqlite"]["autoincrement"] = True
            one = "FROM sqlite_sequence WHERE name = '{}'".format(table.name.replace("'", "''"))
            for name, last in run(f"SELECT name, seq {one}"):
                statements += [f"DELETE {one}", f"INSERT INTO sqlite_sequence VALUES ('{name}', {last})"]
        self.kept = table.name, statements

    def rename_table(self, old: str, new: Any, schema: Any = None) -> None:
        """Give the new table the old name, which SQLite refuses while a view has it, and the rest."""
        name, statements = self.kept
        if name != new:
            return super().rename_table(old, new, schema)
        self.kept = ("", [])
        run = self.connection.exec_driver_sql
        run("PRAGMA legacy_alter_table = ON")
        try:
            super().rename_table(old, new, schema)
        finally:
            run("PRAGMA legacy_alter_table = OFF")
        for statement in statements:
            run(statement)

    def cast_for_batch_migrate(self, existing: Any, transfer: Any, new: Any) -> None:
        """Copy dates and times as SQLAlchemy writes them: for SQLite, DATETIME is a number."""
        one, other = (type_.compile(dialect=self.dialect) for type_ in (existing.type, new))
        value = transfer["expr"]
        if (one, other) == ("DATE", "DATETIME"):
            transfer["expr"] = value.op("||")(literal_column("' 00:00:00.000000'"))
        elif (one, other) == ("DATETIME", "DATE"):
            transfer["expr"] = func.date(value)
        elif other not in ("DATE", "DATETIME", "TIME", "TIMESTAMP"):
            super().cast_for_batch_migrate(existing, transfer, new)


def keep_check(condition: str, batch: Any, table: Table) -> None:
    """Copy a check without a name, unless its column is dropped, or gets other values to choose from."""
    for name in table.columns.keys():
        word = rf'"{re.escape(name)}"|\b{re.escape(name)}\b'
        column = batch.columns.get(name)
        if not re.search(word, condition):
            continue
        if column is None or (column.type is not table.c[name].type and " IN " in condition):
            return
        if column.name != name:
            condition = re.sub(word, f'"{column.name}"', condition)
    batch.new_table.append_constraint(CheckConstraint(literal_column(condition)))
