"""Keeps what SQLite's batch mode would lose when it copies a table, also in revisions by hand.

https://www.sqlite.org/lang_altertable.html#making_other_kinds_of_table_schema_changes
"""

import re
import warnings
from collections.abc import Iterator
from typing import Any

from alembic.util import CommandError
from sqlalchemy import CheckConstraint, Table, func, literal_column

from .written import INDEXES, AsWritten

TRIGGERS = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?"
SAYS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ? AND sql LIKE ?"
# Views and triggers with two names in their text; the own triggers of a table are dropped with it.
NAMING = """
    SELECT group_concat(type || ' ' || name, ', ') FROM sqlite_master
    WHERE type IN ('view', 'trigger') AND (type = 'view' OR tbl_name <> :word)
    AND sql || ' ' GLOB '*[^A-Za-z0-9_]' || :word || '[^A-Za-z0-9_]*'
    AND sql || ' ' GLOB '*[^A-Za-z0-9_]' || :table || '[^A-Za-z0-9_]*'
"""
WORD = re.compile(r"'(?:''|[^'])*'|\"[^\"]+\"|\w+")


class Kept(AsWritten):
    kept: tuple[Any, list[str]] = (None, [])  # the table that is copied, and what to run then

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        # Alembic says so of each check without a name, before prep_table_for_batch() keeps it.
        warnings.filterwarnings("ignore", "Unnamed CHECK constraint on reflected table")

    def prep_table_for_batch(self, batch: Any, table: Table) -> None:
        """Give the new table what it would lose, or note it, before it is made."""
        for name, transfer in batch.column_transfers.items():
            if (computed := batch.columns[name].computed) is not None:
                transfer.pop("expr", None)  # SQLite computes it again
                computed.sqltext = literal_column(renamed(str(computed.sqltext), batch, table))
        names = [constraint.name for constraint in table.constraints if constraint.name]
        for twice in [name for name in names if names.count(name) > 1]:
            problem = f"Two constraints of {table.name} would get the name {twice}"
            raise CommandError(f"{problem}: add %(referred_table_name)s to naming_convention.")
        if self.as_sql:
            return
        for old, column in batch.columns.items():
            if column.name not in (old, *table.columns.keys()):  # in triggers and views, too
                self.alter_column(table.name, old, name=column.name)
                table.columns[old].name = column.name
        self.keep_checks(batch, table)
        self.kept = table, [*self.to_restore(batch, table)]

    def keep_checks(self, batch: Any, table: Table) -> None:
        """Give the new table the checks without a name, and all checks the new names of columns."""
        types = {name: repr(column.type) for name, column in batch.columns.items()}
        altered = {c.name for c in table.columns if types.get(c.name) != repr(c.type)}
        copies = {constraint.name: constraint for constraint in batch.new_table.constraints}
        # Alembic takes those of ``copy_from``; those in ``table_args`` replace what has no name.
        is_said = not batch.reflected or CheckConstraint in map(type, batch.table_args)
        for check in [c for c in table.constraints if isinstance(c, CheckConstraint)]:
            before = str(check.sqltext)
            condition = renamed(before, batch, table)
            if isinstance(check.name, str):
                copy = copies.get(check.name)  # with the old names of columns
                if condition == before or str(getattr(copy, "sqltext", "")) != before:
                    continue  # or it is dropped, or another one
                batch.new_table.constraints.discard(copy)
            elif is_said or (" IN " in before and altered & columns_in(before, table)):
                continue
            if condition:
                made = CheckConstraint(literal_column(condition), name=check.name)
                batch.new_table.append_constraint(made)

    def to_restore(self, batch: Any, table: Table) -> Iterator[str]:
        """Yield the statements that make its indexes, triggers and numbers again."""
        run, name = self.connection.exec_driver_sql, table.name
        read = {index.name for index in table.indexes}
        for _, index, sql in run(f"{INDEXES} AND tbl_name = ?", (name,)):
            head, bracket, items = sql.partition("(")
            if batch.indexes.pop(index, None) is not None or index not in read:
                items = renamed(items, batch, table)
                yield from [head + bracket + items] if items else []
        yield from run(TRIGGERS, (name,)).scalars()
        if run(SAYS, (name, "%AUTOINCREMENT%")).scalar():
            batch.new_table.dialect_options[self.dialect.name]["autoincrement"] = True
            quoted = "'{}'".format(name.replace("'", "''"))
            for last in run(f"SELECT seq FROM sqlite_sequence WHERE name = {quoted}").scalars():
                yield f"DELETE FROM sqlite_sequence WHERE name = {quoted}"
                yield f"INSERT INTO sqlite_sequence VALUES ({quoted}, {last})"

    def rename_table(self, old: str, new: Any, schema: Any = None) -> None:
        """Give the new table the old name, though views refer to it, and restore what was lost."""
        table, statements = self.kept
        if table is None or table.name != new:
            super().rename_table(old, new, schema)
            return
        self.kept = (None, [])
        for key, column in table.columns.items():
            column.name = key  # as batch mode knows it
        run = self.connection.exec_driver_sql
        run("PRAGMA legacy_alter_table = ON")
        try:
            super().rename_table(old, new, schema)
        finally:
            run("PRAGMA legacy_alter_table = OFF")
        for statement in statements:
            run(statement)

    def cast_for_batch_migrate(self, existing: Any, transfer: Any, new: Any) -> None:
        """Copy dates and times as they are: to SQLite, DATETIME is a number."""
        one, other = (type_.compile(dialect=self.dialect) for type_ in (existing.type, new))
        value = transfer["expr"]
        if (one, other) == ("DATE", "DATETIME"):
            transfer["expr"] = value.op("||")(literal_column("' 00:00:00.000000'"))
        elif (one, other) == ("DATETIME", "DATE"):
            transfer["expr"] = func.date(value)
        elif other not in ("DATE", "DATETIME", "TIME", "TIMESTAMP"):
            super().cast_for_batch_migrate(existing, transfer, new)


def columns_in(sql: str, table: Table) -> set[str]:
    return {word.strip('"') for word in WORD.findall(sql)} & {*table.columns.keys()}


def renamed(sql: str, batch: Any, table: Table) -> str:
    """Return SQL with the new names of columns; nothing if it needs one that is dropped."""
    found = columns_in(sql, table)
    if found - batch.columns.keys():
        return ""
    quote = batch.impl.dialect.identifier_preparer.quote
    now = {name: batch.columns[name].name for name in found}
    names = {name: quote(other) for name, other in now.items() if other != name}
    return WORD.sub(lambda word: names.get(word[0].strip('"'), word[0]), sql)
