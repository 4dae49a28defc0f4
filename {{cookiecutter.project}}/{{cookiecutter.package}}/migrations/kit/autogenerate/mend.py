"""Corrects what Alembic finds if it is no difference, or if something else makes it."""

from itertools import chain
from typing import Any

from alembic.operations import ops
from sqlalchemy import CheckConstraint, Column, Identity, MetaData, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.types import NullType

from ..backends.constraints import KINDS, Given, is_made, name_for, tables
from ..backends.steps import name_of, of_kind


def mend_checks(changes: ops.UpgradeOps) -> None:
    """Create the checks of columns, which Alembic does not write, and no check twice."""
    for table in of_kind(ops.CreateTableOp, changes):
        found: Any = chain(*(c.constraints for c in table.columns if isinstance(c, Column)))
        copies = (CheckConstraint(c.sqltext, name=c.name) for c in found if hasattr(c, "sqltext"))
        table.columns = [*filter(is_made, table.columns), *copies]
    for change in of_kind(ops.ModifyTableOps, changes):
        made = {n for s in of_kind(ops.AddColumnOp, change) for n in names_of_type(s.column)}
        steps = of_kind(ops.CreateCheckConstraintOp, change)
        twice = [step for step in steps if step.constraint_name in made]
        change.ops = [step for step in change.ops if step not in twice]


def mend_names(back: ops.DowngradeOps) -> None:
    """Name what has no name in a table that comes back: a naming convention may want one."""
    for table in of_kind(ops.CreateTableOp, back):
        for number, item in enumerate[Any](table.columns):
            if type(item) in (CheckConstraint, *KINDS) and not isinstance(item.name, str):
                item.name = name_for(item) or Given(f"ck_{table.table_name}_{number}")


def names_of_type(column: Column[Any]) -> set[Any]:
    """Return the names of the checks that a column gets from its type, as an Enum has."""
    metadata = MetaData(naming_convention=column.table.metadata.naming_convention)
    like = Column(column.name, getattr(column.type, "copy", lambda: column.type)())
    return {constraint.name for constraint in Table(column.table.name, metadata, like).constraints}


def mend_columns(changes: ops.UpgradeOps, dialect: Dialect) -> None:
    """Remove changes of columns that change nothing."""
    usual = f"{dialect.default_schema_name}."  # which Alembic does not say, where the models do
    columns = {(t.fullname.removeprefix(usual), c.name): c for t in tables() for c in t.c}
    for change in of_kind(ops.ModifyTableOps, changes):
        for step in of_kind(ops.AlterColumnOp, change):
            name = step.modify_name or step.column_name
            mend_column(step, columns[name_of(change), name], dialect)
        change.ops = [s for s in change.ops if type(s) is not ops.AlterColumnOp or s.has_changes()]
    changes.ops = [step for step in changes.ops if getattr(step, "ops", True)]


def mend_column(step: ops.AlterColumnOp, model: Column[Any], dialect: Dialect) -> None:
    """Leave the check of a new type to its own step, and a primary key as the database makes it.

    A primary key is NOT NULL, whatever the models say, and may be an IDENTITY, where there is that.
    Alembic compares no NULL of one. If SQLAlchemy cannot read a type, that of the models is taken.
    """
    type_: Any = step.modify_type
    is_unread = isinstance(step.existing_type, NullType)
    if type_ is None and (is_unread or model.type.compile(dialect) == "JSON"):
        step.existing_type = model.type  # else MariaDB would take away its check
    if getattr(type_, "create_constraint", False):
        step.modify_type = type_.copy()
        step.modify_type.create_constraint = False
    if isinstance(step.modify_server_default, Identity) and not dialect.supports_identity_columns:
        step.modify_server_default = False
    if model.primary_key:
        step.modify_nullable = None
        if isinstance(step.existing_server_default, Identity):
            step.modify_server_default = step.modify_server_default or False
    elif model.identity or isinstance(step.existing_server_default, Identity):
        step.modify_nullable = None if step.existing_nullable is model.nullable else model.nullable
