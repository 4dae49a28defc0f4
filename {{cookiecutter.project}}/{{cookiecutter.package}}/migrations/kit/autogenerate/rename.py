"""Finds what was renamed, and not dropped and added, which would lose all values.

What is named after a table is dropped by its old name and created by the new one.
"""

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy import Column, ForeignKeyConstraint, Table

from ..backends import Backend
from ..backends.keys import name_of
from .ask import Hints, is_renamed
from .steps import SQL, RenameColumn, RenameTable, compare, key_of


def rename(changes: ops.UpgradeOps, autogenerate: AutogenContext, backend: Backend) -> Hints:
    """Rename what a person says was renamed, so that it keeps its rows.

    :return: what nobody has answered: by what is dropped, what it may have become, and the option
    """
    hints: Hints = {}
    impl = autogenerate.migration_context.impl
    created = [step for step in changes.ops if isinstance(step, ops.CreateTableOp)]
    for drop in [step for step in changes.ops if isinstance(step, ops.DropTableOp)]:
        for create in [create for create in created if create.schema == drop.schema]:
            names = name_of(drop), name_of(create)
            if is_renamed(*names, hints, are_like(drop, create, impl)):
                created.remove(create)
                steps = renamed_table(drop, create, autogenerate, backend.rename_key)
                changes.ops = [s for s in changes.ops if name_of(s) not in names] + steps
                break
    for change in [step for step in changes.ops if isinstance(step, ops.ModifyTableOps)]:
        added = [step for step in change.ops if isinstance(step, ops.AddColumnOp)]
        for gone in [step for step in change.ops if isinstance(step, ops.DropColumnOp)]:
            found, table = gone.to_column(), name_of(change)
            for add in [*added]:
                names = f"{table}.{found.name}", f"{table}.{add.column.name}"
                if is_renamed(*names, hints, not impl.compare_type(found, add.column)):
                    added.remove(add)
                    step = RenameColumn(change.table_name, found.name, schema=change.schema)
                    pair = found, add.column
                    compare(autogenerate, "column", step, change.schema, table, found.name, *pair)
                    step.modify_name = add.column.name
                    change.ops = [s for s in change.ops if s is not gone and s is not add]
                    change.ops.append(step)
                    break
    sql = backend.rename_value
    changes.ops = [each for step in changes.ops for each in renamed_values(step, sql, hints)]
    return hints


def renamed_values(step: Any, statement: str, hints: Hints) -> Iterator[Any]:
    """Yield a change of an Enum's values, and before it the steps that rename some of them.

    :param statement: renames one value
    """
    old, new = getattr(step, "old_values", []), getattr(step, "new_values", [])
    for one, other in product(old, new):
        pair = f"{step.name}.{one}", f"{step.name}.{other}"
        if one not in new and other not in step.old_values and is_renamed(*pair, hints):
            step.old_values = [other if value == one else value for value in step.old_values]
            type_ = f'"{step.schema}"."{step.name}"'
            before, after = ("'{}'".format(value.replace("'", "''")) for value in (one, other))
            sql = [statement.format(type_, *both) for both in ((before, after), (after, before))]
            yield SQL(*sql)
    if not old or step.old_values != new:
        yield step


def are_like(drop: ops.DropTableOp, create: ops.CreateTableOp, impl: Any) -> bool:
    found = {column.name: column for column in drop.to_table().columns}
    wanted = {item.name: item for item in create.columns if isinstance(item, Column)}
    differ = (impl.compare_type(found[name], wanted[name]) for name in found)
    return found.keys() == wanted.keys() and not any(differ)


def renamed_table(
    drop: ops.DropTableOp, create: ops.CreateTableOp, autogenerate: AutogenContext, sql: str | None
) -> list[Any]:
    """Return the steps in place of two: a rename, and what else is different.

    Alembic does not compare the names of foreign keys. Where one can be dropped without its table,
    all are, and before all else: MySQL cannot change its index meanwhile.

    :param sql: the statement that renames a primary key, where it has a name
    """
    dialect, schema = autogenerate.dialect, drop.schema
    there, wanted = drop.to_table(), autogenerate.table_key_to_table[name_of(create)]
    before, after = (ops.ModifyTableOps(s.table_name, [], schema=schema) for s in (drop, create))
    after.ops = [*differences(autogenerate, after, there, wanted)]
    theirs, ours = keys_of(there), keys_of(wanted)
    same = set() if dialect.supports_alter else theirs.keys() & ours.keys()
    first = before if dialect.supports_alter else after
    for name in sorted(theirs.keys() - same, key=str):
        step = ops.DropConstraintOp.from_constraint(theirs[name])
        step.table_name = first.table_name
        first.ops.append(step)
    for name in sorted(ours.keys() - same, key=str):
        after.ops.append(ops.AddConstraintOp.from_constraint(ours[name]))
    one, other = there.primary_key.name, wanted.primary_key.name
    if sql and isinstance(one, str) and isinstance(other, str) and one != other:
        preparer = dialect.identifier_preparer
        names = preparer.quote(one), preparer.quote(other)
        statement = partial(sql.format, preparer.format_table(wanted))
        after.ops.append(SQL(statement(*names), statement(*reversed(names))))
    return [before, RenameTable(drop.table_name, create.table_name, schema=schema), after]


def differences(
    autogenerate: AutogenContext, change: ops.ModifyTableOps, there: Table, wanted: Table
) -> Iterator[Any]:
    """Yield the steps that Alembic finds for a table that is renamed, but those of foreign keys."""
    schema, new = change.schema, change.table_name
    found = there.to_metadata(there.metadata, name=new)
    compare(autogenerate, "table", change, schema, there.name, found, wanted)
    yield from (step for step in change.ops if key_of(step) is None)
    for column in wanted.columns:
        if (name := column.name) in found.columns:
            step = ops.AlterColumnOp(new, name, schema=schema)
            pair = found.columns[name], column
            compare(autogenerate, "column", step, schema, there.name, name, *pair)
            yield from [step] if step.has_changes() else []
        else:
            yield ops.AddColumnOp.from_column(column)
    names = {column.name for column in wanted.columns}
    for column in [column for column in found.columns if column.name not in names]:
        yield ops.DropColumnOp.from_column_and_tablename(schema, new, column)


def keys_of(table: Table) -> dict[Any, ForeignKeyConstraint]:
    """Return the foreign keys by name; those without one by their columns."""
    keys = table.foreign_key_constraints
    return {k.name if isinstance(k.name, str) else (*k.column_keys,): k for k in keys}
