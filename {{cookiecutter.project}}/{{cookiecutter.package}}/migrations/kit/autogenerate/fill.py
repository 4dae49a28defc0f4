"""Gives existing rows a value for a column that becomes NOT NULL."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy import Column, Float, Identity, Integer, Numeric
from sqlalchemy.engine import Connection, Dialect

from ..backends.constraints import tables
from ..backends.steps import Comment, is_not_null, name_of, of_kind
from ..session import as_text
from .ask import answer, ask, can_ask, logger, told
from .losses import first_rows, read

# Answers that are SQL, not a text that has to be quoted.
IS_SQL = re.compile(r"'.*'|[\w.]*\(.*\)|true|false|current_\w+", re.IGNORECASE | re.DOTALL)
NUMBER = re.compile(r"-?\d+(\.\d+)?")


def fill(changes: ops.OpContainer, connection: Connection) -> None:
    """Split a step that adds a NOT NULL column: add it, fill the existing rows, make it NOT NULL."""
    new = {name_of(step) for step in of_kind(ops.CreateTableOp, changes)}
    for change in of_kind(ops.ModifyTableOps, changes):
        change.ops = [each for step in change.ops for each in filled(step, change, new, connection)]


def filled(step: Any, change: Any, new: set[str], connection: Connection) -> Iterator[Any]:
    if (column := not_null(step, connection)) is None:
        yield step
        return
    last: Any = ops.AlterColumnOp(change.table_name, column.name, schema=change.schema)
    last.existing_nullable, last.modify_nullable = True, False
    if isinstance(step, ops.AddColumnOp):
        added: Column[Any] = Column(column.name, column.type, comment=column.comment)
        yield ops.AddColumnOp(change.table_name, added, schema=change.schema)
        last.existing_type, last.existing_comment = column.type, column.comment
    elif step.modify_type or step.modify_name:
        back = step.reverse()  # of the column as it is then
        last.existing_type, last.existing_comment = back.existing_type, back.existing_comment
        last.existing_server_default = back.existing_server_default
        step.modify_nullable = None
        yield step
    else:
        last = step
    name = f"{name_of(change)}.{column.name}"
    for to in sorted({key.column.table.fullname for key in column.foreign_keys} & new):
        logger.warning("%s needs a row of the new %s: insert it in the revision.", name, to)
        yield Comment(f"{name} needs a row of {to}: if there are rows, insert it here.")
    if value := value_of(name, default_of(name, connection.dialect)):
        yield ops.ExecuteSQLOp(statement(change, column, value, connection.dialect))
    else:
        yield Comment(f"{name}: existing rows need a value here: UPDATE, or -x fill={name}:VALUE")
    yield last


def not_null(step: Any, connection: Connection) -> Column[Any] | None:
    """Return the column that a step makes NOT NULL, if existing rows may have no value for it."""
    if isinstance(step, ops.AddColumnOp):
        default = step.column.server_default
        is_known = not isinstance(default, Identity) or connection.dialect.supports_identity_columns
        return None if step.column.nullable or (default and is_known) else step.column
    if is_not_null(step):
        empty = sa.select(sa.literal(1)).where(first_rows(step, [step.column_name]).c[0].is_(None))
        name = step.modify_name or step.column_name
        if told("fill", f"{name_of(step)}.{name}") or read(connection, empty.limit(1)):
            return Column(name, step.existing_type)
    return None


def default_of(name: str, dialect: Dialect) -> str:
    """Return what new rows get by the model, as SQL in parentheses; nothing if Python computes it."""
    for column in [c for t in tables() for c in t.columns if f"{t.fullname}.{c.name}" == name]:
        value: Any = getattr(column.default, "arg", None)
        with suppress(Exception):  # its type cannot be written
            if isinstance(value, Enum) and isinstance(column.type, sa.Enum):  # without its class
                value = value.name if value.name in column.type.enums else value.value
            if not (value is None or callable(value) or isinstance(value, bytes)):
                return f"({as_sql(value, column.type, dialect)})"
    return ""


def value_of(name: str, default: str) -> str:
    """Return the value that was answered, or the default; nothing if there are no rows, or no answer."""
    if (value := answer("fill", name)) is not None:
        return value or "''"  # a shell takes the quotes away
    if default:
        logger.info("%s: existing rows get %s, as new ones do by the model.", name, default)
        return default
    if can_ask():
        return ask(
            f"What do the existing rows get in {name}, which is NOT NULL?\n"
            "(A value, or SQL in parentheses; '' is an empty text; press Enter if there are no rows.)"
        )
    problem = "is NOT NULL without a server default: the revision fails if the table has rows"
    logger.warning("%s %s. Give them a value: -x fill=%s:VALUE", name, problem, name)
    return ""


def statement(change: Any, column: Column[Any], value: str, dialect: Dialect) -> str:
    """Return the statement that fills a column where it is empty."""
    is_number = isinstance(column.type, Float | Integer | Numeric) and NUMBER.fullmatch(value)
    if not is_number and not IS_SQL.fullmatch(value):
        value = as_sql(value, sa.String(), dialect)
    quote = dialect.identifier_preparer.quote
    table = ".".join(quote(part) for part in (change.schema, change.table_name) if part)
    name = quote(column.name)
    return as_text(f"UPDATE {table} SET {name} = {value} WHERE {name} IS NULL")


def as_sql(value: Any, kind: Any, dialect: Dialect) -> str:
    if not isinstance(value, sa.sql.ClauseElement):
        if isinstance(kind, sa.JSON):  # SQLAlchemy writes only its text
            value, kind = json.dumps(value), sa.String()
        value = sa.cast(value, kind) if isinstance(kind, sa.ARRAY) else sa.literal(value, kind)
    text = str(value.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    return text.replace("%%", "%") if "format" in dialect.paramstyle else text
