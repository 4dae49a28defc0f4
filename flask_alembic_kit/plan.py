"""What is to be done: files to add, files that keep another name, and what is left to a human."""

import ast
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .layout import OLD, Layout


@dataclass
class Plan:
    """The plan for an app.

    :param add: the text of each file to add, by its path from the root; the last makes it valid
    :param rename: files of the app that the new ones take the place of
    :param collisions: files of the app that are in the way
    """

    root: Path
    add: dict[str, str] = field(default_factory=dict)
    rename: dict[str, str] = field(default_factory=dict)
    collisions: list[str] = field(default_factory=list)


def plan_for(files: dict[str, str], found: dict[str, Any], layout: Layout) -> Plan:
    """Return what of the files is to be added, and what is in their way."""
    plan = Plan(layout.root)
    old = found["old"]
    replaced = replaceable(old, layout)
    for path in [*(path for path in files if path != "alembic.ini"), "alembic.ini"]:
        there = layout.root / path
        kept = there.with_name(OLD + there.name)
        is_own = there == layout.target / "__init__.py" and has_code(there)  # it stays
        if not os.path.lexists(there):
            plan.add[path] = files[path]
        elif there.is_file() and (is_own or same(there, files[path])):
            continue
        elif there in replaced and not kept.exists():
            plan.rename[path] = kept.relative_to(layout.root).as_posix()
            plan.add[path] = files[path]
        else:
            plan.collisions.append(path)
    # A file where a folder has to be; and a module beside it, for one of the two would hide the other.
    folders = sorted({parent for path in files for parent in (layout.root / path).parents})
    taken = [folder for folder in folders if os.path.lexists(folder) and not folder.is_dir()]
    taken += [module for module in [layout.target.with_suffix(".py")] if module.exists()]
    plan.collisions += [path.relative_to(layout.root).as_posix() for path in taken]
    return plan


def same(file: Path, text: str) -> bool:
    """Say whether a file has this text."""
    return file.read_text(encoding="utf-8", errors="replace") == text


def has_code(file: Path) -> bool:
    """Say whether a module does anything; one without code only makes a folder a package."""
    if not file.is_file():
        return False
    return any(not isinstance(node, ast.Expr) for node in ast.parse(file.read_bytes()).body)


def replaceable(old: dict[str, Any] | None, layout: Layout) -> set[Path]:
    """Return the files of the old tool that keep another name if they are in the way."""
    # Of Flask-Alembic without a revision, a script.py.mako is there.
    folder = Path(old["folder"]) if old else layout.target
    names = ("env.py", "script.py.mako") if old else ("script.py.mako",)
    # Apps that have changed their tool, or have two, may have one that theirs does not read.
    own = {layout.root / "alembic.ini", layout.target / "__init__.py"}
    return own | {folder / name for name in names}
