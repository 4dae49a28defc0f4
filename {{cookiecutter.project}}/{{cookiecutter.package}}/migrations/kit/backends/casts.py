"""Tells PostgreSQL how to convert the values of a column to another type."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from alembic.operations import ops
from sqlalchemy import Boolean, Enum, Identity, Integer, Numeric, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import DefaultClause

from .compare import NAME
from .enums import without_default
from .steps import of_kind


def cast(connection: Connection, way: ops.OpContainer) -> None:
    """Complete the changed columns in one direction of a revision."""
    for change in of_kind(ops.ModifyTableOps, way):
        change.ops = [each for step in change.ops for each in converted(step, connection)]


def converted(step: Any, connection: Connection) -> Iterator[ops.MigrateOperation]:
    """Yield the steps in place of one: the default of a column is dropped meanwhile."""
    getattr(step, "kw", {}).pop("autoincrement", None)  # Alembic writes it, and warns of it
    default: Any = getattr(step, "existing_server_default", None)
    if isinstance(default, Identity) and step.modify_nullable:
        yield from without_default(step)  # which is a number and NOT NULL
        step.modify_server_default = step.modify_server_default or False
    old, new = getattr(step, "existing_type", None), getattr(step, "modify_type", None)
    if old is None or new is None or is_automatic(connection, old, new):
        yield step
        return
    both, is_new_text = (old, new), is_text(new, connection)
    ways = ["text"] if is_new_text or Enum in map(type, both) else []
    if all(any(isinstance(each, kind) for each in both) for kind in (Boolean, Integer | Numeric)):
        ways = ["integer"]  # PostgreSQL casts a boolean to no other number
    ways += [] if is_new_text else [new.compile(dialect=connection.dialect)]
    if isinstance(default, DefaultClause):
        yield from without_default(step)
        if step.modify_server_default is False:  # it is written with the old type
            same = re.sub(r"(?<=')::[\w .\"]+(\(.*\))?$", "", str(default.arg))
            same = same if same.endswith("'") else "::".join([f"({same})", *ways])
            step.modify_server_default = DefaultClause(text(same))
    name = connection.dialect.identifier_preparer.quote(step.column_name)
    step.kw["postgresql_using"] = "::".join([name, *ways])
    yield step


def is_text(type_: Any, connection: Connection) -> bool:
    """Say whether it is a text: values become one by themselves, and a cast would cut them off."""
    return bool(re.match(r"((VAR)?CHAR|TEXT)[^[]*$", type_.compile(dialect=connection.dialect)))


def is_automatic(connection: Connection, old: Any, new: Any) -> bool:
    """Say whether PostgreSQL converts the values and the default by itself."""
    if is_text(new, connection):
        return not isinstance(old, Enum)
    one, other = (type_.compile(dialect=connection.dialect) for type_ in (old, new))
    with suppress(SQLAlchemyError), connection.begin_nested():
        connection.execute(text(f"CREATE TEMPORARY TABLE {NAME} (c {one})"))
        connection.execute(text(f"ALTER TABLE {NAME} ALTER c TYPE {other}"))
        connection.execute(text(f"DROP TABLE {NAME}"))
        return True
    return False
