"""Steps of a revision: what they are about, and those that Alembic does not write, or not whole.

Constraints without a name get one, the same in both ways of a revision, so that each can be dropped.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, TypeVar

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import render_op
from alembic.operations import ops
from sqlalchemy import ForeignKeyConstraint, Identity
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import conv

from ..session import as_text
from .constraints import NAMES, Given, name_for

T = TypeVar("T")


class AlterColumn(ops.AlterColumnOp):
    """A changed column, with what Alembic leaves out; its reverse gives the old name back."""

    def reverse(self) -> ops.AlterColumnOp:
        back = super().reverse()
        if self.modify_name:
            back.column_name, back.modify_name = self.modify_name, self.column_name
        return back


@renderers.dispatch_for(AlterColumn)
def render_alter_column(autogenerate: AutogenContext, step: AlterColumn) -> str:
    render = renderers.dispatch(ops.AlterColumnOp)
    written, options = render(autogenerate, step), autogenerate.dialect.name
    more = [f"{key}={step.kw[key]!r}" for key in step.kw if key.startswith(f"{options}_")]
    if step.modify_name and "new_column_name=" not in written:  # Alembic writes it since 1.14
        more.append(f"new_column_name={str(step.modify_name)!r}")
    is_changed = step.modify_server_default is not False
    if is_changed and isinstance(step.existing_server_default, Identity):
        before = re.findall(r"sa\.Identity\([^)]*\)", render(autogenerate, step.reverse()))
        more.append(f"existing_server_default={before[0]}")
    return f",\n{' ' * 11}".join([written[:-1], *more]) + ")"


class RenameTable(ops.RenameTableOp):
    def reverse(self) -> "RenameTable":
        return RenameTable(self.new_table_name, self.table_name, schema=self.schema)


@renderers.dispatch_for(RenameTable)
def render_rename_table(_: AutogenContext, step: RenameTable) -> str:
    schema = f", schema={str(step.schema)!r}" if step.schema else ""
    return f"op.rename_table({str(step.table_name)!r}, {str(step.new_table_name)!r}{schema})"


class SQL(ops.ExecuteSQLOp):
    def __init__(self, sql: str, back: str) -> None:
        super().__init__(as_text(sql))
        self.sql, self.back = sql, back

    def reverse(self) -> "SQL":
        return SQL(self.back, self.sql)


class Comment(ops.MigrateOperation):
    """A line for whoever reads the revision; ``now`` has what is another in the context from here on."""

    def __init__(self, text: str = "", **now: Any) -> None:
        self.text, self.now = text, now


@renderers.dispatch_for(Comment)
def render_comment(autogenerate: AutogenContext, step: Comment) -> list[str]:
    vars(autogenerate).update(step.now)
    return [f"# {step.text}"] if step.text else []


class TableChanges(ops.ModifyTableOps):
    """Changes of a table; in batch mode, they name constraints without a name, too."""


@renderers.dispatch_for(TableChanges)
def render_changes(autogenerate: AutogenContext, changes: TableChanges) -> list[str]:
    for step in changes.ops:
        if type(step) is ops.AlterColumnOp:
            step.__class__ = AlterColumn
    plain = ops.ModifyTableOps(changes.table_name, changes.ops, schema=changes.schema)
    first, *lines = render_op(autogenerate, plain)
    is_given = any(isinstance(getattr(s, "constraint_name", None), Given) for s in changes.ops)
    if is_given and autogenerate.opts.get("render_as_batch"):
        first = first.replace(") as", f", naming_convention={NAMES!r}) as")
    return [first, *lines]


def of_kind(kind: type[T], steps: ops.OpContainer) -> list[T]:
    """Return the steps of a kind in one direction of a revision, or in the changes of a table."""
    return [step for step in steps.ops if isinstance(step, kind)]


def steps_of(way: ops.OpContainer) -> Iterator[Any]:
    """Yield all steps in one direction of a revision, also those within the changes of a table."""
    for step in way.ops:
        yield from getattr(step, "ops", [step])


def name_of(step: Any) -> str:
    """Return the name of a table, with its schema; of a type, for example, it is empty."""
    if (table := getattr(step, "table", None)) is not None:  # of rows
        return str(getattr(table, "fullname", table.name))
    name = str(getattr(step, "table_name", getattr(step, "source_table", "")))
    schema = getattr(step, "schema", None) or getattr(step, "kw", {}).get("source_schema")
    return f"{schema}.{name}" if schema else name


def key_of(step: Any) -> ForeignKeyConstraint | None:
    """Return the foreign key that a step drops or creates, if it does that."""
    key = step.to_constraint() if hasattr(step, "to_constraint") else None
    return key if isinstance(key, ForeignKeyConstraint) else None


def is_not_null(step: ops.MigrateOperation) -> bool:
    return isinstance(step, ops.AlterColumnOp) and step.modify_nullable is False


def named(step: Any, dialect: Dialect) -> Any:
    """Return a step that creates or drops a constraint, which gets a name if it had none."""
    if getattr(step, "constraint_name", "") is None:
        constraint = step.to_constraint()
        name = name_for(constraint)
        if name and dialect.supports_alter and hasattr(constraint, "elements"):
            parent = constraint.elements[0].target_fullname.split(".")[-2]
            name = Given(f"{name}_{parent}")  # of two on one column
        if name and len(name) > dialect.max_identifier_length:
            name = Given(f"{name[:50]}_{sha256(name.encode()).hexdigest()[:8]}")
        is_drop = isinstance(step, ops.DropConstraintOp)
        step.constraint_name = name if is_drop or name is None else conv(name)
    return step
