"""Refuses to drop tables whose models were not imported."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from alembic.operations import ops
from alembic.util import CommandError
from flask import current_app

from ..backends.steps import name_of, of_kind
from .ask import given, is_check, logger

# What the app may import; its tests may have models of their own.
IS_MODULE = re.compile(r"(?!tests?$|test_|conftest$)[^\W\d]\w*")
# A model, or a table without one.
DEFINES = re.compile(r"(?m)^\s+__tablename__\b|^class \w+\([^)]*\bModel\b|\bTable\(\s*[\"']")


def refuse(changes: ops.UpgradeOps, models: int) -> None:
    """Refuse a revision while a module with models is not imported, or if it drops most tables.

    :param models: how many tables the models have
    """
    for module in sorted({*modules_with_models()} - given("without").keys()):
        problem = f"{module} defines models, but is not imported when the app is created"
        if not is_check():
            raise CommandError(f"{problem}: import it, or give -x without={module}.")
        logger.warning("%s.", problem)
    dropped = sorted(map(name_of, of_kind(ops.DropTableOp, changes)))
    is_most = len(dropped) > max(models - len(of_kind(ops.CreateTableOp, changes)), 1)
    if is_most and not is_check() and "most" not in given("drop"):
        lost = f"Most tables would be dropped: {', '.join(dropped)}"
        raise CommandError(f"{lost}. Does the app import all models? To drop them: -x drop=most.")


def modules_with_models() -> Iterator[str]:
    """Yield the names of modules of the app's package that look like models, but are not imported."""
    if not hasattr(sys.modules.get(current_app.import_name), "__path__"):
        return  # the app is a single module
    root, migrations = Path(current_app.root_path), Path(__file__).parents[2]
    for found, folders, files in os.walk(root):
        folder = Path(found)
        folders[:] = [f for f in folders if IS_MODULE.fullmatch(f) and folder / f != migrations]
        for path in [folder / file for file in files if file.endswith(".py")]:
            parts = path.relative_to(root).with_suffix("").parts
            module = ".".join([current_app.import_name, *parts]).removesuffix(".__init__")
            if IS_MODULE.fullmatch(path.stem) and module not in sys.modules:
                text = path.read_text("utf-8", "replace")
                if DEFINES.search(text) and "\ndown_revision" not in text:  # no old revision
                    yield module
