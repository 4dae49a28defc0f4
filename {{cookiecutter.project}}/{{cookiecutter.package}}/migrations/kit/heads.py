"""Says what to type where there are two heads, or where two were joined."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from alembic.util import CommandError, to_tuple


@contextmanager
def heads_explained() -> Iterator[None]:
    """Say what to type where there are two heads."""
    try:
        yield
    except CommandError as error:
        if str(error).startswith("Multiple head"):
            heads = " and ".join(sorted(context.script.get_heads()))
            error.args = (f'There are two heads, {heads}: run alembic merge heads -m "join".',)
        raise


def two_ways() -> str:
    """Return the two ways down from where the database is."""
    current = [*map(context.script.get_revision, context.get_context().get_current_heads())]
    below = {way for each in current if each for way in to_tuple(each.down_revision, ())}
    ways = " or ".join(f"alembic downgrade {way}" for way in sorted(below))
    return f"Two ways lead down from where heads were joined: {ways}."
