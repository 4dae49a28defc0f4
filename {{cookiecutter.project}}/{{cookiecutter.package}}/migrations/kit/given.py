"""What a caller of Alembic wants to be migrated in place of the app's databases.

It is ``config.attributes["connection"]``, a connection, an engine or a dict of these by name, as in
Alembic's cookbook, or else the option ``sqlalchemy.url``, as tools for tests set it.
"""

from collections.abc import Mapping

from alembic import context
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

Given = Engine | Connection


def given(name: str) -> Given | None:
    """Return what the caller of Alembic wants to be migrated in place of the app's database."""
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
    file = Config(config.config_file_name).file_config
    if url == file.get(*option, raw=True, fallback=None):
        return None
    return create_engine(config.file_config.get(*option), poolclass=NullPool)
