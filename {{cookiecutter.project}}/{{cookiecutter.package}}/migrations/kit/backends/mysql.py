"""MySQL, and MariaDB: a named lock, limits for other locks, and the indexes of foreign keys."""

import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from alembic.ddl.mysql import MySQLImpl
from alembic.operations import ops
from alembic.util import CommandError
from sqlalchemy import Column, Integer, Table, text
from sqlalchemy.engine import Connection
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.schema import CreateColumn
from sqlalchemy.sql.elements import ColumnElement, Grouping, TextClause

from ..session import Busy, give_back, listening, run, seconds, to_the_end
from . import Backend
from .indexes import ByName
from .keys import free, make_own_indexes

LONGEST = 31536000  # seconds, the longest limit there is: a year
# How long is waited for tables and for rows, and how long a revision may do nothing.
LIMITS = [f"@@SESSION.{each}_timeout" for each in ("lock_wait", "innodb_lock_wait", "wait")]
SET_LIMITS = "SET " + ", ".join(f"{each} = %d" for each in LIMITS)
# Of MariaDB in seconds, and of MySQL in ms.
TIME_LIMIT = "SET SESSION /*M! max_statement_time = {} */ /*!50708 max_execution_time = {} */"
GET_LOCK = "SELECT GET_LOCK(CONCAT(:lock), 0)"  # no name may be a number
RELEASE_LOCK = "SELECT RELEASE_LOCK(CONCAT(:lock))"
HOLDER = """
    SELECT CONCAT('connection ', id, ' from ', host) FROM information_schema.processlist
    WHERE id = IS_USED_LOCK(:lock)
"""
# The sessions with a transaction; MariaDB does not say which tables they have locked.
BLOCKERS = """
    SELECT GROUP_CONCAT(CONCAT('connection ', id, ' from ', host) SEPARATOR ', ')
    FROM information_schema.innodb_trx JOIN information_schema.processlist ON id = trx_mysql_thread_id
    WHERE db = DATABASE() AND id <> CONNECTION_ID()
"""
ROUTINES = """
    SELECT CONCAT('DROP ', routine_type, ' `', routine_name, '`')
    FROM information_schema.routines WHERE routine_schema = DATABASE()
    UNION SELECT CONCAT('DROP EVENT `', event_name, '`') FROM information_schema.events WHERE event_schema = DATABASE()
    UNION SELECT CONCAT('DROP SEQUENCE `', table_name, '`') FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_type = 'SEQUENCE'"""
# The defaults that are not read, or not whole: bits and expressions.
DEFAULTS = """
    SELECT table_name, column_name, column_default, extra, column_comment
    FROM information_schema.columns WHERE table_schema = DATABASE() AND column_default <> 'NULL'
    AND (data_type = 'bit' OR LOCATE('(', column_default))"""


class MySQLBackend(Backend):
    lock_timeout = 1205
    # Read-only, deadlock, disk full, table full; denied: a table, a database, SUPER; and cancelled.
    faults = (1290, 1792, 1036, 1213, 1021, 1114, 1142, 1044, 1227, 1317, 1969, 3024)
    undoing = ("Deadlock found", "Record has changed since", "exceeds the lock table size")
    committing = r"(?i)\s*(ALTER|CREATE|DROP|RENAME|TRUNCATE)\b"
    # It is copied when the bytes become more than 255. A character has at most 1, 3 or 4, as is usual.
    longer_at_once = ((1, 63), (86, 255), (256, 65535))
    naming = """
        SELECT GROUP_CONCAT(name SEPARATOR ', ') FROM (
            SELECT event_object_schema AS place, trigger_name AS name, action_statement AS body FROM information_schema.triggers
            UNION SELECT routine_schema, routine_name, routine_definition FROM information_schema.routines
            UNION SELECT table_schema, table_name, view_definition FROM information_schema.views
        ) AS found WHERE place = DATABASE() AND body REGEXP CONCAT('(^|[^A-Za-z0-9_])', :word, '([^A-Za-z0-9_]|$)')"""
    where = "SELECT DATABASE()"
    probe = (GET_LOCK, "SELECT IS_USED_LOCK(CONCAT(:lock)) IS NOT NULL", RELEASE_LOCK)
    time_limit = (TIME_LIMIT.format("2", "2000"), TIME_LIMIT.format("DEFAULT", "DEFAULT"))

    @contextmanager
    def guarded(self, connection: Connection, name: str) -> Iterator[None]:
        if not connection.dialect.default_schema_name:
            raise CommandError(f"The URL of database {name!r} names a server, but no database.")
        lock = sha256(f"{connection.engine.url.database} {name}".encode()).hexdigest()
        if not run(connection, GET_LOCK, lock=lock):
            raise Busy(run(connection, HOLDER, lock=lock))
        limit = math.ceil(seconds("MIGRATION_LOCK_TIMEOUT", 10)) or LONGEST
        with connection.begin():
            before = connection.exec_driver_sql(f"SELECT {', '.join(LIMITS)}").one()

        def leave() -> None:
            run(connection, SET_LIMITS % tuple(before))
            run(connection, RELEASE_LOCK, lock=lock)

        try:
            run(connection, SET_LIMITS % (limit, limit, LONGEST))
            with listening(connection, after_cursor_execute=to_the_end):
                yield
        finally:
            give_back(connection, leave)

    def holders(self, connection: Connection, statement: str) -> str:
        return connection.exec_driver_sql(BLOCKERS).scalar() or ""

    def others(self, connection: Connection, schemas: Collection[str | None]) -> list[str]:
        return [*super().others(connection, schemas), *connection.execute(text(ROUTINES)).scalars()]

    def complete(self, connection: Connection, changes: ops.UpgradeOps, _: Collection[str]) -> None:
        make_own_indexes(connection, changes)

    def finish(self, connection: Connection, way: ops.OpContainer) -> None:
        free(connection, way, needs_own=True)


class MySQL(ByName, MySQLImpl):
    __dialect__ = "mysql"
    index_names = """
        SELECT index_name FROM information_schema.statistics
        WHERE table_schema = DATABASE() AND table_name = %s"""
    drop = "DROP TEMPORARY TABLE"  # without the word, MySQL would commit

    def autogen_column_reflect(self, inspector: Inspector, table: Table, column_info: Any) -> None:
        """Add a default that SQLAlchemy does not read: a changed column would lose it."""
        super().autogen_column_reflect(inspector, table, column_info)  # type: ignore[no-untyped-call]
        if self.inspector is not inspector:  # all are read at once
            self.inspector, rows = inspector, self.connection.exec_driver_sql(DEFAULTS)
            self.defaults = {(name, column): more for name, column, *more in rows}
        default, extra, comment = self.defaults.get((table.name, column_info["name"]), [""] * 3)
        if not table.schema and default and is_unread(column_info):
            sql = default.replace("\\'", "'") if "GENERATED" in extra else default  # of MySQL
            column_info |= {"default": sql, "comment": comment or None}

    def columns(self, inspector: Inspector, name: str) -> list[Any]:
        found = super().columns(inspector, name)
        rows = self.connection.exec_driver_sql(f"SHOW COLUMNS FROM {name}")
        for column, row in zip(found, rows, strict=True):
            column["default"] = row[4] if is_unread(column) else column["default"]
        return found

    def alter_column(self, *arguments: Any, **options: Any) -> None:
        """Put a default in parentheses where SQLAlchemy does in CREATE TABLE: MySQL wants them."""
        for name in ("server_default", "existing_server_default"):
            default = options.get(name)
            if isinstance(default, ColumnElement | TextClause):
                made = CreateColumn(Column("c", Integer, server_default=default))
                if " DEFAULT (" in str(made.compile(dialect=self.dialect)):
                    options[name] = Grouping(default)
        super().alter_column(*arguments, **options)


def is_unread(column: Any) -> bool:
    """Say whether the default is not read, or only up to its first space; then no comment is read."""
    default = column["default"] or "("
    return not default.startswith("'") and default.count("(") != default.count(")")


backend = MySQLBackend()
