"""Migrates the types of PostgreSQL's Enums, where alembic-postgresql-enum is installed."""

import re
import sys
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

from ..session import as_text, logger
from .steps import steps_of

LAST: Any = getattr(util, "DispatchPriority", None)  # since Alembic 1.18


@comparators.dispatch_for("schema", **({"priority": LAST.LAST} if LAST else {}))
def name_types(autogenerate: Any, changes: ops.UpgradeOps, _: Any) -> None:
    """Make each Enum an ENUM before alembic-postgresql-enum 1.11.0 does: it changes names, too."""
    if not isinstance(autogenerate.migration_context.impl, PostgresqlImpl):
        return
    types = (getattr(c.type, "item_type", c.type) for t in autogenerate.sorted_tables for c in t.c)
    is_native = any(isinstance(each, Enum) and each.native_enum for each in types)
    if is_native and "alembic_postgresql_enum" not in sys.modules:
        logger.warning("The types of Enums are not migrated: install alembic-postgresql-enum.")
    autogenerate.metadata = util.to_list(autogenerate.metadata)  # it knows no tuple
    for column in [column for step in steps_of(changes) for column in columns_of(step)]:
        type_: Any = getattr(column.type, "item_type", column.type)
        if type(type_) is Enum and type_.native_enum:
            made = ENUM(*type_.enums, name=type_.name, schema=type_.schema)
            column.type = made if type_ is column.type else ARRAY(made)


with suppress(ImportError):  # so type checkers need not have it
    import_module("alembic_postgresql_enum")


def mend(changes: ops.UpgradeOps, filled: Collection[str], schema: str | None) -> None:
    """Change the values of Enums in a way that runs.

    A new value of an existing type cannot be used before a commit. If a row or a default needs one,
    the type is created again, before all else. alembic-postgresql-enum 1.11.0 puts values into the
    wrong place, does not quote them, and knows one default only.

    :param filled: the values that existing rows get
    :param schema: of tables that name none
    """
    used, added = {*filled}, set()
    altered: dict[Any, Any] = {}
    for step in steps_of(changes):
        used |= {*defaults(step)}
        table = (getattr(step, "schema", None) or schema, getattr(step, "table_name", None))
        if isinstance(step, ops.AlterColumnOp) and step.modify_server_default is not False:
            altered |= {(*table, step.column_name): step}
        elif isinstance(step, ops.AddColumnOp):
            added.add((*table, step.column.name))
    for step in [step for step in steps_of(changes) if hasattr(step, "new_values")]:
        old, new = [*step.old_values], [*step.new_values]
        columns = {
            (column.table_schema or schema, column.table_name, column.column_name): column
            for column in step.affected_columns
        }
        freed = [altered[place] for place in columns if place in altered]
        is_first = bool(freed) or not used.isdisjoint({*new} - {*old})
        step.affected_columns = [
            with_sql(column, step.name, place in altered)
            for place, column in columns.items()
            if not (is_first and place in added)
        ]
        both = ([as_text(one.replace("'", "''")) for one in each] for each in (old, new))
        step.old_values, step.new_values = both
        whole = step.reverse().reverse() if is_first or new[: len(old)] != old else step
        index = changes.ops.index(step)
        changes.ops[index : index + 1] = [] if is_first else [whole]
        if is_first:
            changes.ops[:0] = [*chain.from_iterable(map(without_default, freed)), whole]


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


def with_sql(column: Any, type_: str, is_freed: bool) -> Any:
    """Return a column with its default as SQL; without it if it is freed."""
    default = getattr(column.existing_server_default, "arg", None)
    if default is None or is_freed:
        return replace(column, existing_server_default=None) if is_freed else column
    text = "'{}'".format(default.replace("'", "''")) if isinstance(default, str) else default
    array = "[]" if column.column_type.name == "ARRAY" else ""
    return replace(column, existing_server_default=f"{text}::{type_}{array}")
