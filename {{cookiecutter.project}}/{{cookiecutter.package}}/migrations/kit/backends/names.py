"""The names that constraints without one get, the same in both ways of a revision, so that each can be dropped.

SQLite has such constraints; batch mode names them when it makes the table anew.
https://alembic.sqlalchemy.org/en/latest/batch.html#dropping-unnamed-or-named-foreign-keys
"""

from typing import Any

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.schema import conv

KINDS: dict[Any, str] = {ForeignKeyConstraint: "fk", UniqueConstraint: "uq"}
NAMES = {kind: f"{kind}_%(table_name)s_%(column_0_N_name)s" for kind in KINDS.values()}


class Given(conv):
    """The name that batch mode gives to a constraint of the database."""


def name_for(constraint: Any) -> Given | None:
    """Return the name that a foreign key or a unique constraint gets by ``NAMES``."""
    if (kind := KINDS.get(type(constraint))) is None:
        return None
    return Given("_".join([kind, constraint.table.name, *(c.name for c in constraint.columns)]))
