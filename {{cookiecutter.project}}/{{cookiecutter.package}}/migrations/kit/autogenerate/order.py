"""The order in which a revision changes the tables, so that it runs.

Foreign keys are dropped first and created last; tables dropped children first, created parents
first. Both ways of a revision are put into this order.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum

from alembic.operations import ops
from sqlalchemy import Column, ForeignKeyConstraint
from sqlalchemy.engine import Dialect

from ..backends.steps import SQL, Comment, TableChanges, is_not_null, key_of, name_of, named

# When a step runs in its revision, and in the changes of its table, where a check counts as a key.
Phase = IntEnum(
    "Phase",
    "BEFORE DROP_KEYS DROP RENAME FREE CHANGE FILL SETTLE REMAKE INDEX BACK CREATE CREATE_KEYS AFTER",
)
Turn = IntEnum("Turn", "DROP_KEY DROP_INDEX ALTER CREATE_INDEX CREATE_KEY")
Placed = Iterator[tuple[Phase, ops.MigrateOperation]]


def put_in_order(changes: ops.OpContainer, dialect: Dialect) -> None:
    """Put the steps of one direction of a revision in order.

    :param dialect: if it cannot drop a foreign key (SQLite), the table is copied, and what its keys
        refer to has to be there only then
    """
    changes.ops = [step for _, step in sorted(place_all(changes, dialect), key=lambda p: p[0])]


def place_all(changes: ops.OpContainer, dialect: Dialect) -> Placed:
    """Yield each step with its phase; a step that belongs to several phases is split."""
    created = {name_of(s): s for s in changes.ops if isinstance(s, ops.CreateTableOp)}
    dropped = {name_of(s): s for s in changes.ops if isinstance(s, ops.DropTableOp)}
    indexes: dict[str, list[ops.MigrateOperation]] = {}  # of created tables
    names = {name_of(s): s.new_table_name for s in changes.ops if isinstance(s, ops.RenameTableOp)}
    back = names if isinstance(changes, ops.DowngradeOps) else {}  # before the keys to them
    is_first, is_filled = True, False
    for step in changes.ops:
        if isinstance(step, ops.RenameTableOp):
            yield Phase.BACK if back else Phase.RENAME, step
        elif isinstance(step, ops.ModifyTableOps):
            if name_of(step) in created:
                indexes.setdefault(name_of(step), []).append(step)
            elif name_of(step) not in dropped:  # its indexes are dropped with it
                for phase, part in place_parts(step, {*created, *dropped, *back.values()}, dialect):
                    is_filled |= phase is Phase.FILL and not isinstance(part, SQL)
                    if phase is Phase.CREATE_KEYS and isinstance(part, TableChanges):
                        part.table_name = back.get(name_of(part), part.table_name)
                    yield phase, part
        elif not isinstance(step, ops.CreateTableOp | ops.DropTableOp):  # types and schemas
            yield Phase.BEFORE if is_first or isinstance(step, SQL) else Phase.AFTER, step
            continue
        is_first = False
    # Rows may be filled with a key of a new table: its first row can be inserted before.
    later = {*created, *(map(name_of, changes.ops) if is_filled else ())}
    for name, keys in parents_first({name: s.columns for name, s in created.items()}).items():
        later.remove(name)
        for key in keys:
            if dialect.supports_alter and (key.use_alter or parent_of(key) in later):
                created[name].columns = [c for c in created[name].columns if c is not key]
                yield Phase.CREATE_KEYS, named(ops.AddConstraintOp.from_constraint(key), dialect)
        for step in (created[name], *indexes.get(name, [])):  # keys may refer to an index
            yield Phase.CHANGE if is_filled else Phase.CREATE, step
    gone: set[str] = set()
    constraints = {name: step.to_table().constraints for name, step in dropped.items()}
    for name, keys in reversed(parents_first(constraints).items()):
        for key in keys:
            if dialect.supports_alter and parent_of(key) in gone:
                yield Phase.DROP_KEYS, named(ops.DropConstraintOp.from_constraint(key), dialect)
        yield Phase.DROP, dropped[name]
        gone.add(name)


def place_parts(change: ops.ModifyTableOps, others: set[str], dialect: Dialect) -> Placed:
    """Split the changes of a table by phase.

    MySQL wants an index for each foreign key, and columns of one type; a check needs its columns.
    Rows are filled before a column becomes NOT NULL, and before columns are dropped.

    :param others: the tables that are created or dropped, or get their old names back
    """
    fills = [step for step in change.ops if isinstance(step, ops.ExecuteSQLOp | Comment)]
    is_renamed = any(getattr(step, "modify_name", None) for step in change.ops)
    parts: dict[Phase, list[ops.MigrateOperation]] = {}
    for step in sorted((step for step in change.ops if step not in fills), key=turn_of):
        is_later, key = turn_of(step) > Turn.ALTER, key_of(named(step, dialect))
        if key is not None and (dialect.supports_alter or parent_of(key) in others):
            phase = Phase.CREATE_KEYS if is_later else Phase.DROP_KEYS
        elif not dialect.supports_alter and isinstance(step, ops.DropIndexOp | ops.CreateIndexOp):
            phase = Phase.INDEX if is_later else Phase.FREE  # batch mode knows only their columns
        elif not dialect.supports_alter and is_later and is_renamed:
            phase = Phase.REMAKE  # batch mode knows the old name only
        elif fills and (is_later or isinstance(step, ops.DropColumnOp) or is_not_null(step)):
            phase = Phase.SETTLE
        else:
            phase = Phase.CHANGE
        parts.setdefault(phase, []).append(step)
    yield from ((Phase.FILL, step) for step in fills)
    for phase, steps in parts.items():
        yield phase, TableChanges(change.table_name, steps, schema=change.schema)


def turn_of(step: ops.MigrateOperation) -> Turn:
    """Return the turn of a step: columns are altered while nothing that needs them is there."""
    if isinstance(step, ops.DropIndexOp | ops.DropConstraintOp):
        is_key = getattr(step, "constraint_type", "") in ("foreignkey", "check")
        return Turn.DROP_KEY if is_key else Turn.DROP_INDEX
    if isinstance(step, ops.CreateIndexOp | ops.CreateUniqueConstraintOp):
        return Turn.CREATE_INDEX
    if getattr(getattr(step, "to_column", Column)(), "computed", None):  # it needs others
        return Turn.CREATE_INDEX if isinstance(step, ops.AddColumnOp) else Turn.DROP_INDEX
    is_key = isinstance(step, ops.CreateForeignKeyOp | ops.CreateCheckConstraintOp)
    return Turn.CREATE_KEY if is_key else Turn.ALTER


def parent_of(key: ForeignKeyConstraint) -> str:
    return str(key.elements[0].target_fullname).rpartition(".")[0]


def parents_first(tables: Mapping[str, Iterable[object]]) -> dict[str, list[ForeignKeyConstraint]]:
    """Return the foreign keys of tables by name: parents before children, except in a circle."""
    keys = {n: [i for i in t if isinstance(i, ForeignKeyConstraint)] for n, t in tables.items()}
    found: dict[str, list[ForeignKeyConstraint]] = {}

    def visit(name: str) -> None:
        if name in keys:
            mine = keys.pop(name)
            for parent in sorted({parent_of(key) for key in mine}):
                visit(parent)
            found[name] = mine

    for name in [*keys]:
        visit(name)
    return found
