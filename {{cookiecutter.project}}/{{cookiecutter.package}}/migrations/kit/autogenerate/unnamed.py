"""Gives constraints without a name one, the same in both ways of a revision, so that each can be dropped.

SQLite has such constraints; batch mode names them when it makes the table anew.
https://alembic.sqlalchemy.org/en/latest/batch.html#dropping-unnamed-or-named-foreign-keys
"""

from hashlib import sha256
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import render_op
from alembic.operations import ops
from sqlalchemy import ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import conv

KINDS: dict[Any, str] = {ForeignKeyConstraint: "fk", UniqueConstraint: "uq"}
NAMES = {kind: f"{kind}_%(table_name)s_%(column_0_N_name)s" for kind in KINDS.values()}


class Given(conv):
    """The name that batch mode gives to a constraint of the database."""


def named(step: Any, dialect: Dialect) -> Any:
    """Return a step that creates or drops a constraint, with a name in it if there was none."""
    if getattr(step, "constraint_name", "") is None:
        name = name_for(step.to_constraint())
        if name and len(name) > dialect.max_identifier_length:
            name = Given(f"{name[:50]}_{sha256(name.encode()).hexdigest()[:8]}")
        is_drop = isinstance(step, ops.DropConstraintOp)
        step.constraint_name = name if is_drop or name is None else conv(name)
    return step


def name_for(constraint: Any) -> Given | None:
    """Return the name that a foreign key or a unique constraint gets by ``NAMES``."""
    if (kind := KINDS.get(type(constraint))) is None:
        return None
    return Given("_".join([kind, constraint.table.name, *(c.name for c in constraint.columns)]))


class TableChanges(ops.ModifyTableOps):
    """Changes of a table; in batch mode, constraints without a name get theirs there, too."""


@renderers.dispatch_for(TableChanges)
def render_changes(autogenerate: AutogenContext, changes: TableChanges) -> list[str]:
    plain = ops.ModifyTableOps(changes.table_name, changes.ops, schema=changes.schema)
    first, *lines = render_op(autogenerate, plain)
    is_given = any(isinstance(getattr(s, "constraint_name", None), Given) for s in changes.ops)
    if is_given and autogenerate.opts.get("render_as_batch"):
        first = first.replace(") as", f", naming_convention={NAMES!r}) as")
    return [first, *lines]
