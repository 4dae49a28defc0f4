"""Places files. If it is killed at any moment, the next run can go on from what is there."""

import os
import shutil
import sys
from pathlib import Path

from click import ClickException

from .plan import Plan

# All files are written here first; a file appears in its place whole or not at all.
FOLDER = ".flask-alembic-kit"


def alone(root: Path) -> None:
    """Lock a folder until this process ends, so that no two commands write there; not on Windows.

    :raises ClickException: if another command runs there
    """
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(os.open(root, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        problem = f"Another flask-alembic-kit runs in {root}"
        raise ClickException(f"{problem}. Wait for it, then run this again.") from error
    except OSError:  # a file system without such locks
        pass


def place(plan: Plan) -> None:
    """Add the files of a plan one by one, the one that makes all of them valid last.

    :raises ClickException: if a file has come there in the meantime, or cannot be written
    """
    temporary = plan.root / FOLDER
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        for path, text in plan.add.items():
            file = temporary / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
        for path in plan.add:
            there = plan.root / path
            there.parent.mkdir(parents=True, exist_ok=True)
            if path in plan.rename:
                there.rename(plan.root / plan.rename[path])
            if there.exists():
                raise ClickException(f"{path} has appeared meanwhile: nothing is overwritten.")
            os.rename(temporary / path, there)
    except OSError as error:
        raise ClickException(f"{error}. Mend that, and run this again.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replace(file: Path, text: str) -> None:
    """Give a file another text: if it is killed at any moment, the file has the one or the other.

    :raises ClickException: if it cannot be written
    """
    temporary = file.with_name(f".{file.name}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ClickException(f"{error}. {file.name} has not been changed.") from error
