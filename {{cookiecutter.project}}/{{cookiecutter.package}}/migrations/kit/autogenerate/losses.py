"""Says what a revision destroys, or cannot do with existing rows."""

from collections.abc import Iterator
from typing import Any

from alembic.operations import ops
from sqlalchemy import Enum, String, and_, cast, column, exists, false, func, select, table, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DataError, SQLAlchemyError

from ..backends import backend_of
from ..backends.steps import Comment, RenameTable, name_of, of_kind, steps_of
from ..errors import codes
from .ask import Hints, logger

LIMIT = 10_000  # rows that are looked at: a table may have any number


def warn_of_losses(changes: ops.OpContainer, connection: Connection, hints: Hints) -> None:
    """Log what is lost or will fail, and write it into the revision."""
    comments: list[ops.MigrateOperation] = []
    for step in steps_of(changes):
        for name, loss in losses(step, connection, changes):
            comments.append(Comment(f"When this was written: {loss}."))
            advice = [f" Renamed to {new}? {option}" for new, option in hints.get(name, {}).items()]
            logger.warning("%s.%s", loss, "".join(advice))
    changes.ops[:0] = comments


def losses(step: Any, connection: Connection, changes: Any) -> Iterator[tuple[str, str]]:
    """Yield a name and what happens to its rows, if they are lost or not allowed."""
    yield from texts(step, connection)
    name = ".".join(filter(None, [name_of(step), getattr(step, "column_name", "")]))
    if isinstance(step, ops.DropTableOp):
        number = count(connection, step)
        back = "" if number == "0" else ", and a downgrade fails if others refer to them"
        yield name, f"The table {name} is dropped; rows in it: {number}{back}"
    elif isinstance(step, ops.DropColumnOp):
        found, number = step.to_column(), count(connection, step, step.column_name)
        needs_value = not found.nullable and not found.server_default
        back = ", and a downgrade fails if there are rows (NOT NULL)" if needs_value else ""
        yield name, f"{name} is dropped; rows with a value: {number}{back}"
    elif getattr(step, "modify_type", None) is not None and is_misfit(step, connection):
        type_ = step.modify_type.compile(connection.dialect)
        yield name, f"{name} becomes {type_}: a value changes, or does not fit"
    elif isinstance(step, ops.CreateUniqueConstraintOp) or getattr(step, "unique", False):
        names = [str(getattr(item, "name", item)) for item in step.columns]
        some = first_rows(step, names).c
        repeated = select(*some).where(*(each.is_not(None) for each in some)).group_by(*some)
        if read(connection, repeated.having(func.count() > 1).limit(1)):
            yield name, f"{name} cannot be unique: {', '.join(names)} has a value twice"
    elif isinstance(step, ops.CreateForeignKeyOp):
        key: Any = step.to_constraint()
        to, lost = key.referred_table.alias(), [each.is_not(None) for each in key.columns]
        if str(key.referred_table) not in map(name_of, of_kind(ops.CreateTableOp, changes)):
            lost.append(~exists().where(*(e.parent == to.c[e.column.name] for e in key.elements)))
        if read(connection, select(*key.columns).where(*lost).limit(1)):
            yield name, f"{name} refers to missing rows of {key.referred_table}: the revision fails"
    elif isinstance(step, ops.CreateCheckConstraintOp):
        check, query = step.to_constraint(), select(text("1")).limit(1)
        if read(connection, query.select_from(check.table).where(func.NOT(check.sqltext))):
            yield name, f"{name} has rows that its new check does not allow: the revision fails"
    for value in set(getattr(step, "old_values", ())) - set(getattr(step, "new_values", ())):
        name = f"{step.name}.{value}"
        yield name, f"{name} is no longer a value: the revision fails if a row has it"


def texts(step: Any, connection: Connection) -> Iterator[tuple[str, str]]:
    """Yield the views, triggers and functions whose text has a name that is renamed or dropped."""
    gone = step.table_name if isinstance(step, ops.DropColumnOp | ops.DropTableOp) else None
    if gone or isinstance(step, RenameTable) or getattr(step, "modify_name", None):
        old = getattr(step, "column_name", step.table_name)
        told = read(connection, text(backend_of(connection.dialect).naming), word=old, table=gone)
        if told and told[0]:
            yield "", f"The text of {told[0]} contains {old!r}: change it there, if it is the same"


def is_misfit(step: Any, connection: Connection) -> bool:
    """Say whether a column gets a type that cannot hold the values as they are."""
    value, new = first_rows(step, [step.column_name]).c[0], step.modify_type
    type_ = new.compile(connection.dialect)
    is_time = "DATE" in type_ or "TIME" in type_
    changed = cast(cast(value, new), step.existing_type or new) != value
    if isinstance(new, Enum):
        changed = cast(value, String).not_in(new.enums)
    elif isinstance(new, String):
        changed = func.length(value) > new.length if new.length else false()
    elif not connection.dialect.supports_alter and (is_time or type_ == "JSON"):  # it is copied
        changed = func.time(value) != "00:00:00" if type_ == "DATE" else false()
    elif is_time and isinstance(step.existing_type, String):  # it may be spelled in many ways
        changed = and_(value.is_not(None), cast(value, new).is_(None))
    return bool(read(connection, select(value).where(changed).limit(1), True))


def count(connection: Connection, step: Any, name: str | None = None) -> str:
    rows = first_rows(step, [name] if name else [])
    query = select(func.count(rows.c[0]), func.count()).select_from(rows)
    found, number = read(connection, query) or ("unknown", 0)
    return f"more than {LIMIT:,}" if number > LIMIT else str(found)


def first_rows(step: Any, names: list[str]) -> Any:
    """Return a query of columns of the first rows of a table."""
    found = table(step.table_name, *map(column, names), schema=step.schema)
    items = [*found.c] or [column("1", is_literal=True).label("one")]
    return select(*items).select_from(found).limit(LIMIT + 1).subquery()


def read(connection: Connection, query: Any, is_wrong: Any = None, **names: Any) -> Any:
    """Return the first row; None if none is found soon, or if this revision adds the column.

    :param is_wrong: is returned for a value that the database cannot cast
    """
    backend = backend_of(connection.dialect)
    begin, end = backend.time_limit
    savepoint = connection.begin_nested()
    try:
        connection.exec_driver_sql(begin)
        return connection.execute(query, names).first()
    except SQLAlchemyError as error:
        return is_wrong if isinstance(error, DataError) or backend.no_cast in codes(error) else None
    finally:
        savepoint.rollback()
        connection.exec_driver_sql(end)
