"""Says what differs, in words, for ``alembic check``."""

from collections.abc import Iterator
from typing import Any

from alembic.operations import ops
from sqlalchemy import Constraint, Index, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.types import NullType

from ..backends.compare import bare
from ..backends.steps import name_of, steps_of


def described(changes: ops.OpContainer, dialect: Dialect) -> Iterator[str]:
    """Yield a line for each step: + is in the models only, - in the database only."""
    for step in steps_of(changes):
        name, sign = name_of(step), "-" if type(step).__name__.startswith("Drop") else "+"
        if isinstance(step, ops.AlterColumnOp):
            yield from altered(step, dialect)
        elif isinstance(step, ops.AddColumnOp | ops.DropColumnOp):
            column = step.to_column()
            is_unread = isinstance(column.type, NullType)
            type_ = "unknown type" if is_unread else column.type.compile(dialect=dialect)
            yield f"{sign} {name}.{column.name}: {type_}"
        elif isinstance(step, ops.ExecuteSQLOp):
            yield f"+ {step.sqltext}"
        elif isinstance(step, ops.CreateTableCommentOp | ops.DropTableCommentOp):
            yield f"{name}: comment {step.existing_comment!r} -> {getattr(step, 'comment', None)!r}"
        elif hasattr(step, "new_values"):
            yield f"enum {step.name}: {' -> '.join(map(', '.join, (step.old_values, step.new_values)))}"
        elif hasattr(step, "enum_values"):
            yield f"{sign} enum {step.name}: {', '.join(step.enum_values)}"
        elif isinstance(item := step.to_diff_tuple()[-1], Table):
            yield f"{sign} table {name}"
        elif isinstance(item, Constraint | Index):
            kind = type(item).__name__.removesuffix("Constraint").lower()
            yield f"{sign} {kind} {item.name or 'without a name'} of {name}"
        else:
            yield " ".join(map(str, step.to_diff_tuple()))


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
