"""The lock beside an SQLite file, which backends/sqlite.py takes."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from alembic.util import CommandError

from .session import Busy


def lock_beside(file: str) -> sqlite3.Connection:
    """Return a connection to a file whose lock the system takes back from a process that ends."""
    path = Path(f"{file}-migrating")
    try:
        lock = sqlite3.connect(path if file else ":memory:", timeout=0)
        if file:
            stat = Path(file).stat()
            with suppress(OSError, AttributeError):  # not ours to change; Windows
                path.chmod(stat.st_mode & 0o777)
                os.chown(path, stat.st_uid, stat.st_gid)
    except (OSError, sqlite3.OperationalError) as error:
        raise CommandError(f"{path} cannot be written: {error}.") from error
    if file and not os.access(path, os.W_OK):  # SQLite would say that all is well
        lock.close()
        advice = "give it the owner and the mode of the database"
        raise CommandError(f"{path} cannot be written, and would lock out nobody: {advice}.")
    return lock


def begin_exclusive(lock: sqlite3.Connection) -> None:
    """Take the lock.

    :raises Busy: if somebody else has it
    """
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        raise Busy from error
