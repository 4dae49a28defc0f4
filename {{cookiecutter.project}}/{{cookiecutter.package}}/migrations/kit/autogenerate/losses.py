"""Says what a revision destroys, or cannot do with the rows that are there; used by autogenerate.py."""

import logging
from typing import Any

from alembic.operations import ops
from sqlalchemy import String, column, func, select, table
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from .order import name_of
from .rename import Hints
from .steps import Comment

logger = logging.getLogger("alembic.env")

LIMIT = 10_000  # rows that are looked at: a table may have any number


def warn_of_losses(changes: ops.OpContainer, connection: Connection, hints: Hints) -> None:
    """Log what is lost or will fail, and write it into the revision."""
    comments: list[ops.MigrateOperation] = []
    for step in [step for each in changes.ops for step in getattr(each, "ops", [each])]:
        if text := loss(step, connection):
            comments.append(Comment(f"{text}, when this was written."))
            name = ".".join([name_of(step), *([step.column_name] if is_column(step) else [])])
            advice = [f" Renamed to {new}? {option}" for new, option in hints.get(name, {}).items()]
            logger.warning("%s.%s", text, "".join(advice))
    changes.ops[:0] = comments


def is_column(step: Any) -> bool:
    return isinstance(step, ops.DropColumnOp | ops.AlterColumnOp)


def loss(step: Any, connection: Connection) -> str | None:
    """Return what becomes of the rows, if that is worth a word."""
    if isinstance(step, ops.DropTableOp):
        return f"The table {name_of(step)} is dropped; rows in it: {count(connection, step)}"
    if isinstance(step, ops.DropColumnOp):
        number = count(connection, step, step.column_name)
        return f"{name_of(step)}.{step.column_name} is dropped; rows with a value: {number}"
    if isinstance(step, ops.AlterColumnOp) and isinstance(step.modify_type, String):
        length = step.modify_type.length
        found = look(connection, step, [step.column_name])
        if length and found is not None:
            longest = connection.scalar(select(func.max(func.length(found.c[step.column_name]))))
            if longest and longest > length:
                name = f"{name_of(step)}.{step.column_name}"
                return f"{name} becomes too short: a value has {longest} characters"
    if isinstance(step, ops.CreateUniqueConstraintOp) or getattr(step, "unique", False):
        names = [str(item) for item in step.columns]
        found = look(connection, step, names)
        if found is not None:
            some = [each.is_not(None) for each in found.c]
            repeated = select(*found.c).where(*some).group_by(*found.c).having(func.count() > 1)
            if connection.execute(repeated.limit(1)).first():
                return f"{name_of(step)} cannot be unique: {', '.join(names)} has a value twice"
    return None


def count(connection: Connection, step: Any, name: str | None = None) -> str:
    """Return how many rows have a value."""
    found = look(connection, step, [name] if name else [])
    if found is None:
        return "unknown"
    value = found.c[name] if name else None
    seen, number = connection.execute(
        select(func.count(), func.count() if value is None else func.count(value)).select_from(
            found
        )
    ).one()
    return f"more than {number:,}" if seen > LIMIT else str(number)


def look(connection: Connection, step: Any, names: list[str]) -> Any:
    """Return columns of the first rows of a table; None if they cannot be read."""
    found = table(step.table_name, *map(column, names), schema=step.schema)
    items = [*found.c] or [column("1", is_literal=True).label("one")]
    try:
        with connection.begin_nested():
            connection.execute(select(*items).select_from(found).limit(1))
    except SQLAlchemyError:
        return None  # such as a column that this revision adds
    return select(*items).select_from(found).limit(LIMIT + 1).subquery()
