"""The file of SQLite: the lock beside it, and whether it stays the same; for backends/sqlite.py."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
        problem = f"The lock file {path} cannot be written"
        raise CommandError(f"{problem}: {error}.") from error
    return lock


def identity(file: str) -> tuple[int, int] | None:
    """Return by what the system knows a file, under any name; None if there is none."""
    with suppress(OSError):
        found = os.stat(file)
        return found.st_dev, found.st_ino
    return None


@contextmanager
def unmoved(file: str, name: str) -> Iterator[None]:
    """Fail if the file was deleted or replaced meanwhile: what was done is in the old one only."""
    before = identity(file)
    yield
    if identity(file) != before:
        problem = f"The file of database {name!r} was deleted or replaced while it was migrated"
        raise CommandError(f"{problem}: nothing was done in {file}. Run this again.")
