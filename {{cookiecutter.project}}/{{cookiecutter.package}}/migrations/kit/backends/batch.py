"""What batch mode would lose with a table of SQLite that it makes anew, also in revisions written by hand.

https://www.sqlite.org/lang_altertable.html#making_other_kinds_of_table_schema_changes
"""

import re
import warnings
from typing import Any

from sqlalchemy import CheckConstraint, String, Table, func, literal_column

from .unread import INDEXES, Unread

TRIGGERS = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?"
NUMBERED = "SELECT 1 FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%' AND name = ?"
# Alembic says so of each check without a name: see keep_check().
warnings.filterwarnings("ignore", "Unnamed CHECK constraint on reflected table")


class Kept(Unread):
    kept: tuple[str, list[str]] = ("", [])  # the table that is made anew, and what it gets then

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
        indexes, statements = self.connection.exec_driver_sql(INDEXES), []
        for name, (_, sql) in self.unread(table.name, read, indexes).items():
            if batch.indexes.pop(name, None) is not None or name not in read:
                statements.append(sql)
        run = self.connection.exec_driver_sql
        statements += run(TRIGGERS, (table.name,)).scalars()
        if run(NUMBERED, (table.name,)).scalar():
            batch.new_table.dialect_options[self.dialect.name]["autoincrement"] = True
            one = "FROM sqlite_sequence WHERE name = '{}'".format(table.name.replace("'", "''"))
            for name, last in run(f"SELECT name, seq {one}"):
                statements += [
                    f"DELETE {one}",
                    f"INSERT INTO sqlite_sequence VALUES ('{name}', {last})",
                ]
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
            theirs: Any = super().cast_for_batch_migrate
            theirs(existing, transfer, new)


def keep_check(condition: str, batch: Any, table: Table) -> None:
    """Copy a check without a name, unless its column is dropped, or gets other values to choose from."""
    for name in [column.name for column in table.columns]:
        word = rf'"{re.escape(name)}"|\b{re.escape(name)}\b'
        column = batch.columns.get(name)
        if not re.search(word, condition):
            continue
        if column is None or (column.type is not table.c[name].type and " IN " in condition):
            return
        if column.name != name:
            condition = re.sub(word, f'"{column.name}"', condition)
    batch.new_table.append_constraint(CheckConstraint(literal_column(condition)))
