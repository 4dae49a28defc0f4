"""Where things are in an app that exists, and where the kit's go."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click import ClickException

OLD = "old_"  # what is in front of the names of files that the new ones take the place of
# Modules of the old tools.
TOOLS = ("flask_migrate", "flask_alembic")
NOT_OWN = {"node_modules", "site-packages", "__pycache__", "build", "dist"}


@dataclass
class Layout:
    """The folders of an app; all paths are relative to the folder of ``alembic.ini``.

    :param target: the folder of the new env.py
    :param module: what it is imported as
    :param paths: what has to be on the import path beside the root
    :param locations: the folders of the revisions, the first for new ones
    """

    root: Path
    target: Path
    module: str
    paths: list[Path]
    locations: list[Path]
    recursive: bool

    def path(self, path: Path) -> str:
        """Return a path as alembic.ini has it, so that it holds on another machine, if it can.

        What is in an installed package is not named by where that is installed.
        """
        for folder in map(Path, sys.path):
            if "site-packages" in folder.parts and path.is_relative_to(folder):
                package, *rest = path.relative_to(folder).parts
                return f"{package}:{'/'.join(rest)}"
        if not path.is_relative_to(self.root) and not self.root.is_relative_to(path):
            return path.as_posix().replace("%", "%%")
        relative = Path(os.path.relpath(path, self.root)).as_posix().replace("%", "%%")
        return "%(here)s" if relative == "." else f"%(here)s/{relative}"


def layout_of(found: dict[str, Any], root: Path, into: str | None) -> Layout:
    """Return where the kit's files go in an app.

    :param found: what the process inside the app has found out
    :param into: the folder that the user wants, instead
    :raises ClickException: if no module can be in that folder
    """
    old = found["old"]
    package = found["package"]
    start = root / package["start"]
    target = root / into if into else start.joinpath(*package["name"].split("."), package["folder"])
    locations = [Path(location) for location in old["locations"]] if old else []
    if target in locations:  # revisions lie where env.py would be taken for one of them
        target = target / "environment"
    module = (
        ".".join(target.relative_to(start).parts) if target.is_relative_to(start) else str(target)
    )
    if not all(part.isidentifier() for part in module.split(".")):
        raise ClickException(f"{module} cannot be imported: name another folder with --into.")
    return Layout(
        root=root,
        target=target,
        module=module,
        paths=[*dict.fromkeys({start, Path(found["app"]["start"])} - {root})],
        locations=locations or [target / "versions"],
        recursive=bool(old and old["recursive"]),
    )


def own_folders(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield the folders of an app, with the names of their files: none that is hidden, installed or built."""
    for place, folders, files in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if name not in NOT_OWN
            and not name.startswith(".")
            and not Path(place, name, "pyvenv.cfg").exists()
        )
        yield Path(place), sorted(files)
