"""The names of several databases: which are valid, and which mean the same one; used by env.py."""

from collections.abc import Collection
from contextlib import suppress
from keyword import iskeyword
from typing import Any

from alembic import context
from alembic.util import CommandError
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from .answer import answered
from .backends import backend_of


def all_databases(db: Any) -> dict[str, Engine]:
    """Return the engines of Flask-SQLAlchemy, or the like, by name, the default one first.

    :raises CommandError: if a name cannot be part of a function's, or has no models or no URL
    """
    engines = {name or "default": engine for name, engine in db.engines.items()}
    for name in engines:
        if not name.isidentifier() or iskeyword(name):
            advice = "use letters, digits and '_', a letter first, as for a function"
            raise CommandError(f"A database cannot have the name {name!r}: {advice}.")
    models = {name or "default" for name in getattr(db, "metadatas", engines)}  # Lite has none
    if lost := sorted(models - {*engines} - {"default"}):
        raise CommandError(f"The database {lost[0]!r} has models, but no URL: add one.")
    if lost := sorted({*engines} - models - {"default"}):
        raise CommandError(
            f"No model is for the database {lost[0]!r}: add one, or correct the name."
        )
    return dict(sorted(engines.items(), key=lambda item: item[0] != "default"))


def hosts(engines: dict[str, Engine], chosen: Collection[str]) -> dict[str, str]:
    """Return, for each chosen name, the first name of the same database; connect to no other one."""
    found: dict[str, str] = {}
    for name in chosen:
        before = list(engines)[: list(engines).index(name)]
        found[name] = next((each for each in before if is_same(engines[each], engines[name])), name)
    return found


def is_same(one: Engine, other: Engine) -> bool:
    """Say whether two URLs lead to one database; False if one of them cannot be reached."""
    if one.dialect.name != other.dialect.name:
        return False
    if one.url == other.url or context.is_offline_mode():
        return one.url == other.url
    with suppress(SQLAlchemyError, OSError), answered():
        return backend_of(one.dialect).is_same(one, other)
    return False
