"""Tells PostgreSQL how to convert values to another type, and whether a column was an IDENTITY before."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy import Enum, Identity, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import DefaultClause

from .compare import NAME
from .enums import without_default


class Told(ops.AlterColumnOp):
    """A changed column, with what Alembic does not write of it."""


@renderers.dispatch_for(Told)
def render_told(autogenerate: AutogenContext, step: Told) -> str:
    render = renderers.dispatch(ops.AlterColumnOp)
    using = step.kw.get("postgresql_using")
    more = [f"postgresql_using={using!r}"] if using else []
    if was_identity(step):
        back: Any = ops.AlterColumnOp(step.table_name, step.column_name)
        back.modify_server_default = step.existing_server_default
        before = re.findall(r"sa\.Identity\([^)]*\)", render(autogenerate, back))
        more.append(f"existing_server_default={before[0]}")
    return f",\n{' ' * 11}".join([render(autogenerate, step)[:-1], *more]) + ")"


def was_identity(step: Any) -> bool:
    """Say whether a step changes an IDENTITY, or makes none of it."""
    before = getattr(step, "existing_server_default", None)
    return isinstance(before, Identity) and step.modify_server_default is not False


def cast(connection: Connection, way: ops.OpContainer) -> None:
    """Complete the changed columns in one direction of a revision."""
    for change in [step for step in way.ops if isinstance(step, ops.ModifyTableOps)]:
        change.ops = [each for step in change.ops for each in steps(step, connection)]
        for step in filter(was_identity, change.ops):
            step.__class__ = Told


def steps(step: Any, connection: Connection) -> Iterator[ops.MigrateOperation]:
    """Yield the steps in place of one: the default of a column is dropped meanwhile."""
    getattr(step, "kw", {}).pop("autoincrement", None)  # Alembic writes it, and warns of it
    old, new = getattr(step, "existing_type", None), getattr(step, "modify_type", None)
    if old is None or new is None or is_automatic(connection, old, new):
        yield step
        return
    default: Any = step.existing_server_default
    if isinstance(default, DefaultClause):
        yield from without_default(step)
        if step.modify_server_default is False:  # it is written with the old type
            same = re.sub(r"(?<=')::[\w .\"]+(\(.*\))?$", "", str(default.arg))
            type_ = new.compile(dialect=connection.dialect)
            same = same if same.endswith("'") else f"({same})::{type_}"
            step.modify_server_default = DefaultClause(text(same))
    name = connection.dialect.identifier_preparer.quote(step.column_name)
    ways = ["text"] if Enum in (type(old), type(new)) or is_text(new, connection) else []
    ways += [] if is_text(new, connection) else [new.compile(dialect=connection.dialect)]
    step.__class__ = Told
    step.kw["postgresql_using"] = "::".join([name, *ways])
    yield step


def is_text(type_: Any, connection: Connection) -> bool:
    """Say whether it is a text, which values become by themselves: a cast would cut them off."""
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
