"""What Alembic migrates, and how: this file is yours to edit.

Alembic runs it for every command that needs the models or the database.
https://alembic.sqlalchemy.org/en/latest/api/runtime.html
"""

from typing import Any

from alembic import context
from flask import current_app
from sqlalchemy.engine import Dialect

{{ cookiecutter.__imports }}
from {{ cookiecutter.__migrations }}.kit import environment as kit

# What autogenerate compares the database with: one MetaData or a list of several.
target_metadata = {{ cookiecutter.__metadata }}
# Tables that belong to somebody else: autogenerate leaves them alone.
IGNORED_TABLES: set[str] = set(){{ cookiecutter.__definitions }}


def options(dialect: Dialect) -> dict[str, Any]:
    """Return what is passed to ``context.configure()``; the last one wins."""
    return {
        **kit.options(dialect),
        "target_metadata": target_metadata,
        "include_schemas": True,
        "include_name": kit.schemas_of(target_metadata),
        "include_object": kit.all_but(IGNORED_TABLES{{ cookiecutter.__include_object }}),
        "compare_server_default": {{ cookiecutter.__server_default }},{{ cookiecutter.__options }}
        **current_app.config.get("ALEMBIC_CONTEXT", {}),
    }


def run_migrations_offline() -> None:
    """Write the SQL (``--sql``) without connecting."""
    context.configure(
        url={{ cookiecutter.__engine }}.url,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        **options({{ cookiecutter.__engine }}.dialect),
    )
    with context.begin_transaction():
        kit.run_migrations()


def run_migrations_online() -> None:
    """Migrate through the app's own engine."""
    with kit.guarded({{ cookiecutter.__engine }}) as connection:
        context.configure(connection=connection, **options(connection.dialect))
        kit.show_progress()
        with context.begin_transaction():
            kit.run_migrations()


with kit.app_context({{ cookiecutter.__app }}):
    if context.is_offline_mode():
        run_migrations_offline()
    else:
        kit.retry(run_migrations_online)
