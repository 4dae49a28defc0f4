"""The lock beside an SQLite file, and its foreign keys; used by backends/sqlite.py."""

import os
import sqlite3
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from alembic.util import CommandError

from ..session import Busy


def lock_beside(file: str) -> sqlite3.Connection:
    """Take the lock of a file, or raise Busy. When the process ends, the system frees the lock."""
    if not os.access(file, os.W_OK):  # in memory; and who cannot write it changes nothing
        return sqlite3.connect(":memory:")
    path, lock = Path(f"{file}-migrating"), None
    try:
        lock = sqlite3.connect(path, timeout=0)
        stat = Path(file).stat()
        with suppress(OSError, AttributeError):  # not ours to change; Windows
            path.chmod(stat.st_mode & 0o777)
            os.chown(path, stat.st_uid, stat.st_gid)
        if not os.access(path, os.W_OK):  # SQLite would say that all is well
            raise PermissionError("give it the owner and the mode of the database")
        lock.execute("PRAGMA page_size=512")  # of which it reserves some in memory
        lock.execute("BEGIN EXCLUSIVE")
    except (OSError, sqlite3.Error) as error:
        if lock:
            lock.close()
        if "locked" in str(error):
            raise Busy from error
        problem = f"The lock file {path} cannot be written"
        raise CommandError(f"{problem}: {error}.") from error
    return lock


def check_foreign_keys(driver: Any, file: str, name: str) -> None:
    """Refuse rows whose parent does not exist, unless there were as many before."""
    check = "PRAGMA foreign_key_check"
    try:
        broken = driver.execute(check).fetchall()
    except Exception as error:  # of whichever driver
        if "foreign key mismatch" not in str(error):
            raise
        problem = f"is rolled back: {error}, whose columns are neither its primary key nor unique"
        raise CommandError(f"Database {name!r} {problem}.") from error
    before, unknown = [], ""
    if broken and file:  # another connection still sees what was there before
        read_only = f"{Path(file).as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(read_only, timeout=1, uri=True)) as other:
                before = other.execute(check).fetchall()
        except sqlite3.Error as error:
            unknown = f" (or do already: {error})"
    # Not row by row: batch mode may number the rows of a table anew.
    more = Counter((row[0], row[2]) for row in broken)
    more -= Counter((row[0], row[2]) for row in before)
    if more:
        rows = sorted({row for row in broken if (row[0], row[2]) in more} - {*before}, key=str)
        shown = ", ".join(f"{table} {row} -> {parent}" for table, row, parent, _ in rows[:5])
        lost = f"{more.total()} rows would refer to rows that are not there{unknown}: {shown}."
        raise CommandError(f"Database {name!r} is rolled back: {lost}")
