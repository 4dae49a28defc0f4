"""MySQL, and MariaDB: a named lock, limits for other locks, and the indexes of foreign keys."""

import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from secrets import token_hex

from alembic.ddl.mysql import MySQLImpl
from alembic.operations import ops
from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection

from ..session import given_back, run, seconds, wait
from . import Backend
from .indexes import ByName

LONGEST = 31536000  # seconds, the longest limit there is: a year
LIMITS = ("lock_wait_timeout", "innodb_lock_wait_timeout")  # of tables, and of rows
HOLDER = """
    SELECT CONCAT('connection ', id, ' from ', host) FROM information_schema.processlist
    WHERE id = IS_USED_LOCK(:lock)
"""

ROUTINES = """
    SELECT CONCAT('DROP ', routine_type, ' `', routine_name, '`')
    FROM information_schema.routines WHERE routine_schema = DATABASE()
"""


class MySQLBackend(Backend):
    lock_timeout = 1205
    faults = (1290, 1213, 1021, 1114)  # read-only, deadlock, disk full, table full
    invents = True

    @contextmanager
    def guarded(self, connection: Connection, name: str) -> Iterator[None]:
        lock = sha256(f"{connection.engine.url.database} {name}".encode()).hexdigest()
        limit = math.ceil(seconds("MIGRATION_LOCK_TIMEOUT", 10)) or LONGEST
        locked = partial(run, connection, "SELECT GET_LOCK(:lock, 0)", lock=lock)
        wait(locked, name, lambda: run(connection, HOLDER, lock=lock))
        before = {each: run(connection, f"SELECT @@SESSION.{each}") for each in LIMITS}
        try:
            for each in LIMITS:
                run(connection, f"SET SESSION {each} = :limit", limit=limit)
            yield
        finally:
            with given_back(connection):
                for each, value in before.items():
                    run(connection, f"SET SESSION {each} = :limit", limit=value)
                run(connection, "SELECT RELEASE_LOCK(:lock)", lock=lock)

    def leads_to_same(self, one: Connection, other: Connection) -> bool:
        """Ask for a lock that only this server knows; names of servers need not differ."""
        lock = token_hex()
        run(one, "SELECT GET_LOCK(:lock, 0)", lock=lock)
        schemas = {run(each, "SELECT DATABASE()") for each in (one, other)}
        is_known = run(other, "SELECT IS_USED_LOCK(:lock)", lock=lock) is not None
        run(one, "SELECT RELEASE_LOCK(:lock)", lock=lock)
        return is_known and len(schemas) == 1

    def others(self, connection: Connection, schemas: Collection[str | None]) -> list[str]:
        routines = connection.execute(text(ROUTINES)).scalars()
        return [*super().others(connection, schemas), *map(str, routines)]

    def complete(self, connection: Connection, changes: ops.UpgradeOps) -> None:
        """Drop with a foreign key the index that MySQL has made for it, which would be left."""
        modified = [change for change in changes.ops if isinstance(change, ops.ModifyTableOps)]
        steps = [step for change in modified for step in change.ops]
        gone = {step.index_name for step in steps if isinstance(step, ops.DropIndexOp)}
        renames = [step for step in changes.ops if isinstance(step, ops.RenameTableOp)]
        names = {step.table_name: step.new_table_name for step in renames}
        for change in modified:
            table, schema = change.table_name, change.schema
            drops = [step for step in change.ops if isinstance(step, ops.DropConstraintOp)]
            keys = {str(s.constraint_name) for s in drops if s.constraint_type == "foreignkey"}
            found = inspect(connection).get_indexes(table, schema) if keys - gone else []
            keys &= {str(index["name"]) for index in found} - gone
            table = names.get(table, table)
            change.ops += [ops.DropIndexOp(name, table, schema=schema) for name in sorted(keys)]


class MySQL(ByName, MySQLImpl):
    __dialect__ = "mysql"
    index_names = (
        "SELECT index_name FROM information_schema.statistics WHERE table_schema = DATABASE()"
    )
    drop = "DROP TEMPORARY TABLE"  # without the word, MySQL would commit


backend = MySQLBackend()
