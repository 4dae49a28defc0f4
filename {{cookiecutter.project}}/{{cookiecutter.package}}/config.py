"""The settings: from the environment, and from the file .env beside pyproject.toml."""

import os
from pathlib import Path
from typing import Any

from dotenv import load_dotenv


def from_environment() -> dict[str, Any]:
    """Return the settings; a variable of the environment wins over the same in .env."""
    load_dotenv(Path(__file__).parents[1] / ".env")
    return {
        "SECRET_KEY": os.environ.get("SECRET_KEY") or None,
        # A relative path of SQLite is relative to the instance folder.
        "SQLALCHEMY_DATABASE_URI": os.environ.get("DATABASE_URL") or "sqlite:///default.db",
{%- if cookiecutter.variant == "multidb" %}
        "SQLALCHEMY_BINDS": {"auth": os.environ.get("AUTH_DATABASE_URL") or "sqlite:///auth.db"},
{%- endif %}
    }
