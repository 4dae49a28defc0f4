"""Says what differs, in words, for ``alembic check``."""

from collections.abc import Iterator
from typing import Any

from alembic.operations import ops
from sqlalchemy.engine import Dialect
from sqlalchemy.types import NullType

from ..backends.compare import bare
from ..backends.steps import name_of


def described(change: Any, dialect: Dialect) -> Iterator[str]:
    """Yield a line for each step of a change: + is in the models only, - in the database only."""
    sign = "-" if type(change).__name__.startswith("Drop") else "+"
    if isinstance(change, ops.OpContainer):
        for step in change.ops:
            yield from described(step, dialect)
    elif isinstance(change, ops.CreateTableOp | ops.DropTableOp):
        yield f"{sign} table {name_of(change)}"
    elif isinstance(change, ops.AddColumnOp | ops.DropColumnOp):
        column = change.to_column()
        is_unread = isinstance(column.type, NullType)
        type_ = "unknown type" if is_unread else column.type.compile(dialect=dialect)
        yield f"{sign} {name_of(change)}.{column.name}: {type_}"
    elif isinstance(change, ops.AlterColumnOp):
        yield from altered(change, dialect)
    elif isinstance(change, ops.CreateIndexOp | ops.DropIndexOp):
        yield f"{sign} index {change.index_name} of {name_of(change)}"
    elif isinstance(change, ops.AddConstraintOp | ops.DropConstraintOp):
        constraint: Any = change.to_constraint()
        kind = type(constraint).__name__.removesuffix("Constraint").lower()
        yield f"{sign} {kind} {constraint.name or 'without a name'} of {constraint.table}"
    elif isinstance(change, ops.ExecuteSQLOp):
        yield f"+ {change.sqltext}"
    elif isinstance(change, ops.CreateTableCommentOp | ops.DropTableCommentOp):
        comment = getattr(change, "comment", None)
        yield f"{name_of(change)}: comment {change.existing_comment!r} -> {comment!r}"
    elif hasattr(change, "new_values"):
        yield f"enum {change.name}: {' -> '.join(map(', '.join, (change.old_values, change.new_values)))}"
    elif hasattr(change, "enum_values"):
        yield f"{sign} enum {change.name}: {', '.join(change.enum_values)}"
    else:
        yield " ".join(map(str, change.to_diff_tuple()))


def altered(step: ops.AlterColumnOp, dialect: Dialect) -> Iterator[str]:
    """Yield a line for each thing that differs in a column: as it is, and as the models have it."""
    name = f"{name_of(step)}.{step.column_name}"
    if step.modify_type is not None:
        both: list[Any] = [step.existing_type, step.modify_type]
        yield f"{name}: " + " -> ".join(type_.compile(dialect=dialect) for type_ in both)
    if step.modify_nullable is not None:
        yield f"{name}: {'NOT NULL -> NULL' if step.modify_nullable else 'NULL -> NOT NULL'}"
    if step.modify_server_default is not False:
        both = [step.existing_server_default, step.modify_server_default]
        yield f"{name}: default " + " -> ".join(default(each, dialect) for each in both)
    if step.modify_comment is not False:
        yield f"{name}: comment {step.existing_comment!r} -> {step.modify_comment!r}"


def default(found: Any, dialect: Dialect) -> str:
    """Return a default as SQL or text; None if there is none, for which Alembic may have False."""
    arg = getattr(found, "arg", found)
    sql = arg.compile(dialect=dialect) if hasattr(arg, "compile") else arg
    return str(None if found is False else bare(str(sql)))
