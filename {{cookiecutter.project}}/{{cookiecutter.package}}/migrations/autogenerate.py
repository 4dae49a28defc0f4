"""What ``alembic check`` and ``alembic revision`` do here beyond Alembic's own; used by env.py."""

import logging
from collections.abc import Callable, Collection
from typing import Any

from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError, to_list

logger = logging.getLogger("alembic.env")


def all_but(ignored: Collection[str]) -> Callable[..., bool]:
    """Return an ``include_object`` that leaves tables alone by name."""

    def include_object(item: object, name: str | None, kind: str, *_: object) -> bool:
        return not (kind == "table" and name in ignored)

    return include_object


def process_revision_directives(
    migration: MigrationContext, revision: Any, directives: list[MigrationScript]
) -> None:
    """Refuse to compare with models that nobody imported, and write no empty revision.

    Alembic calls this once a database:
    https://alembic.sqlalchemy.org/en/latest/cookbook.html#don-t-generate-empty-migrations-with-autogenerate

    :raises CommandError: if the metadata has no table: every table there is would be dropped
    """
    if not any(metadata.tables for metadata in to_list(migration.opts["target_metadata"])):
        name = migration.opts.get("database", "default")
        where = "{{ cookiecutter.package }}/__init__.py"
        raise CommandError(f"The database {name!r} has no model: import its models in {where}.")

    databases = migration.opts["template_args"].get("databases", ["default"])
    changes = directives[0].upgrade_ops_list
    is_last = len(changes) == len(databases)
    is_check = not getattr(migration.config and migration.config.cmd_opts, "autogenerate", False)
    if is_last and not is_check and all(ops.is_empty() for ops in changes):
        directives.clear()
        logger.info("No changes in schema detected.")
