"""Migrates the types of PostgreSQL's Enums, where alembic-postgresql-enum is installed."""

from contextlib import suppress
from importlib import import_module
from typing import Any

with suppress(ImportError):  # this way, nothing has to be known of it
    import_module("alembic_postgresql_enum")


def put_between(step: Any) -> Any:
    """Return what makes an Enum anew if values are put between others.

    alembic-postgresql-enum 1.11.0 puts them after the one that they are to be before.
    """
    old = getattr(step, "old_values", [])
    is_added = getattr(step, "operation_name", "") == "add_enum_value"
    return step.reverse().reverse() if is_added and step.new_values[: len(old)] != old else step
