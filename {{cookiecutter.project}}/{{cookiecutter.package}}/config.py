{% import cookiecutter.database ~ '/urls.jinja' as urls with context -%}
"""The settings: from the environment, and from the file .env beside pyproject.toml."""

import os
from pathlib import Path
from typing import Any

from dotenv import load_dotenv

# Where the databases are if the environment does not say. SQLite: in the instance folder.
DEFAULTS = {
    "DATABASE_URL": "{{ urls.default }}",
{%- if cookiecutter.variant == "multidb" %}
    "AUTH_DATABASE_URL": "{{ urls.auth }}",
{%- endif %}
}
# The drivers for URLs that name none, such as those that many hosts hand out.
DRIVERS = {
    "mariadb": "mariadb+pymysql",
    "mysql": "mysql+pymysql",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
}


def from_environment() -> dict[str, Any]:
    """Return the settings; a variable of the environment wins over the same in .env."""
    load_dotenv(Path(__file__).parents[1] / ".env")
    return {
        "SECRET_KEY": os.environ.get("SECRET_KEY") or None,
        "SQLALCHEMY_DATABASE_URI": database_url("DATABASE_URL"),
{%- if cookiecutter.variant == "multidb" %}
        "SQLALCHEMY_BINDS": {"auth": database_url("AUTH_DATABASE_URL")},
{%- endif %}
    }


def database_url(variable: str) -> str:
    """Return the URL in a variable of the environment, or its default."""
    return with_driver(os.environ.get(variable, "").strip() or DEFAULTS[variable])


def with_driver(url: str) -> str:
    """Return a URL with the driver that is installed, where it names none."""
    kind, separator, rest = url.partition("://")
    return DRIVERS.get(kind, kind) + separator + rest
