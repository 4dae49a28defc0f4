"""The databases of a run: those of the app, which of them are the same, or what a caller gives.

A caller of Alembic gives ``config.attributes["connection"]``: a connection, an engine or a dict of
these by name, as in Alembic's cookbook. Tools for tests set the option ``sqlalchemy.url``.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cache, partial
from keyword import iskeyword
from typing import Any

from alembic import context
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from .answer import answered
from .backends import backend_of

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
    """Return, for each chosen name, the first name of the same database; connect to no other one."""
    found: dict[str, str] = {}
    place = cache(partial(asked, "place"))  # each once
    for name in chosen:
        before = list(engines)[: list(engines).index(name)]
        near = (each for each in before if place(engines[each]) == place(engines[name]))
        same = (each for each in near if asked("is_same", engines[each], engines[name]))
        found[name] = next(same, name)
    return found


def asked(what: str, *engines: Engine) -> object:
    """Return the ``place`` of a database, or whether two are the same; by URL if they cannot be asked."""
    with suppress(SQLAlchemyError, OSError), answered():
        if not context.is_offline_mode():
            return getattr(backend_of(engines[0].dialect), what)(*engines)
    urls = {engine.url for engine in engines}
    return urls.pop() if len(urls) == 1 else None


def given(name: str) -> Given | None:
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
    """Return an engine for a ``sqlalchemy.url`` that a caller has set, as tools for tests do.

    One that stands in ``alembic.ini`` is not read: the app knows its databases.
    """
    option = (config.config_ini_section, "sqlalchemy.url")
    url = config.file_config.get(*option, raw=True, fallback=None)
    if url is None:
        return None
    if url == Config(config.config_file_name).file_config.get(*option, raw=True, fallback=None):
        return None
    return create_engine(config.file_config.get(*option), poolclass=NullPool)
