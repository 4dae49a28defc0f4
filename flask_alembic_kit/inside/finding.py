"""Finds in a loaded app what its migrations need: the databases, the models, how to import them."""

import ast
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from flask import Flask
from sqlalchemy import MetaData
from sqlalchemy.engine import Engine
from sqlalchemy.orm import scoped_session

from .errors import Refused

# How the engine is got from what apps have, in the order in which it is tried.
WAYS = ("{}.engine", "{}.get_engine()", "{}.manager.engine", "{}.get_bind()")

# The module and the name that something is imported by, None if that is `db`, and an expression for it.
Place = tuple[str | None, str, str]


@dataclass
class Db:
    """What the app gets to its databases by.

    :param thing: an extension, a session, or a module with an engine
    :param place: the module and the name that it is imported by; the name is None for a module
    :param way: how its engine is got, ``{}`` being what is imported
    """

    thing: Any
    place: tuple[str, str | None]
    way: str = WAYS[0]


def database(app: Flask, named: str | None, root: Path) -> Db:
    """Return what the app gets to its databases by: Flask-SQLAlchemy, -Lite, or what is named.

    :param named: ``MODULE:NAME``, for plain SQLAlchemy
    :raises Refused: if there is none, or if it is not known how to import it
    """
    if named:
        module, _, name = named.partition(":")
        try:
            found = getattr(import_module(module), name or "db")
        except (ImportError, AttributeError) as error:
            raise Refused(f"--db {named}: {error}.") from error
        place, way = found_at(found, (module, name or "db"))
        if not way:
            raise Refused(f"--db {named}: it has no engine; name what has, or the engine itself.")
        return Db(found, place, way)
    found = app.extensions.get("sqlalchemy")
    if found is None:
        # Flask-Migrate was told; else there may be just one thing with an engine.
        told = getattr(app.extensions.get("migrate"), "db", None)
        return db_of(told, root) or only_db(root)
    found = getattr(found, "db", found)  # Flask-SQLAlchemy 2 keeps it in a state
    if (where := importable(found, root)) is None:
        raise Refused("Where db is imported from is not known: MODULE:NAME.", "db")
    return Db(found, where)


def db_of(thing: Any, root: Path) -> Db | None:
    """Return how to import a thing and get its engine."""
    place = importable(thing, root)
    where, way = found_at(thing, place) if place else (None, None)
    return Db(thing, where, way) if where and way else None


def only_db(root: Path) -> Db:
    """Return what has the only engine in the modules of the app.

    :raises Refused: if there is none, or more
    """
    names = {
        (module.__name__, name): value
        for module in modules(root)
        for name, value in vars(module).items()
        if isinstance(value, (Engine, scoped_session))
        or any(hasattr(type(value), word) for word in ("engine", "get_engine", "manager"))
    }
    found: dict[int, Db] = {}
    # A session comes before an engine: a factory may replace that.
    for place, thing in sorted(names.items(), key=lambda item: isinstance(item[1], Engine)):
        where, way = found_at(thing, place)
        if way:
            found.setdefault(id(engine_by(thing, way)), Db(thing, where, way))
    if len(found) != 1:
        several = ", ".join(":".join(map(str, db.place)) for db in found.values())
        what = f"Which has the app's engine? {several}" if several else "No engine was found."
        raise Refused(f"{what} Name what has it: MODULE:NAME.", "db")
    return next(iter(found.values()))


def found_at(thing: Any, place: tuple[str, str]) -> tuple[tuple[str, str | None], str | None]:
    """Return how a thing is imported, and how its engine is got; None if it has none.

    An engine is asked of its module: a factory may put another there.
    """
    module, name = place
    if isinstance(thing, Engine):
        return (module, None), f"{{}}.{name}"
    return place, next((way for way in WAYS if engine_by(thing, way)), None)


def engine_by(thing: Any, way: str) -> Engine | None:
    """Return what an expression gives for a thing, if that is an engine."""
    try:
        if isinstance(thing, Engine):
            return thing
        found = eval(way.format("thing"), {"thing": thing})
    except Exception:  # noqa: BLE001 (whatever a property of the app raises)
        return None
    return found if isinstance(found, Engine) else None


def engines(app: Flask, db: Db) -> dict[str, Engine]:
    """Return the engines by the names of their databases; in an app context."""
    several = getattr(db.thing, "engines", None)
    if isinstance(several, Mapping) and db.way == WAYS[0]:
        return {name or "default": engine for name, engine in several.items()}
    engine = engine_by(db.thing, db.way)
    binds = app.config.get("SQLALCHEMY_BINDS") or {}
    is_old = db.way == WAYS[0] and hasattr(db.thing, "get_engine")  # Flask-SQLAlchemy 2
    others = {name: db.thing.get_engine(app, name) for name in binds if is_old}
    return {"default": engine, **others} if engine else others


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


def metadata(app: Flask, db: Db, root: Path) -> list[Place]:
    """Return where the models' metadata is: pairs of module and name, and the expression for it.

    A module of None is ``db`` itself.
    """
    for way in ("metadata", "Model.metadata"):
        own = attribute(db.thing, way)
        if isinstance(own, MetaData) and own.tables:
            return [(None, "", way)]
    there = places(root)
    told = [place for found in told_metadatas(app).values() for place in placed(found, there)]
    return told or [place for target, place in there if target.tables] or [(None, "", "metadata")]


def others(targets: Any, db: Db, root: Path) -> list[Place]:
    """Return where metadata is that an old env.py compares with, beside what ``db`` has itself."""
    own = [attribute(db.thing, way) for way in ("metadata", "Model.metadata")]
    named = targets if isinstance(targets, (list, tuple)) else [targets]
    beside = [each for each in named if not any(each is other for other in own)]
    return placed(beside, [place for place in places(root) if place[0].tables])


def metadatas(
    app: Flask, db: Db, names: Collection[str], root: Path
) -> dict[str, list[Place]] | None:
    """Return the same for each of several databases; nothing if ``db`` knows, None if nobody does.

    Flask-Alembic was told, or the sessions of Flask-SQLAlchemy-Lite were.
    """
    if hasattr(db.thing, "metadatas"):
        return {}
    there, told = places(root), told_metadatas(app)
    if not told and hasattr(db.thing, "sessionmaker") and hasattr(db.thing, "engines"):  # Lite
        engines = {id(engine): name for name, engine in db.thing.engines.items()}
        binds = db.thing.sessionmaker.kw.get("binds") or {}
        owners = {id(base.metadata): engines[id(engine)] for base, engine in binds.items()}
        for target, _ in there:
            told.setdefault(owners.get(id(target), "default"), []).append(target)
    found = {name: placed(targets, there) for name, targets in told.items()}
    return found if all(found.get(name) for name in names) else None


def told_metadatas(app: Flask) -> dict[str, list[MetaData]]:
    """Return what Flask-Alembic was given, by the name of the database."""
    found: Any = getattr(app.extensions.get("alembic"), "metadatas", {})
    return {name: value if isinstance(value, list) else [value] for name, value in found.items()}


def placed(targets: list[MetaData], there: list[tuple[MetaData, Place]]) -> list[Place]:
    return [place for target, place in there if any(target is each for each in targets)]


def places(root: Path) -> list[tuple[MetaData, Place]]:
    """Return each metadata in the modules of the app, with where it is."""
    found: dict[int, tuple[MetaData, Place]] = {}
    models: dict[int, tuple[MetaData, Place]] = {}  # if nothing else leads to it
    for module in modules(root):
        made = assigned(module)
        for name, value in vars(module).items():
            target = attribute(value, "metadata") if isinstance(value, type) else value
            if name not in made or not isinstance(target, MetaData):
                continue
            expression = f"{name}.metadata" if isinstance(value, type) else name
            group = models if hasattr(value, "__table__") else found
            group.setdefault(id(target), (target, (module.__name__, name, expression)))
    return [*{**models, **found}.values()]


def attribute(thing: Any, path: str) -> Any:
    """Return an attribute of an attribute; None if there is none, or it cannot be had."""
    try:
        return reduce(getattr, path.split("."), thing)
    except Exception:  # noqa: BLE001 (whatever a property of the app raises)
        return None
