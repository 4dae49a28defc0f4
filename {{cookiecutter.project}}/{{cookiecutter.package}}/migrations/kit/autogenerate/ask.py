"""The answers that autogenerate needs: from a person at the terminal, or else from ``-x``."""

import logging
import sys
from traceback import walk_stack

from alembic import context
from alembic.command import check
from alembic.util import CommandError

from ..errors import running_command
from ..outcome import option

logger = logging.getLogger("alembic.env")
Hints = dict[str, dict[str, str]]  # by what is dropped: what it may be now, and the option for that


def given(name: str) -> dict[str, str]:
    """Return what ``-x NAME=KEY:VALUE`` says, by key."""
    prefix = f"{name}="
    said = getattr(context.config.cmd_opts, "x", None) or []  # of a script, maybe without
    return dict(x.removeprefix(prefix).partition(":")[::2] for x in said if x.startswith(prefix))


def told(name: str, key: str) -> str | None:
    """Return the key by which ``-x`` names something, with or without its database, or None."""
    return next((k for k in (f"{option('database')}/{key}", key) if k in given(name)), None)


def answer(name: str, key: str) -> str | None:
    """Return what ``-x`` says of something, and note that this answer is used."""
    if (found := told(name, key)) is None:
        return None
    context.config.attributes.setdefault("used answers", set()).add((name, found))
    return given(name)[found]


def refuse_unused() -> None:
    """Refuse an answer to a question that was not asked, of any database: it is misspelled."""
    for name in ("rename", "fill"):
        for key, value in given(name).items():
            if (name, key) not in context.config.attributes.get("used answers", ()):
                raise CommandError(f"-x {name}={key}:{value} matches no change: check the names.")


def is_check() -> bool:
    """Say whether ``check`` runs, also from Python: it asks nothing and writes nothing."""
    return any(frame.f_code is check.__code__ for frame, _ in walk_stack(None))


def can_ask() -> bool:
    """Say whether a person can answer: never if Python calls Alembic."""
    is_asked = running_command() is not None and not is_check()
    return is_asked and sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def ask(question: str) -> str:
    try:
        database = option("database")
        return input(f"{f'Database {database}: ' if database else ''}{question} ").strip()
    except (EOFError, KeyboardInterrupt):
        raise CommandError("No answer: nothing is written.") from None


def is_renamed(old: str, new: str, hints: Hints, is_like: bool = True) -> bool:
    """Say whether a person or ``-x`` says that one name has become the other.

    :param is_like: whether to ask; ``-x`` also renames what has changed in other ways
    """
    if key := told("rename", old):
        is_meant = given("rename")[key] in (new, new.rpartition(".")[2])
        return is_meant and answer("rename", old) is not None
    if is_like and can_ask():
        return ask(f"Was {old} renamed to {new}? [y/N]").lower() in ("y", "yes")
    if is_like:
        hints.setdefault(old, {})[new] = f"-x rename={old}:{new.rpartition('.')[2]}"
    return False
