"""Constraints: the names that batch mode gives to those without one, and which checks there are.

https://alembic.sqlalchemy.org/en/latest/batch.html#dropping-unnamed-or-named-foreign-keys
"""

from itertools import chain
from typing import Any

from alembic import context
from alembic.util import to_list
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Table, UniqueConstraint
from sqlalchemy.schema import Column, CreateTable, conv
from sqlalchemy.sql.elements import ColumnClause
from sqlalchemy.sql.visitors import replacement_traverse

KINDS: dict[Any, str] = {ForeignKeyConstraint: "fk", UniqueConstraint: "uq"}
NAMES = {kind: f"{kind}_%(table_name)s_%(column_0_N_name)s" for kind in KINDS.values()}


class Given(conv):
    """The name that batch mode gives to a constraint of the database."""


def name_for(constraint: Any) -> Given | None:
    """Return the name that a foreign key or a unique constraint gets by ``NAMES``."""
    if (kind := KINDS.get(type(constraint))) is None:
        return None
    return Given("_".join([kind, constraint.table.name, *(c.name for c in constraint.columns)]))


def table_of(check: CheckConstraint) -> Any:
    """Return the table of a check, which may be bound to a column of it."""
    return getattr(check.parent, "table", check.parent)


def tables() -> list[Table]:
    targets = to_list(context.get_context().opts["target_metadata"])
    return [table for each in targets for table in each.tables.values()]


def models_of(name: str) -> list[Table]:
    """Return the tables of this name in the models."""
    targets = to_list(context.get_context().opts["target_metadata"])
    return [each.tables[name] for each in targets if name in each.tables]


def has_unknown_check(found: Table) -> bool:
    """Say whether the model of a table has a check with another name in the database."""
    models = models_of(found.fullname)
    owners: list[Any] = [*models, *chain(*(model.columns for model in models))]
    checks = {c for each in owners for c in each.constraints if isinstance(c, CheckConstraint)}
    return not all(map(is_known, checks))


def is_known(check: CheckConstraint) -> bool:
    """Say whether a check has its name in the database: not if it has none, or a long one."""
    dialect = context.get_bind().dialect
    longest = dialect.max_constraint_name_length or dialect.max_identifier_length
    return isinstance(check.name, str) and len(check.name) <= longest


def is_made(item: Any) -> bool:
    """Say whether the database gets a check: not one for other dialects, or of a type that is native."""
    if not isinstance(item, CheckConstraint) or not is_known(item):
        return True
    dialect = context.get_bind().dialect
    name = dialect.identifier_preparer.format_constraint(item)
    return f"CONSTRAINT {name} " in str(CreateTable(table_of(item)).compile(dialect=dialect))


def without_table(condition: Any) -> Any:
    """Return a condition whose columns belong to no table, so that its check does not, either."""

    def bare(element: Any, **_: Any) -> ColumnClause[Any] | None:
        return ColumnClause(element.name, element.type) if isinstance(element, Column) else None

    return replacement_traverse(condition, {}, bare)
