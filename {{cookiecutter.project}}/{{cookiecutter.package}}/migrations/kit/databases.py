"""The databases of a run: those of the app, which of them are the same, or what a caller gives.

A caller of Alembic gives ``config.attributes["connection"]``: a connection, an engine or a dict of
these by name, as in Alembic's cookbook. Tools for tests set the option ``sqlalchemy.url``.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cache
from keyword import iskeyword
from typing import Any

from alembic import context
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from .backends import backend_of
from .signals import answered

Given = Engine | Connection


def all_databases(db: Any) -> dict[str, Engine]:
    """Return the engines of Flask-SQLAlchemy, or the like, by name, the default one first."""
    engines = {name or "default": engine for name, engine in db.engines.items()}
    for name in engines:
        if not name.isidentifier() or iskeyword(name):
            advice = "use letters, digits and '_', a letter first, as for a function"
            raise CommandError(f"A database cannot have the name {name!r}: {advice}.")
    models = {name or "default" for name in getattr(db, "metadatas", engines)}  # Lite has none
    if lost := sorted(models - {*engines} - {"default"}):
        raise CommandError(f"The database {lost[0]!r} has models, but no URL: add one.")
    if lost := sorted({*engines} - models - {"default"}):
        raise CommandError(f"The database {lost[0]!r} has no model: add one, or correct its name.")
    return dict(sorted(engines.items(), key=lambda item: item[0] != "default"))


def hosts(engines: dict[str, Engine], chosen: Collection[str]) -> dict[str, str]:
    """Return, for each chosen name, the first name of the same database."""
    if context.is_offline_mode():
        first = {engine.url: name for name, engine in reversed(engines.items())}
        return {name: first[engines[name].url] for name in chosen}
    found, names, place = {}, [*engines], cache(place_of)  # each is asked once
    for name in chosen:
        before = names[: names.index(name)]
        near = (each for each in before if place(engines[each]) == place(engines[name]))
        found[name] = next((each for each in near if is_same(engines[each], engines[name])), name)
    return found


def place_of(engine: Engine) -> object:
    """Return what is the same for all engines of a database; the URL if it cannot be asked."""
    with suppress(SQLAlchemyError, OSError), answered():
        return backend_of(engine.dialect).place(engine)
    return engine.url


def is_same(one: Engine, other: Engine) -> bool:
    """Say whether two engines lead to one database."""
    with suppress(SQLAlchemyError, OSError), answered():
        return backend_of(one.dialect).is_same(one, other)
    return one.url == other.url


def of_caller(name: str) -> Given | None:
    found: Given | Mapping[str, Given] | None = context.config.attributes.get("connection")
    if found is None and (found := engine_of_caller(context.config)) is None:
        return None
    if isinstance(found, Mapping):
        found = found.get(name)
    elif name != "default" and {*context.get_x_argument()} != {f"database={name}"}:
        found = None
    if found is None:
        raise CommandError(
            f"The connection or the URL that was given is not for {name!r}: give a dict by name as "
            "attributes['connection'], or migrate only some databases with -x database=NAME."
        )
    return found


def engine_of_caller(config: Config) -> Engine | None:
    """Return an engine for a ``sqlalchemy.url`` that a caller has set, not that of ``alembic.ini``."""
    option = (config.config_ini_section, "sqlalchemy.url")
    url = config.file_config.get(*option, raw=True, fallback=None)
    ini = Config(config.config_file_name)
    if url is None or url == ini.file_config.get(*option, raw=True, fallback=None):
        return None
    return create_engine(config.file_config.get(*option), poolclass=NullPool)
