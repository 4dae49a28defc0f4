"""Places files. If it is killed at any moment, the next run can go on from what is there."""

import os
import shutil

from click import ClickException

from .plan import Plan

# All files are written here first; a file appears in its place whole or not at all.
FOLDER = ".flask-alembic-kit"


def place(plan: Plan) -> None:
    """Add the files of a plan one by one, the one that makes all of them valid last.

    :raises ClickException: if a file has come there in the meantime
    """
    temporary = plan.root / FOLDER
    shutil.rmtree(temporary, ignore_errors=True)
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
            raise ClickException(f"{path} has appeared in the meantime: nothing is overwritten.")
        os.rename(temporary / path, there)
    shutil.rmtree(temporary, ignore_errors=True)
