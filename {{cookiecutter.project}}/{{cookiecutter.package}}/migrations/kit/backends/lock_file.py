"""The lock beside an SQLite file, which backends/sqlite.py takes."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

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
        raise CommandError(f"The lock file {path} cannot be written: {error}.") from error
    return lock
