"""Foreign keys while an index that they need is dropped, or a column of theirs gets another type."""

from collections.abc import Iterator
from typing import Any

from alembic.operations import ops
from sqlalchemy import Index, MetaData, PrimaryKeyConstraint, String, Table, UniqueConstraint
from sqlalchemy.engine import Connection

from .constraints import tables


def free(connection: Connection, way: ops.OpContainer, needs_own: bool) -> None:
    """Drop a foreign key before an index that it needs, and create it again afterwards.

    :param needs_own: whether its own columns need one too, and not only those that it refers to;
        and whether it has to go even for another length
    """
    changes = [step for step in way.ops if isinstance(step, ops.ModifyTableOps)]
    dropped = [(name_of(change), each) for change in changes for each in dropped_by(change)]
    steps: list[Any] = [(name_of(change), step) for change in changes for step in change.ops]
    known = {(name, getattr(step, "constraint_name", None)) for name, step in steps}
    altered = {(name, s.column_name) for name, s in steps if gets_type(s, needs_own)}
    whole = [s for s in way.ops if isinstance(s, ops.CreateTableOp | ops.DropTableOp)]
    names, found = [*map(name_of, whole)], MetaData()
    for schema in {table.schema for table in tables()} if dropped or altered else ():
        found.reflect(connection, schema)
    for key in [key for table in found.tables.values() for key in table.foreign_key_constraints]:
        table, parent = key.table, key.referred_table
        theirs = [each.column.name for each in key.elements]
        ends = [(table.fullname, key.column_keys), (parent.fullname, theirs)]
        is_primary = theirs == parent.primary_key.columns.keys()  # which has an index
        needed = ends[not needs_own : 1 if is_primary else 2]
        is_needed = any((name, c[: len(end[1])]) == end for name, c in dropped for end in needed)
        is_altered = any((name, column) in altered for name, c in ends for column in c)
        is_known = table.fullname in names or (table.fullname, key.name) in known
        if (is_needed or is_altered) and not is_known:
            made = ops.AddConstraintOp.from_constraint(key)
            both = [made.reverse(), made]
            way.ops.append(ops.ModifyTableOps(table.name, both, schema=table.schema))


def needed(change: Any, models: list[Table]) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Yield name and columns of the index that MySQL makes for a new key: if none has them first."""
    kinds = Index, PrimaryKeyConstraint, UniqueConstraint
    items = [item for model in models for item in (*model.indexes, *model.constraints)]
    known = [[column.name for column in i.columns] for i in items if isinstance(i, kinds)]
    added = {step.column.name for step in change.ops if isinstance(step, ops.AddColumnOp)}
    for key in [step for step in change.ops if isinstance(step, ops.CreateForeignKeyOp)]:
        first = [*key.local_cols]  # if all are new, the index is dropped with them
        if not added.issuperset(first) and first not in [each[: len(first)] for each in known]:
            yield key.constraint_name or first[0], (*first,)


def name_of(step: Any) -> str:
    name = str(getattr(step, "table_name", ""))  # of a type, for example, it is empty
    return f"{step.schema}.{name}" if getattr(step, "schema", None) else name


def dropped_by(change: ops.ModifyTableOps) -> Iterator[list[str]]:
    """Yield the columns of each index and each unique constraint that is dropped."""
    for step in change.ops:
        if isinstance(step, ops.DropIndexOp):
            yield [*step.to_index().columns.keys()]
        elif isinstance(step, ops.DropConstraintOp) and step.constraint_type == "unique":
            yield [*step.to_constraint().columns.keys()]  # type: ignore[attr-defined]


def gets_type(step: Any, is_any: bool) -> bool:
    """Say whether a column gets another type, or, if it is any, another length."""
    both = getattr(step, "existing_type", None), getattr(step, "modify_type", None)
    return both[1] is not None and (is_any or not all(isinstance(each, String) for each in both))
