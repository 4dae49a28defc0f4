"""Steps of a revision that Alembic does not write by itself; what makes them is beside this file."""

import re
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy import Computed


class RenameColumn(ops.AlterColumnOp):
    """An altered column whose way back has the old name too."""

    def reverse(self) -> ops.AlterColumnOp:
        back = super().reverse()
        back.column_name, back.modify_name = str(self.modify_name), self.column_name
        return back


class RenameTable(ops.RenameTableOp):
    def reverse(self) -> "RenameTable":
        return RenameTable(self.new_table_name, self.table_name, schema=self.schema)


@renderers.dispatch_for(RenameTable)
def render_rename(_: AutogenContext, step: RenameTable) -> str:
    schema = f", schema={str(step.schema)!r}" if step.schema else ""
    return f"op.rename_table({str(step.table_name)!r}, {str(step.new_table_name)!r}{schema})"


def as_text(sql: str) -> str:
    """Return SQL as text() takes it, without parameters."""
    return re.sub(r"(?<![:\w]):(?=\w)", r"\\:", sql)


class SQL(ops.ExecuteSQLOp):
    """A statement, with that for the way back."""

    def __init__(self, sql: str, back: str) -> None:
        super().__init__(as_text(sql))
        self.sql, self.back = sql, back

    def reverse(self) -> "SQL":
        return SQL(self.back, self.sql)


class Comment(ops.MigrateOperation):
    """A line for whoever reads the revision."""

    def __init__(self, text: str) -> None:
        self.text = text

    def to_diff_tuple(self) -> tuple[str, str]:
        return ("comment", self.text)


@renderers.dispatch_for(Comment)
def render_comment(_: AutogenContext, step: Any) -> str:
    return f"# {step.text}"


def alter(kind: Any, change: ops.ModifyTableOps, found: Any, wanted: Any, impl: Any) -> Any:
    """Return the step that makes a column of the database one of the models."""
    default = None if isinstance(found.server_default, Computed) else found.server_default
    step = kind(
        *(change.table_name, found.name),
        schema=change.schema,
        existing_type=found.type,
        existing_nullable=found.nullable,
        existing_server_default=default,
        existing_comment=found.comment,
        **({"autoincrement": True} if found.autoincrement is True else {}),  # MySQL forgets both
    )
    if found.nullable != wanted.nullable:
        step.modify_nullable = wanted.nullable
    if found.comment != wanted.comment and impl.dialect.supports_comments:
        step.modify_comment = wanted.comment
    texts = [default_of(column, impl.dialect) for column in (wanted, found)]
    if impl.compare_server_default(found, wanted, *texts):
        step.modify_server_default = wanted.server_default
    return step


def default_of(column: Any, dialect: Any) -> str | None:
    """Return a default as Alembic compares it."""
    default = getattr(column.server_default, "arg", None)
    if default is None or isinstance(default, str):
        return default
    return str(default.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
