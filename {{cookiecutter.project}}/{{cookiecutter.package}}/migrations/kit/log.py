"""The log of what was applied: a table beside the version table, written with it.

It tells whether newer code has migrated a database, and which applied revisions were edited since.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import cache
from traceback import walk_stack
from typing import Any

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext, MigrationInfo

from .checksum import sums
from .mistakes import revision_in
from .outcome import outcomes
from .session import commits, driver_of, listening
from .version import __version__


@cache  # the same for all databases of a run
def log_table(version_table: str, schema: str | None = None) -> sa.Table:
    name = version_table.replace("alembic_version", "alembic_log")
    return sa.Table(
        name if name != version_table else f"{version_table}_log",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.String(255), nullable=False),
        sa.Column("down_revision", sa.Text),  # what it came from; with commas, if several
        sa.Column("direction", sa.String(4), nullable=False),  # up or down
        sa.Column("stamped", sa.Boolean, nullable=False),  # said, not run
        sa.Column("applied_at", sa.DateTime, nullable=False),  # UTC
        sa.Column("seconds", sa.Float),
        sa.Column("file", sa.String(64)),  # of its bytes
        sa.Column("code", sa.String(64)),  # of what it does
        sa.Column("kit", sa.String(20), nullable=False),
        schema=schema,
    )


class Log:
    def __init__(self, migration: MigrationContext) -> None:
        self.migration = migration
        self.name = migration.opts.get("database", "default")
        self.connection: Any = migration.connection
        self.mine = [o for o in outcomes if o.connection is self.connection and not o.is_callers]
        self.moment = time.monotonic()
        self.table = log_table(migration.version_table, migration.version_table_schema)
        self.waiting: list[dict[str, Any]] = []
        self.has_committed = False  # by a revision

    def create(self) -> None:
        """Make the table and its schema, unless they are there: no revision could make them before."""
        if self.migration.as_sql:
            return self.migration.execute(sa.schema.CreateTable(self.table, if_not_exists=True))
        schema, schemas = self.table.schema, sa.inspect(self.connection).get_schema_names
        if schema and schema not in schemas():
            self.connection.execute(sa.schema.CreateSchema(schema))
        self.table.create(self.connection, checkfirst=True)

    @contextmanager
    def written(self) -> Iterator[None]:
        """Write the steps of a run at its end, or earlier, before it commits."""
        self.migration.on_version_apply_callbacks += (self.write,)
        functions: Any = {"commit": self.flush, "before_cursor_execute": self.flush}
        with listening(self.connection, **({} if self.migration.as_sql else functions)):
            try:
                yield
                self.flush()
            finally:
                self.flush(None, None, "")  # if a revision fails whose driver has committed

    def write(self, step: MigrationInfo, **_: Any) -> None:
        """Add a step: for Alembic's ``on_version_apply``."""
        took, self.moment = time.monotonic() - self.moment, time.monotonic()
        values: dict[str, Any] = {
            "down_revision": ",".join(step.down_revision_ids) or None,
            "direction": "up" if step.is_upgrade else "down",
            "stamped": step.is_stamp,
            "seconds": None if step.is_stamp or self.migration.as_sql else round(took, 3),
        }
        for revision in step.up_revision_ids:
            self.add(revision=revision, **values)
        if not self.migration.impl.transactional_ddl:
            self.flush()
        if self.has_committed:
            self.commit()

    def commit(self) -> None:
        """Keep the version of a revision that has committed: if it ran again, it might fail."""
        try:
            with self.migration.autocommit_block():  # before it, Alembic commits its own
                pass
        except (AssertionError, AttributeError, sa.exc.InvalidRequestError):  # python -O
            self.connection.get_transaction().commit()
        self.has_committed = False

    def add(self, **values: Any) -> None:
        """Add a row, which is numbered here: not every database can do that."""
        row = {"kit": __version__, "file": None, "code": None, **values}
        if not self.migration.as_sql:
            now = datetime.now(timezone.utc).replace(tzinfo=None, microsecond=0)
            return self.waiting.append({"applied_at": now, **row})
        # Somebody runs it later: with the number and the time that there are then.
        columns: dict[str, Any] = {
            name: sa.null() if value is None else sa.literal(value, self.table.c[name].type)
            for name, value in {**row, **self.sums(row)}.items()
        }
        columns["id"] = sa.func.coalesce(sa.func.max(self.table.c.id), 0) + 1
        columns["applied_at"] = sa.func.current_timestamp()
        rows = sa.select(*(value.label(name) for name, value in columns.items()))
        self.migration.execute(self.table.insert().from_select([*columns], rows))

    def flush(self, *found: Any) -> None:
        """Write the waiting rows; as a listener to statements, only before or after a commit."""
        is_behind = any(o.is_behind() and not o.undone for o in self.mine)
        if found[2:] and not is_behind and not commits(found[2]):
            return
        if found and not is_behind:  # PostgreSQL makes it a ROLLBACK after an error, unsaid
            self.connection.scalar(sa.select(1))
        self.has_committed |= is_behind or bool(found and revision_in(walk_stack(None)))
        rows, self.waiting = self.waiting, []
        if rows:
            last = self.connection.scalar(sa.select(sa.func.max(self.table.c.id))) or 0
            numbered = [{"id": last + 1 + n, **r, **self.sums(r)} for n, r in enumerate(rows)]
            self.connection.execute(self.table.insert(), numbered)
            if is_behind:  # else these rows alone would go with what follows
                driver_of(self.connection).commit()

    def sums(self, row: dict[str, Any]) -> dict[str, str]:
        """Return the checksums of what was run. To read many at once is faster."""
        return {} if row["stamped"] else sums(self.migration.script, row["revision"])

    def rows(self) -> Any:
        """Return what was logged, in order; nothing if the table is not there yet."""
        has_table = self.connection.dialect.has_table  # an Inspector would ask for more
        if not has_table(self.connection, self.table.name, self.table.schema):
            return []
        return self.connection.execute(sa.select(self.table).order_by(self.table.c.id)).all()

    def is_newer(self, current: set[str], heads: set[str]) -> bool:
        """Say whether the database has passed all heads of the code."""
        past = {*current}
        for row in reversed(self.rows()):  # what a revision came from was logged before it
            if row.revision in past:
                past |= {*(row.down_revision or "").split(",")}
        return bool(heads) and heads <= past
