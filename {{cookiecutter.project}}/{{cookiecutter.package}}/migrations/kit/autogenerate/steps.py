"""Steps of a revision that Alembic does not write by itself; what makes them is beside this file.

Constraints without a name get one, the same in both ways of a revision, so that each can be dropped.
"""

from hashlib import sha256
from typing import Any

from alembic.autogenerate import comparators, renderers
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import render_op
from alembic.operations import ops
from sqlalchemy import Computed, ForeignKeyConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import conv

from ..backends.constraints import NAMES, Given, name_for
from ..session import as_text


class RenameColumn(ops.AlterColumnOp):
    """An altered column that gets its old name back in the downgrade."""

    def reverse(self) -> ops.AlterColumnOp:
        back = super().reverse()
        back.column_name, back.modify_name = str(self.modify_name), self.column_name
        return back


@renderers.dispatch_for(RenameColumn)
def render_rename_column(autogenerate: AutogenContext, step: RenameColumn) -> str:
    text: str = renderers.dispatch(ops.AlterColumnOp)(autogenerate, step)
    name = f"new_column_name={str(step.modify_name)!r}"
    return text if name in text else f"{text[:-1]}, {name})"  # Alembic writes it since 1.14


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
    """A line for whoever reads the revision."""

    def __init__(self, text: str) -> None:
        self.text = text


@renderers.dispatch_for(Comment)
def render_comment(_: AutogenContext, step: Any) -> str:
    return f"# {step.text}"


def compare(autogenerate: AutogenContext, kind: str, step: Any, *arguments: Any) -> None:
    """Let Alembic fill a step with what differs in a table or a column."""
    registry: Any = getattr(autogenerate, "comparators", comparators)  # since Alembic 1.18
    registry.dispatch(kind, qualifier=autogenerate.dialect.name)(autogenerate, step, *arguments)
    if isinstance(getattr(step, "existing_server_default", None), Computed):
        step.existing_server_default = False


def is_not_null(step: ops.MigrateOperation) -> bool:
    return isinstance(step, ops.AlterColumnOp) and step.modify_nullable is False


def key_of(step: Any) -> ForeignKeyConstraint | None:
    """Return the foreign key that a step drops or creates, if it does that."""
    key = step.to_constraint() if hasattr(step, "to_constraint") else None
    return key if isinstance(key, ForeignKeyConstraint) else None


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


class TableChanges(ops.ModifyTableOps):
    """Changes of a table; in batch mode, they name constraints without a name, too."""


@renderers.dispatch_for(TableChanges)
def render_changes(autogenerate: AutogenContext, changes: TableChanges) -> list[str]:
    plain = ops.ModifyTableOps(changes.table_name, changes.ops, schema=changes.schema)
    first, *lines = render_op(autogenerate, plain)
    is_given = any(isinstance(getattr(s, "constraint_name", None), Given) for s in changes.ops)
    if is_given and autogenerate.opts.get("render_as_batch"):
        first = first.replace(") as", f", naming_convention={NAMES!r}) as")
    return [first, *lines]
