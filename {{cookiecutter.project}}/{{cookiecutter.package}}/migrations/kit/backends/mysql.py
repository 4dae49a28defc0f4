"""MySQL, and MariaDB: a named lock, limits for other locks, and the indexes of foreign keys."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from alembic.ddl.mysql import MySQLImpl
from alembic.operations import ops
from sqlalchemy import inspect
from sqlalchemy.engine import Connection

from ..indexes import ByName
from ..order import is_dropped
from ..session import given_back, run, seconds, wait
from . import Backend

LONGEST = 31536000  # seconds, the longest limit there is: a year


class MySQLBackend(Backend):
    lock_timeout = 1205
    read_only = 1290
    invents = True

    @contextmanager
    def guarded(self, connection: Connection, name: str) -> Iterator[None]:
        lock = sha256(f"{connection.engine.url.database} {name}".encode()).hexdigest()
        wait(lambda: run(connection, "SELECT GET_LOCK(:lock, 0)", lock=lock), name)
        before = run(connection, "SELECT @@SESSION.lock_wait_timeout")
        try:
            limit = math.ceil(seconds("MIGRATION_LOCK_TIMEOUT", 10)) or LONGEST
            run(connection, "SET SESSION lock_wait_timeout = :limit", limit=limit)
            yield
        finally:
            with given_back(connection):
                run(connection, "SET SESSION lock_wait_timeout = :limit", limit=before)
                run(connection, "SELECT RELEASE_LOCK(:lock)", lock=lock)

    def complete(self, connection: Connection, changes: ops.UpgradeOps) -> None:
        """Drop with a foreign key the index that MySQL has made for it, which would be left."""
        modified = [change for change in changes.ops if isinstance(change, ops.ModifyTableOps)]
        steps = [step for change in modified for step in change.ops]
        gone = {step.index_name for step in steps if isinstance(step, ops.DropIndexOp)}
        renames = [step for step in changes.ops if isinstance(step, ops.RenameTableOp)]
        names = {step.table_name: step.new_table_name for step in renames}
        for change in modified:
            table, schema = change.table_name, change.schema
            keys = {str(s.constraint_name) for s in change.ops if is_dropped(s, "foreignkey")}
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
