"""Migrates the types of PostgreSQL's Enums, where alembic-postgresql-enum is installed."""

from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import Any

with suppress(ImportError):  # this way, nothing has to be known of it
    import_module("alembic_postgresql_enum")


def mended(step: Any) -> Any:
    """Return what changes the values of an Enum in a way that runs.

    alembic-postgresql-enum 1.11.0 puts values after the one that they are to be before, and writes
    a default that the same revision changes as an object.
    """
    if not hasattr(step, "new_values"):
        return step
    step.affected_columns = [with_sql(each, step.name) for each in step.affected_columns]
    is_added = step.operation_name == "add_enum_value"
    is_between = is_added and step.new_values[: len(step.old_values)] != step.old_values
    return step.reverse().reverse() if is_between else step


def with_sql(column: Any, type_: str) -> Any:
    """Return a column whose default is as the database would tell it."""
    default = getattr(column.existing_server_default, "arg", None)
    if default is None:
        return column
    text = "'{}'".format(default.replace("'", "''")) if isinstance(default, str) else default
    array = "[]" if column.column_type.name == "ARRAY" else ""
    return replace(column, existing_server_default=f"{text}::{type_}{array}")
