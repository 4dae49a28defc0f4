"""Finds what was renamed, and not dropped and added, which would lose all values.

What is named after a table is dropped by its old name and created by the new one.
"""

from collections.abc import Iterator
from functools import partial
from itertools import chain, product
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy import Column, ForeignKeyConstraint, Table

from ..backends import Backend
from .ask import answer, ask, can_ask, given, told
from .order import key_of, name_of
from .steps import SQL, RenameColumn, RenameTable, compare

Hints = dict[str, dict[str, str]]


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
                rename_table(changes, drop, create, autogenerate, backend.rename_key)
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
    values = partial(renamed_values, statement=backend.rename_value, hints=hints)
    changes.ops = [*chain.from_iterable(map(values, changes.ops))]
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


def is_renamed(old: str, new: str, hints: Hints, is_like: bool = True) -> bool:
    """Say whether a person or ``-x`` says that one name has become the other.

    :param is_like: whether to ask; ``-x`` also renames what was changed as well
    """
    if key := told("rename", old):
        is_meant = given("rename")[key] in (new, new.rpartition(".")[2])
        return is_meant and answer("rename", old) is not None
    if is_like and can_ask():
        return ask(f"Was {old} renamed to {new}? [y/N]").lower() in ("y", "yes")
    if is_like:
        hints.setdefault(old, {})[new] = f"-x rename={old}:{new.rpartition('.')[2]}"
    return False


def are_like(drop: ops.DropTableOp, create: ops.CreateTableOp, impl: Any) -> bool:
    """Say whether two tables have the same columns."""
    found = {column.name: column for column in drop.to_table().columns}
    wanted = {item.name: item for item in create.columns if isinstance(item, Column)}
    differ = (impl.compare_type(found[name], wanted[name]) for name in found)
    return found.keys() == wanted.keys() and not any(differ)


def rename_table(
    changes: ops.UpgradeOps,
    drop: ops.DropTableOp,
    create: ops.CreateTableOp,
    autogenerate: AutogenContext,
    rename_key: str | None,
) -> None:
    """Replace two steps by a rename, and add what else Alembic finds different."""
    old, new, schema = drop.table_name, create.table_name, drop.schema
    dialect = autogenerate.dialect
    there, wanted = drop.to_table(), autogenerate.table_key_to_table[name_of(create)]
    found = there.to_metadata(there.metadata, name=new)
    change = ops.ModifyTableOps(new, [], schema=schema)
    keys = ops.ModifyTableOps(old, [], schema=schema)
    compare(autogenerate, "table", change, schema, old, found, wanted)
    columns = {column.name: column for column in wanted.columns}
    for name, column in columns.items():
        if name not in found.columns:
            change.ops.append(ops.AddColumnOp.from_column(column))
            continue
        altered = ops.AlterColumnOp(new, name, schema=schema)
        compare(autogenerate, "column", altered, schema, old, name, found.columns[name], column)
        change.ops += [altered] if altered.has_changes() else []
    drop_column = partial(ops.DropColumnOp.from_column_and_tablename, schema, new)
    change.ops += [drop_column(each) for each in found.columns if each.name not in columns]
    # Alembic does not compare the names of foreign keys. Where one can be dropped without its table,
    # all are, and before all else: MySQL cannot change its index meanwhile.
    change.ops = [step for step in change.ops if key_of(step) is None]
    theirs, ours = keys_of(there), keys_of(wanted)
    first, same = (keys, set()) if dialect.supports_alter else (change, theirs.keys() & ours.keys())
    for name in sorted(theirs.keys() - same, key=str):
        step = ops.DropConstraintOp.from_constraint(theirs[name])
        step.table_name = first.table_name
        first.ops.append(step)
    for name in sorted(ours.keys() - same, key=str):
        change.ops.append(ops.AddConstraintOp.from_constraint(ours[name]))
    one, other = there.primary_key.name, wanted.primary_key.name
    if rename_key and isinstance(one, str) and isinstance(other, str) and one != other:
        preparer = dialect.identifier_preparer
        before, after = preparer.quote(one), preparer.quote(other)
        statement = partial(rename_key.format, preparer.format_table(wanted))
        change.ops.append(SQL(statement(before, after), statement(after, before)))
    both = {name_of(drop), name_of(create)}
    changes.ops = [s for s in changes.ops if not hasattr(s, "table_name") or name_of(s) not in both]
    changes.ops += [keys, RenameTable(old, new, schema=schema), change]


def keys_of(table: Table) -> dict[Any, ForeignKeyConstraint]:
    """Return the foreign keys by name; those without one by their columns."""
    keys = table.foreign_key_constraints
    return {k.name if isinstance(k.name, str) else (*k.column_keys,): k for k in keys}
