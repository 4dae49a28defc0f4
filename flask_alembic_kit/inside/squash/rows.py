"""The rows that revisions have put into tables, as Python."""

import datetime
from decimal import Decimal
from math import isfinite
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import BIT

from ..schema import only
from .said import ask, literal

IMPORTS = {
    "datetime.": "import datetime",
    "Decimal(": "from decimal import Decimal",
    "UUID(": "from uuid import UUID",
}
PLAIN = (bool, int, str, bytes, Decimal, UUID, datetime.date, datetime.time, datetime.timedelta)


class Unknown(Exception):
    """Says that a value cannot be written as Python."""


def written(value: Any) -> str:
    """Return a value as Python.

    :raises Unknown: if it cannot be
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(k)}: {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, memoryview):
        value = bytes(value)
    if isinstance(value, datetime.datetime) and value.tzinfo:
        value = value.astimezone(datetime.timezone.utc)
    if value is None or (type(value) is float and isfinite(value)) or isinstance(value, PLAIN):
        return repr(value)
    raise Unknown(type(value).__name__)


def stored(table: sa.Table) -> list[Any]:
    """Return the columns that are stored: no others can be inserted."""
    return [column for column in table.columns if column.computed is None]


def bulk_insert(connection: Any, table: sa.Table, variable: str) -> tuple[str, set[str]]:
    """Return the operation that inserts the rows, and what it imports.

    :raises Exception: if a value is not of the type of its column, or cannot be written
    """
    found = sa.select(*stored(table)).with_hint(table, "ONLY", "postgresql")
    rows = connection.execute(found).mappings().all()
    lines = []
    for row in parents_first(table, [dict(row) for row in rows]):
        values = ", ".join(f"{str(name)!r}: {written(value)}" for name, value in row.items())
        lines.append(f"        {{{values}}},\n")
    code = f"op.bulk_insert(\n    {variable},\n    [\n{''.join(lines)}    ],\n)"
    return code, {line for word, line in IMPORTS.items() if word in code}


def parents_first(table: sa.Table, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows in an order in which each comes after the rows that it refers to in its table."""
    pairs = [
        (key.parent.name, key.target_fullname.rpartition(".")[2])
        for key in table.foreign_keys
        if key.target_fullname.rpartition(".")[0] == table.fullname
    ]
    done: list[dict[str, Any]] = []
    while rows and pairs:
        missing = {target: {repr(row[target]) for row in rows} for _, target in pairs}

        def waits(row: dict[str, Any], missing: dict[str, set[str]] = missing) -> bool:
            return any(repr(row[c]) in missing[t] and row[c] != row[t] for c, t in pairs)

        ready = [row for row in rows if not waits(row)]
        if not ready:
            break
        done += ready
        rows = [row for row in rows if waits(row)]
    return done + rows


def is_binary(type_: Any) -> bool:
    if isinstance(type_, BIT):
        return True
    try:
        return type_.python_type is bytes
    except NotImplementedError:
        return False


def insert(connection: Any, table: sa.Table) -> str:
    """Return the statement that inserts the rows, with the values as the server writes them."""
    dialect = connection.dialect
    quote = dialect.identifier_preparer
    names = [(quote.quote(c.name), is_binary(c.type)) for c in stored(table)]
    expressions = ", ".join(literal(dialect, name, binary) for name, binary in names)
    where = quote.format_table(table)
    rows = ask(connection, f"SELECT {expressions} FROM {only(dialect)}{where}").all()
    values = ",\n".join(f"({', '.join(map(str, row))})" for row in rows)
    always = " OVERRIDING SYSTEM VALUE" if dialect.name == "postgresql" else ""
    return f"INSERT INTO {where} ({', '.join(n for n, _ in names)}){always} VALUES\n{values}"


def all_rows(connection: Any, table: sa.Table) -> list[str]:
    """Return what is in a table as text, in any order."""
    quote = connection.dialect.identifier_preparer
    # As text of PostgreSQL: its drivers cannot read all that it has, such as infinity.
    text = "::text" if connection.dialect.name == "postgresql" else ""
    names = ", ".join(quote.quote(column.name) + text for column in table.columns) or "1"
    where = only(connection.dialect) + quote.format_table(table)
    return sorted(repr(tuple(row)) for row in ask(connection, f"SELECT {names} FROM {where}"))
