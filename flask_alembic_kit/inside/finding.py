"""Finds in a loaded app what its migrations need: the databases, the models, how to import them."""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from flask import Flask
from sqlalchemy import MetaData
from sqlalchemy.engine import Engine

from .errors import Refused


def extension(app: Flask, named: str | None) -> Any:
    """Return what the app gets to its databases by: Flask-SQLAlchemy, -Lite, or what is named.

    :param named: ``MODULE:NAME``, for plain SQLAlchemy
    :raises Refused: if there is none
    """
    if named:
        module, _, name = named.partition(":")
        try:
            __import__(module)
            found = getattr(sys.modules[module], name or "db")
        except (ImportError, AttributeError) as error:
            raise Refused(f"--db {named}: {error}.") from error
        if not isinstance(getattr(found, "engine", None), Engine):
            raise Refused(f"--db {named}: it has no engine; name what has, or the engine itself.")
        return found
    found = app.extensions.get("sqlalchemy")
    if found is None:
        raise Refused(
            "The app has no Flask-SQLAlchemy: name what has its engine, --db MODULE:NAME."
        )
    return getattr(found, "db", found)  # Flask-SQLAlchemy 2 keeps it in a state


def engines(app: Flask, db: Any) -> dict[str, Engine]:
    """Return the engines by the names of their databases; in an app context."""
    if isinstance(db, Engine):
        return {"default": db}
    if isinstance(getattr(db, "engines", None), Mapping):
        return {name or "default": engine for name, engine in db.engines.items()}
    binds = app.config.get("SQLALCHEMY_BINDS") or {}
    others = {name: db.get_engine(app, name) for name in binds if hasattr(db, "get_engine")}
    return {"default": db.engine, **others}


def package(app: Flask, module: str, root: Path) -> dict[str, str]:
    """Return the outermost package of the app, and the folder that it is imported from.

    :param module: where the app or its factory is, if the app does not know
    :return: ``name``, which is empty for a lone module, ``start``, and the name of a ``folder`` in it
        that hides nothing that the package itself has by that name
    """
    for name in (app.import_name, module):
        found = sys.modules.get(name)
        file = getattr(found, "__file__", None)
        if found is None or not file or not Path(file).resolve().is_relative_to(root):
            continue
        package = name if hasattr(found, "__path__") else name.rpartition(".")[0]
        folder = Path(file).resolve().parent
        while "." in package and (folder.parent / "__init__.py").exists():
            package, folder = package.rpartition(".")[0], folder.parent
        start = folder.parents[package.count(".")] if package else folder
        own = getattr(sys.modules.get(package), "migrations", None)
        is_taken = own is not None and not isinstance(own, ModuleType)
        folder_name = "db_migrations" if is_taken else "migrations"
        return {"name": package, "start": str(start), "folder": folder_name}
    return {"name": "", "start": str(root), "folder": "migrations"}


def modules(root: Path) -> Iterator[ModuleType]:
    """Yield the modules of the app that are loaded, the shortest name first."""
    for name in sorted(sys.modules, key=lambda name: (name.count("."), len(name), name)):
        module = sys.modules[name]
        file = getattr(module, "__file__", None)
        if file and name != "__main__" and not name.startswith("flask_alembic_kit"):
            path = Path(file)
            inside = path.is_relative_to(root) and "site-packages" not in path.parts
            if inside:
                yield module


def importable(thing: object, root: Path) -> tuple[str, str] | None:
    """Return the module and the name that an object can be imported by: where it was made, if known."""
    found = [
        (module.__name__, name, name in assigned(module))
        for module in modules(root)
        for name, value in vars(module).items()
        if value is thing and not name.startswith("__")
    ]
    best = sorted(found, key=lambda place: not place[2])
    return best[0][:2] if best else None


def assigned(module: ModuleType) -> set[str]:
    """Return the names that the source of a module assigns or defines at its top level."""
    file = str(module.__file__)
    if not file.endswith(".py"):
        return set()
    names = set()
    for node in ast.parse(Path(file).read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def metadata(db: Any, root: Path) -> list[tuple[str | None, str, str]]:
    """Return where the models' metadata is: pairs of module and name, and the expression for it.

    A module of None is ``db`` itself.
    """
    own = getattr(db, "metadata", None)
    if isinstance(own, MetaData) and own.tables:
        return [(None, "", "metadata")]
    found: dict[int, tuple[str | None, str, str]] = {}
    for module in modules(root):
        made = assigned(module)
        for name, value in vars(module).items():
            target = value if isinstance(value, MetaData) else getattr(value, "metadata", None)
            if name not in made or not isinstance(target, MetaData) or not target.tables:
                continue
            if isinstance(value, MetaData):
                found.setdefault(id(target), (module.__name__, name, name))
            elif isinstance(value, type) and not hasattr(value, "__table__"):
                found.setdefault(id(target), (module.__name__, name, f"{name}.metadata"))
    if not found and isinstance(own, MetaData):
        return [(None, "", "metadata")]
    return [*found.values()]
