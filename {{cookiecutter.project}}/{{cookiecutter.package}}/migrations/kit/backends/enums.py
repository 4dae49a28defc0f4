"""Migrates the types of PostgreSQL's Enums, where alembic-postgresql-enum is installed."""

import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from itertools import chain
from typing import Any

from alembic import util
from alembic.autogenerate import comparators
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.operations import ops
from sqlalchemy import Column, Enum
from sqlalchemy.dialects.postgresql import ARRAY, ENUM

from ..session import as_text

LAST: Any = getattr(util, "DispatchPriority", None)  # since Alembic 1.18


@comparators.dispatch_for("schema", **({"priority": LAST.LAST} if LAST else {}))
def name_types(autogenerate: Any, changes: ops.UpgradeOps, _: Any) -> None:
    """Do what alembic-postgresql-enum does next: 1.11.0 replaces the word Enum in names, too."""
    steps = [step for each in changes.ops for step in getattr(each, "ops", [each])]
    is_here = isinstance(autogenerate.migration_context.impl, PostgresqlImpl)
    for column in chain.from_iterable(map(columns_of, steps if is_here else [])):
        type_: Any = getattr(column.type, "item_type", column.type)
        if type(type_) is Enum and type_.native_enum:
            made = ENUM(*type_.enums, name=type_.name, schema=type_.schema)
            column.type = made if type_ is column.type else ARRAY(made)


with suppress(ImportError):  # this way, nothing has to be known of it
    import_module("alembic_postgresql_enum")


def mend(changes: ops.UpgradeOps, filled: Collection[str], schema: str | None) -> None:
    """Change the values of Enums in a way that runs.

    A new value cannot be used before the commit, if its type is not a new one. alembic-postgresql-enum
    1.11.0 puts values into the wrong place, does not quote them, and knows one default only.

    :param filled: the values that existing rows get
    :param schema: of tables that name none
    """
    steps: list[Any] = [step for each in changes.ops for step in getattr(each, "ops", [each])]
    used = {*filled, *chain.from_iterable(map(defaults, steps))}
    altered = {
        (step.schema or schema, step.table_name, step.column_name): step
        for step in steps
        if isinstance(step, ops.AlterColumnOp) and step.modify_server_default is not False
    }
    new = [step for step in steps if isinstance(step, ops.AddColumnOp)]
    added = {(step.schema or schema, step.table_name, step.column.name) for step in new}
    for step in [step for step in steps if hasattr(step, "new_values")]:
        first: list[ops.MigrateOperation] = []
        old, values = [*step.old_values], [*step.new_values]
        is_first = not used.isdisjoint({*values} - {*old})
        columns = []
        for column in step.affected_columns:
            place = (column.table_schema or schema, column.table_name, column.column_name)
            if place in altered:
                first += without_default(altered[place])
                columns.append(replace(column, existing_server_default=None))
            elif not (is_first and place in added):
                columns.append(with_sql(column, step.name))
            is_first = is_first or place in altered
        step.affected_columns = columns
        both = ([as_text(one.replace("'", "''")) for one in each] for each in (old, values))
        step.old_values, step.new_values = both
        is_whole = is_first or values[: len(old)] != old
        whole = step.reverse().reverse() if is_whole else step
        index = changes.ops.index(step)
        changes.ops[index : index + 1] = [] if is_first else [whole]
        changes.ops[:0] = [*first, whole] if is_first else []


def defaults(step: Any) -> Iterator[str]:
    """Yield the defaults that a step sets, without quotes."""
    found = [column.server_default for column in columns_of(step)]
    for default in [*found, getattr(step, "modify_server_default", None)]:
        arg = getattr(default, "arg", default)
        sql = getattr(arg, "text", arg)  # other expressions are no values
        yield re.sub(r"^'|'(::.*)?$", "", sql) if isinstance(sql, str) else ""


def columns_of(step: Any) -> list[Column[Any]]:
    """Return the columns that a step adds."""
    found = [*getattr(step, "columns", []), getattr(step, "column", None)]
    return [item for item in found if isinstance(item, Column)]


def without_default(step: ops.AlterColumnOp) -> Iterator[ops.AlterColumnOp]:
    """Yield the steps that remove the default of a column, which a step sets again later."""
    if step.existing_server_default:
        drop = ops.AlterColumnOp(step.table_name, step.column_name, schema=step.schema)
        drop.existing_type, drop.existing_nullable = step.existing_type, step.existing_nullable
        drop.existing_server_default = step.existing_server_default
        drop.modify_server_default = None
        yield drop
    step.existing_server_default = None


def with_sql(column: Any, type_: str) -> Any:
    """Return a column with its default as SQL."""
    default = getattr(column.existing_server_default, "arg", None)
    if default is None:
        return column
    text = "'{}'".format(default.replace("'", "''")) if isinstance(default, str) else default
    array = "[]" if column.column_type.name == "ARRAY" else ""
    return replace(column, existing_server_default=f"{text}::{type_}{array}")
