"""Finds in a loaded app what its migrations need: the databases, the models, how to import them."""

import ast
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from importlib.util import decode_source
from pathlib import Path
from types import ModuleType
from typing import Any

from flask import Flask
from sqlalchemy import MetaData
from sqlalchemy.engine import URL, Engine
from sqlalchemy.orm import scoped_session

from ..layout import TOOLS
from .errors import Refused

# How the engine is got from what apps have, in the order in which it is tried.
WAYS = ("{}.engine", "{}.get_engine()", "{}.manager.engine", "{}.get_bind()")

# What uses SQLAlchemy, in whatever way.
USES = re.compile(rb"(?i)sqlalchemy|sqlmodel")

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
        module, _, expression = named.partition(":")
        name, path = re.fullmatch(r"(\w*)(.*)", expression).groups("")  # type: ignore[union-attr]
        try:
            found = getattr(import_module(module), name or "db")
        except (ImportError, AttributeError) as error:
            raise Refused(f"--db {named}: {error}.") from error
        place, way = found_at(found, (module, name or "db"), path)
        if not way:
            raise Refused(f"--db {named}: it has no engine. Name it, or an object that has one.")
        return Db(found, place, way)
    found = app.extensions.get("sqlalchemy")
    if found is None:
        # Flask-Migrate was told; else there may be just one thing with an engine.
        told = getattr(app.extensions.get("migrate"), "db", None)
        return db_of(told, root) or only_db(root)
    found = getattr(found, "db", found)  # Flask-SQLAlchemy 2 keeps it in a state
    if (where := importable(found, root)) is None:
        raise Refused("From which module can db be imported? Name it as MODULE:NAME.", "db")
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
    found: dict[URL, Db] = {}

    def order(item: tuple[tuple[str, str], Any]) -> tuple[bool, bool]:
        (module, name), thing = item
        # A session comes before an engine: a factory may replace that.
        return isinstance(thing, Engine), name not in assigned(sys.modules[module])

    for place, thing in sorted(names.items(), key=order):
        where, way = found_at(thing, place)
        engine = engine_by(thing, way) if way else None
        if engine is not None:  # several to the same database are as one
            found.setdefault(engine.url, Db(thing, where, str(way)))
    files = [Path(str(module.__file__)) for module in modules(root)]
    if not found and not any(USES.search(file.read_bytes()) for file in files if file.is_file()):
        raise Refused(
            "No module of the app uses SQLAlchemy, so there is nothing that Alembic could migrate."
        )
    if len(found) != 1:
        several = " ".join(shown(db) for db in found.values())
        what = (
            f"Which has the app's engine? {several}"
            if several
            else "No module of the app has an engine, or a session or an object with one. If it makes one for "
            "each request, add one: engine = sqlalchemy.create_engine(...). Its name is MODULE:NAME."
        )
        raise Refused(what, "db")
    return next(iter(found.values()))


def shown(db: Db) -> str:
    """Return what ``--db`` takes for something that has an engine."""
    module, name = db.place
    return f"{module}:{name or db.way.removeprefix('{}.')}"


def found_at(
    thing: Any, place: tuple[str, str], path: str = ""
) -> tuple[tuple[str, str | None], str | None]:
    """Return how a thing is imported, and how its engine is got; None if it has none.

    An engine is asked of its module: a factory may put another there.

    :param path: what leads from the thing to what has the engine, in Python
    """
    module, name = place
    if isinstance(thing, Engine):
        return (module, None), f"{{}}.{name}"
    ways = [way.replace("{}", f"{{}}{path}") for way in (*WAYS, "{}")]
    return place, next((way for way in ways if engine_by(thing, way)), None)


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


def has_db(app: Flask) -> bool:
    """Say whether the app has a command ``db`` which is none of the old tools."""
    found = app.cli.commands.get("db")
    commands = [found, *getattr(found, "commands", {}).values()]
    modules = {getattr(getattr(each, "callback", None), "__module__", "") for each in commands}
    return found is not None and not any(name.startswith(TOOLS) for name in modules)


def package(app: Flask, module: str, root: Path) -> dict[str, str]:
    """Return the outermost package of the app, and the folder that it is imported from.

    :param module: where the app or its factory is, if the app does not know
    :return: ``name``, which is empty for a lone module, ``start``, and the name of a ``folder`` in it
        that hides nothing that the package itself has by that name
    :raises Refused: if the app is not in the root, as one that is installed
    """
    for name in (app.import_name, module):
        found = sys.modules.get(name)
        file = getattr(found, "__file__", None)
        if found is None or not file or not is_in(Path(file).resolve(), root):
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
    if place := getattr(sys.modules.get(module), "__file__", None):
        raise Refused(
            f"The app {module} is in {Path(place).parent}, not in this folder. Run this in the folder with its "
            "source code. Nothing has been changed."
        )
    return {"name": "", "start": str(root), "folder": "migrations"}


def is_in(file: Path, root: Path) -> bool:
    """Say whether a file is in the app's folder, and not in an environment there."""
    return file.is_relative_to(root) and "site-packages" not in file.parts


def modules(root: Path | None) -> Iterator[ModuleType]:
    """Yield the modules of the app that are loaded and can be imported, the shortest name first.

    :param root: None for those of libraries, too
    """
    for name in sorted(sys.modules, key=lambda name: (name.count("."), len(name), name)):
        module = sys.modules[name]
        file = getattr(module, "__file__", None)
        is_named = all(part.isidentifier() for part in name.split("."))
        is_other = name == "__main__" or name.startswith("flask_alembic_kit")
        if file and is_named and not is_other and (root is None or is_in(Path(file), root)):
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
    file = Path(str(module.__file__))
    names: set[str] = set()
    if file.suffix != ".py" or not file.is_file():
        return names
    for node in ast.parse(text_of(file)).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def text_of(file: Path) -> str:
    """Return the text of a module, in the encoding that it says it has."""
    return decode_source(file.read_bytes())


def metadata(
    app: Flask, db: Db, root: Path, compared: Any = None, env: Path | None = None
) -> list[Place]:
    """Return where the models' metadata is: pairs of module and name, and the expression for it.

    A module of None is ``db`` itself.

    :param compared: the ``target_metadata`` of an old env.py, which had to compare nothing if it is None
    :param env: that env.py
    """
    own = {way: attribute(db.thing, way) for way in ("metadata", "Model.metadata")}
    there = places(modules(root))
    named = compared if isinstance(compared, (list, tuple)) else [compared]
    if env and compared is None:
        named = [target for target, _ in there]
    filled = [each for each in named if isinstance(each, MetaData) and each.tables]
    others = [each for each in filled if each not in own.values()]
    known = [*imported_by(env), *there] if env and env.exists() else there
    if {id(each) for each in others} - {id(target) for target, _ in known}:
        known = [*known, *places(modules(None))]
    beside = placed(others, known)
    for way, found in own.items():
        if isinstance(found, MetaData) and found.tables:
            return [*beside, (None, "", way)]
    told = [place for found in told_metadatas(app).values() for place in placed(found, there)]
    guessed = [place for target, place in there if target.tables]
    return beside or told or guessed or [(None, "", "metadata")]


def metadatas(
    app: Flask, db: Db, names: Collection[str], root: Path
) -> dict[str, list[Place]] | None:
    """Return the same for each of several databases; nothing if ``db`` knows, None if nobody does.

    Flask-Alembic was told, or the sessions of Flask-SQLAlchemy-Lite were.
    """
    if hasattr(db.thing, "metadatas"):
        return {}
    there, told = places(modules(root)), told_metadatas(app)
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
    """Return where several metadata are, of all that are known."""
    found = {id(target): place for target, place in reversed(there) if target in targets}
    return [*found.values()][::-1]


def imported_by(env: Path) -> Iterator[tuple[MetaData, Place]]:
    """Yield each metadata that an env.py imports, though not by a model, with how it does."""
    for node in ast.parse(text_of(env)).body:
        if not isinstance(node, ast.ImportFrom):
            continue
        module = None
        with suppress(Exception):  # it has been imported, unless nothing has run env.py yet
            module = import_module(node.module or "")
        for name in [alias.name for alias in node.names]:
            value = getattr(module, name, None)
            target = metadata_of(value)
            if module and target is not None and not hasattr(value, "__table__"):
                yield target, (module.__name__, name, expression_for(name, value))


def places(modules: Iterator[ModuleType]) -> list[tuple[MetaData, Place]]:
    """Return each metadata in modules, with where it is."""
    found: dict[int, tuple[MetaData, Place]] = {}
    models: dict[int, tuple[MetaData, Place]] = {}  # if nothing else leads to it
    for module in modules:
        values = [(name, value, metadata_of(value)) for name, value in [*vars(module).items()]]
        values = [each for each in values if each[2] is not None]
        made = assigned(module) if values else set()
        for name, value, target in values:
            if name in made and target is not None:
                group = models if hasattr(value, "__table__") else found
                place = module.__name__, name, expression_for(name, value)
                group.setdefault(id(target), (target, place))
    return [*{**models, **found}.values()]


def metadata_of(value: object) -> MetaData | None:
    """Return the metadata that a name of a module means: it itself, or that of a class."""
    target = attribute(value, "metadata") if isinstance(value, type) else value
    return target if isinstance(target, MetaData) else None


def expression_for(name: str, value: object) -> str:
    """Return the expression for the metadata that a name means."""
    return f"{name}.metadata" if isinstance(value, type) else name


def attribute(thing: Any, path: str) -> Any:
    """Return an attribute of an attribute; None if there is none, or it cannot be had."""
    try:
        return reduce(getattr, path.split("."), thing)
    except Exception:  # noqa: BLE001 (whatever a property of the app raises)
        return None
