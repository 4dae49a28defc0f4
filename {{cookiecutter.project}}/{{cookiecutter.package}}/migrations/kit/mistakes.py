"""Says in one line what is wrong before a database is migrated: with a URL, a file, or the revisions."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from alembic.util import CommandError, to_tuple
from sqlalchemy.exc import ArgumentError, NoSuchModuleError


@contextmanager
def mistakes() -> Iterator[None]:
    """Say what is wrong, without showing a URL: it has a password.

    :raises CommandError: instead of an error that would be a traceback
    """
    try:
        yield
    except Exception as error:
        if not (line := in_one_line(error)):
            raise
        raise CommandError(line) from error


def in_one_line(error: Exception) -> str | None:
    """Return what a user has to know of an error; None if it is none of a user's."""
    walked = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    module, function = walked[-1].f_globals["__name__"], walked[-1].f_code.co_name
    if module == "sqlalchemy.engine.url":
        advice = "see DATABASE_URL; in a password, '@' is %40, '/' is %2F and '%' is %25"
        return f"The URL of a database cannot be parsed: {advice}."
    if isinstance(error, ArgumentError) and function == "create_connect_args":
        return "A path in the URL of a database begins with a slash of its own: sqlite:///shop.db."
    if isinstance(error, ValueError) and any(
        f.f_code.co_name == "create_connect_args" for f in walked
    ):
        return f"The URL of a database has an option with a wrong value: {error}."
    if isinstance(error, NoSuchModuleError):
        return f"The URL of a database has an unknown kind: {error}."
    if isinstance(error, ImportError) and function == "import_dbapi":
        problem = f"The driver of a database is not installed: {error}"
        return f"{problem}: install it, or name another in its URL."
    if isinstance(error, UnicodeDecodeError):
        files = [getattr(frame.f_locals.get("self"), "dotenv_path", None) for frame in walked]
        return next((f"{file} is not UTF-8: save it as that." for file in files if file), None)
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}: {error.msg}."
    if any(frame.f_globals["__name__"] == "logging.config" for frame in walked):
        return f"The logging in alembic.ini cannot be set up: {error}."
    if isinstance(error, KeyError) and module == "alembic.script.revision":
        return f"The revision {error} is named as one that another follows, and is not there."
    if isinstance(error, AttributeError) and module == "alembic.runtime.migration":
        return f"A revision lacks a function: {error}."
    if isinstance(error, CommandError) and str(error).startswith("Multiple head"):
        heads = " and ".join(sorted(context.script.get_heads()))
        return f'There are two heads, {heads}: run alembic merge heads -m "join".'
    return None


def two_ways() -> str:
    """Return the two ways down from where the database is."""
    current = [*map(context.script.get_revision, context.get_context().get_current_heads())]
    below = {way for each in current if each for way in to_tuple(each.down_revision, ())}
    ways = " or ".join(f"alembic downgrade {way}" for way in sorted(below))
    return f"Two heads were joined here, so there are two ways down: {ways}."
