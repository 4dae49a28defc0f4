"""SQLite: a lock beside the file, transactions, and foreign keys.

Python's driver begins no transaction before DDL, so that a revision that fails half-way stays half
applied; and SQLite changes a table by dropping it, which takes with it what refers to it.
"""

import math
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from types import MappingProxyType
from typing import Any

from alembic.ddl.sqlite import SQLiteImpl
from alembic.util import CommandError
from sqlalchemy.engine import Connection, Engine

from ..session import driver_of, give_back, listening, seconds
from . import Backend
from .batch import NAMING, Kept
from .sqlite_file import check_foreign_keys, identity, lock_beside, unmoved

# KiB of changes kept in memory, if negative. With more, SQLite writes to the file before the commit,
# and from then on nobody can read it, neither the app nor the check of what was there before.
MEMORY = -(2**17)
PRAGMAS = ("busy_timeout", "cache_spill", "foreign_keys")


class SQLiteBackend(Backend):
    options = MappingProxyType({"render_as_batch": True})  # its ALTER TABLE can do little
    is_one_transaction = True
    lock_timeout = "database is locked"
    naming = NAMING
    unsure = ("disk I/O error",)
    faults = ("attempt to write a readonly database", "database or disk is full", *unsure)

    @contextmanager
    def guarded(self, connection: Connection, name: str) -> Iterator[None]:
        """Hold a lock beside the file, begin each transaction, and check the foreign keys."""
        driver = driver_of(connection)
        state: Any = connection.connection.driver_connection  # aiosqlite's own, which knows more
        autocommit = getattr(driver, "autocommit", None)  # since Python 3.12
        checked, cursor = 0, driver.cursor()  # the execute() of aiosqlite is another

        def ask(pragma: str) -> Any:
            cursor.execute(f"PRAGMA {pragma}")
            return cursor.fetchall()

        before, state.text_factory = state.text_factory, os.fsdecode  # a path need not be UTF-8
        file, state.text_factory = ask("database_list")[0][2], before
        found = [ask(pragma)[0][0] for pragma in PRAGMAS]

        def is_autocommit() -> bool:
            return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"

        def begin(_: Connection) -> None:
            nonlocal checked
            if not is_autocommit():
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                checked = state.total_changes

        def begin_once(*arguments: Any) -> tuple[str, Any]:
            # An app that follows SQLAlchemy's advice for SQLite has a listener that begins too.
            statement, parameters = arguments[2:4]
            is_second = statement.startswith("BEGIN") and (state.in_transaction or is_autocommit())
            return "SELECT 1" if is_second else statement, parameters

        def check(_: Connection) -> None:
            nonlocal checked
            if found[-1] and checked != state.total_changes:
                checked = state.total_changes
                check_foreign_keys(cursor, file, name)

        def leave() -> None:
            for pragma, value in zip(PRAGMAS, found, strict=True):
                ask(f"{pragma}={value}")
            if autocommit is not None:
                driver.autocommit = autocommit

        # SQLite's own lock is given up between two revisions, for example by autocommit_block().
        with (
            unmoved(file, name),
            closing(lock_beside(file)),
            listening(connection, begin=begin, commit=check),
            listening(connection, retval=True, before_cursor_execute=begin_once),
        ):
            connection.info["check"] = check
            try:
                if autocommit is not None:
                    driver.autocommit = -1  # sqlite3.LEGACY_TRANSACTION_CONTROL: begin() begins
                    driver.rollback()
                longest = math.ceil(seconds("MIGRATION_LOCK_TIMEOUT", 10) * 1000) or 2**31 - 1
                for pragma, value in zip(PRAGMAS, (longest, MEMORY, "OFF"), strict=True):
                    ask(f"{pragma}={value}")
                yield
            finally:
                give_back(connection, leave)

    def is_of_extension(self, connection: Connection, table: Any) -> bool:
        rows = connection.exec_driver_sql("PRAGMA table_list")  # since SQLite 3.37
        return (table.name, "shadow") in [row[1:3] for row in rows]  # of a virtual table

    def place(self, engine: Engine) -> object:
        """Return the file, without connecting: that would make it."""
        name = (engine.url.database or "").removeprefix("file:")
        is_file = name not in ("", ":memory:")
        return (identity(name) or os.path.realpath(name)) if is_file else engine.url

    def guard_transaction(self, connection: Connection, name: str) -> None:
        if connection.exec_driver_sql("PRAGMA foreign_keys").scalar():
            problem = "enforces foreign keys, which a transaction cannot switch off"
            raise CommandError(f"Database {name!r} {problem}: give a connection without one.")

    def prepare(self, connection: Connection) -> None:
        connection.info["check"](connection)


class SQLite(Kept, SQLiteImpl):
    __dialect__ = "sqlite"
    transactional_ddl = True  # by begin() above


backend = SQLiteBackend()
