"""The lock beside an SQLite file, which backends/sqlite.py takes."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from alembic.util import CommandError

from ..session import Busy


def lock_beside(file: str) -> sqlite3.Connection:
    """Take the lock of a file, or raise Busy. When the process ends, the system frees the lock."""
    path, lock = Path(f"{file}-migrating"), None
    try:
        lock = sqlite3.connect(path if file else ":memory:", timeout=0)
        if file:
            stat = Path(file).stat()
            with suppress(OSError, AttributeError):  # not ours to change; Windows
                path.chmod(stat.st_mode & 0o777)
                os.chown(path, stat.st_uid, stat.st_gid)
        if file and not os.access(path, os.W_OK):  # SQLite would say that all is well
            advice = "give it the owner and the mode of the database"
            both = "the database cannot be, either"
            raise PermissionError(advice if os.access(file, os.W_OK) else both)
        lock.execute("BEGIN EXCLUSIVE")
    except (OSError, sqlite3.Error) as error:
        if lock:
            lock.close()
        if "locked" in str(error):
            raise Busy from error
        problem = f"The lock file {path} cannot be written"
        raise CommandError(f"{problem}: {error}.") from error
    return lock
