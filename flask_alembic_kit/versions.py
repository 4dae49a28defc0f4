"""The lowest versions that ``migrations/kit/`` works with, as a test shows with each of them."""

import re
from importlib.metadata import PackageNotFoundError, version

from click import ClickException

LOWEST = {"alembic": "1.11", "flask": "2.1", "sqlalchemy": "1.4"}


def check() -> None:
    """Refuse an environment with a package that is too old.

    :raises ClickException: naming it
    """
    for name, lowest in LOWEST.items():
        try:
            found = version(name)
        except PackageNotFoundError as error:
            raise ClickException(
                f"{name} is not installed. Run this in the environment of the app. If {name} is not in it, add it: "
                f"uv add {name}, or pip install {name} and a line in requirements.txt."
            ) from error
        if numbers(found) < numbers(lowest):
            raise ClickException(
                f"{name} {found} is too old for the migrations, which need {lowest} or newer. "
                "Nothing has been changed."
            )


def numbers(text: str) -> tuple[int, ...]:
    """Return the first two numbers of a version."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])
