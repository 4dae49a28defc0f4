"""Finds what was renamed, and not dropped and added, which would lose all values.

What is named after a table is dropped by its old name and created by the new one.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

from alembic.autogenerate import comparators
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.util import CommandError
from sqlalchemy import Computed, ForeignKeyConstraint, Table

from ..backends import Backend
from ..backends.steps import SQL, AlterColumn, RenameTable, key_of, name_of, of_kind
from .ask import Hints, is_renamed, told

Steps = dict[str, Any]  # by the names of what they drop or create


def rename(changes: ops.UpgradeOps, autogenerate: AutogenContext, backend: Backend) -> Hints:
    """Rename what a person says was renamed, so that it keeps its rows.

    :return: what nobody has answered: by what is dropped, what it may have become, and the option
    """
    hints: Hints = {}
    impl = autogenerate.migration_context.impl
    dropped = {name_of(s): s for s in of_kind(ops.DropTableOp, changes)}
    created = {name_of(s): s for s in of_kind(ops.CreateTableOp, changes)}
    for old, new in renamed(dropped, created, impl, hints):
        names = name_of(old), name_of(new)
        steps = renamed_table(old, new, autogenerate, backend)
        changes.ops = [step for step in changes.ops if name_of(step) not in names] + steps
    for change in of_kind(ops.ModifyTableOps, changes):
        table = name_of(change)
        gone = {f"{table}.{s.column_name}": s for s in of_kind(ops.DropColumnOp, change)}
        added = {f"{table}.{s.column.name}": s for s in of_kind(ops.AddColumnOp, change)}
        for old, new in renamed(gone, added, impl, hints):
            found, wanted = old.to_column(), new.column
            step = AlterColumn(change.table_name, found.name, schema=change.schema)
            compare(autogenerate, "column", step, table, found.name, found, wanted)
            step.modify_name = wanted.name
            change.ops = [each for each in change.ops if each not in (old, new)] + [step]
    changes.ops = [each for step in changes.ops for each in renamed_values(step, backend, hints)]
    return hints


def renamed(gone: Steps, added: Steps, impl: Any, hints: Hints) -> Iterator[tuple[Any, Any]]:
    """Yield the two steps of each rename: what is dropped, and what is created in its place."""
    for old, drop in gone.items():
        for new in [new for new in added if added[new].schema == drop.schema]:
            if is_renamed(old, new, hints, are_like(impl, drop, added[new])):
                yield drop, added.pop(new)
                break
            if old.lower() == new.lower() and not told("rename", old):
                same = f"{new} may be the same as {old} to the database: keep the name {old}"
                raise CommandError(f"{same}, or give -x rename={old}:{new.rpartition('.')[2]}.")


def are_like(impl: Any, drop: Any, create: Any) -> bool:
    """Say whether a column, or each column of a table by its name, has the same type as before."""
    if isinstance(drop, ops.DropColumnOp):
        return not impl.compare_type(drop.to_column(), create.column)
    found, wanted = ({c.name: c for c in step.to_table().columns} for step in (drop, create))
    differ = (impl.compare_type(found[name], wanted[name]) for name in found)
    return found.keys() == wanted.keys() and not any(differ)


def renamed_values(step: Any, backend: Backend, hints: Hints) -> Iterator[Any]:
    """Yield a change of an Enum's values, and before it the steps that rename some of them."""
    old, new = getattr(step, "old_values", []), getattr(step, "new_values", [])
    for a, b in sorted(product(old, new), key=lambda each: each[0].lower() != each[1].lower()):
        pair = f"{step.name}.{a}", f"{step.name}.{b}"
        if {a, b} & {*step.old_values} == {a} and a not in new and is_renamed(*pair, hints):
            step.old_values = [b if value == a else value for value in step.old_values]
            before, after = ("'{}'".format(value.replace("'", "''")) for value in (a, b))
            yield both_ways(backend.rename_value, f'"{step.schema}"."{step.name}"', before, after)
    if not old or step.old_values != new:
        yield step


def both_ways(statement: str, owner: str, old: str, new: str) -> SQL:
    return SQL(statement.format(owner, old, new), statement.format(owner, new, old))


def renamed_table(drop: Any, create: Any, autogenerate: Any, backend: Backend) -> list[Any]:
    """Return the steps in place of two: a rename, and what else is different.

    Alembic does not compare the names of foreign keys. Where they can be dropped without the table,
    that is done first: MySQL cannot change the index of one.
    """
    dialect, schema = autogenerate.dialect, drop.schema
    there, wanted = drop.to_table(), autogenerate.table_key_to_table[name_of(create)]
    before, after = (ops.ModifyTableOps(s.table_name, [], schema=schema) for s in (drop, create))
    after.ops = [*differences(autogenerate, after, there, wanted)]
    gone, added, first = keys_of(there), keys_of(wanted), before
    if not dialect.supports_alter:  # those of one name stay
        first = after
        for name in gone.keys() & added.keys():
            del gone[name], added[name]
    for key in gone.values():
        step = ops.DropConstraintOp.from_constraint(key)
        step.table_name = first.table_name
        first.ops.append(step)
    after.ops += map(ops.AddConstraintOp.from_constraint, added.values())
    names = [k.name for k in (there.primary_key, wanted.primary_key) if isinstance(k.name, str)]
    if backend.rename_key and len({*names}) == 2:
        preparer = dialect.identifier_preparer
        owner, quoted = preparer.format_table(wanted), map(preparer.quote, names)
        after.ops.append(both_ways(backend.rename_key, owner, *quoted))
    return [before, RenameTable(drop.table_name, create.table_name, schema=schema), after]


def differences(autogenerate: Any, change: Any, there: Table, wanted: Table) -> Iterator[Any]:
    """Yield the steps that Alembic finds for a renamed table, except those of foreign keys."""
    schema, new = change.schema, change.table_name
    found = there.to_metadata(there.metadata, name=new)
    compare(autogenerate, "table", change, there.name, found, wanted)
    yield from (step for step in change.ops if key_of(step) is None)
    gone = {column.name: column for column in found.columns}
    for column in wanted.columns:
        if column.name not in gone:
            yield ops.AddColumnOp.from_column(column)
            continue
        step = ops.AlterColumnOp(new, column.name, schema=schema)
        pair = gone.pop(column.name), column
        compare(autogenerate, "column", step, there.name, column.name, *pair)
        yield step
    for column in gone.values():
        yield ops.DropColumnOp.from_column_and_tablename(schema, new, column)


def compare(autogenerate: AutogenContext, kind: str, step: Any, table: str, *more: Any) -> None:
    """Let Alembic fill a step with what differs in a table or a column."""
    registry: Any = getattr(autogenerate, "comparators", comparators)  # since Alembic 1.18
    dispatched = registry.dispatch(kind, qualifier=autogenerate.dialect.name)
    dispatched(autogenerate, step, step.schema, table, *more)
    if isinstance(getattr(step, "existing_server_default", None), Computed):
        step.existing_server_default = False


def keys_of(table: Table) -> dict[Any, ForeignKeyConstraint]:
    """Return the foreign keys by name, in order; those without one by their columns."""
    keys = table.foreign_key_constraints
    named = {k.name if isinstance(k.name, str) else (*k.column_keys,): k for k in keys}
    return {name: named[name] for name in sorted(named, key=str)}
