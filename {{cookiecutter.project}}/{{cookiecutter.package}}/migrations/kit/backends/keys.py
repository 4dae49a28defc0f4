"""Foreign keys, and the indexes that they need."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.engine import Connection

from .constraints import models_of, tables
from .steps import key_of, name_of, of_kind


def free(connection: Connection, way: ops.OpContainer, needs_own: bool) -> None:
    """Drop a foreign key before what it needs is changed, and create it again afterwards.

    That is an index of its columns, or of those that it refers to, and their types.

    :param needs_own: whether its own columns need an index, and may get no other length while it is there
    """
    steps: list[Any] = [(name_of(c), s) for c in of_kind(ops.ModifyTableOps, way) for s in c.ops]
    dropped = [(table, columns) for table, step in steps if (columns := unindexed(step))]
    altered = {(table, s.column_name) for table, s in steps if gets_type(s, is_any=needs_own)}
    known = {(table, getattr(step, "constraint_name", None)) for table, step in steps}
    whole = [name_of(s) for s in way.ops if isinstance(s, ops.CreateTableOp | ops.DropTableOp)]
    found = sa.MetaData()
    for schema in {table.schema for table in tables()} if dropped or altered else ():
        found.reflect(connection, schema)
    for key in [key for table in found.tables.values() for key in table.foreign_key_constraints]:
        table, parent = key.table, key.referred_table
        own = table.fullname, key.column_keys
        other = parent.fullname, [element.column.name for element in key.elements]
        is_primary = other[1] == parent.primary_key.columns.keys()  # which has an index
        ends = [end for end, is_so in ((own, needs_own), (other, not is_primary)) if is_so]
        is_needed = any((name, c[: len(end[1])]) == end for name, c in dropped for end in ends)
        is_altered = any((name, column) in altered for name, c in (own, other) for column in c)
        is_known = table.fullname in whole or (table.fullname, key.name) in known
        if (is_needed or is_altered) and not is_known:
            new = ops.AddConstraintOp.from_constraint(key)
            way.ops += [ops.ModifyTableOps(table.name, [new.reverse(), new], schema=table.schema)]


def unindexed(step: Any) -> list[str]:
    """Return the columns of the index or the unique constraint that a step drops."""
    if isinstance(step, ops.DropIndexOp):
        return [*step.to_index().columns.keys()]
    is_unique = isinstance(step, ops.DropConstraintOp) and step.constraint_type == "unique"
    return [*step.to_constraint().columns.keys()] if is_unique else []


def gets_type(step: Any, is_any: bool) -> bool:
    """Say whether a column gets another type; if ``is_any``, another length counts, too."""
    both = getattr(step, "existing_type", None), getattr(step, "modify_type", None)
    return both[1] is not None and (is_any or not all(isinstance(each, sa.String) for each in both))


def make_own_indexes(connection: Connection, changes: ops.UpgradeOps) -> None:
    """Drop and create the index that MySQL makes for a foreign key, and keeps without it.

    It has the name of the key, or of its first column if the key was made without a name.
    """
    renames = of_kind(ops.RenameTableOp, changes)
    names: dict[Any, Any] = {step.table_name: step.new_table_name for step in renames}
    inspector = sa.inspect(connection)
    for change in of_kind(ops.ModifyTableOps, changes):
        drops = of_kind(ops.DropConstraintOp, change)
        dropped = [key for step in drops if (key := key_of(step)) is not None]
        table = names.get(change.table_name, change.table_name)
        models = models_of(f"{change.schema}.{table}" if change.schema else table)
        created = dict(needed(change, models))
        if not (dropped or created):
            continue
        place = change.table_name, change.schema  # a new name is not there
        found = inspector.get_indexes(*place) if inspector.has_table(*place) else []
        there = {index["name"] for index in found if not index["unique"]}
        there -= {index.name for model in models for index in model.indexes}
        names_of = [(name, key) for key in dropped for name in (key.name, key.column_keys[0])]
        old = {name: [*key.column_keys] for name, key in names_of if name in there}
        new = {name: created[name] for name in created if name in old or name not in there}
        make = partial(ops.CreateIndexOp, table_name=table, schema=change.schema)
        gone = [name for name in old if old[name] != new.get(name)]
        change.ops += [make(name, columns=old[name]).reverse() for name in gone]
        made = [name for name in new if old.get(name) != new[name]]
        change.ops += [make(name, columns=new[name]) for name in made]


def needed(change: Any, models: list[sa.Table]) -> Iterator[tuple[Any, list[str]]]:
    """Yield name and columns of an index for each new key, unless another one begins with them."""
    kinds = sa.Index, sa.PrimaryKeyConstraint, sa.UniqueConstraint
    items = [item for model in models for item in (*model.indexes, *model.constraints)]
    known = [[column.name for column in i.columns] for i in items if isinstance(i, kinds)]
    added = {step.column.name for step in of_kind(ops.AddColumnOp, change)}
    for key in of_kind(ops.CreateForeignKeyOp, change):
        first = [*key.local_cols]  # if all are new, the index is dropped with them
        if not added.issuperset(first) and first not in [each[: len(first)] for each in known]:
            yield key.constraint_name or first[0], first
