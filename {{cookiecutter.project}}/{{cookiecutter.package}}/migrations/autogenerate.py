"""What ``alembic check`` and ``alembic revision`` do here beyond Alembic's own; used by env.py."""

import logging
from collections.abc import Callable, Collection
from typing import Any

from alembic import context
from alembic.command import check
from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError, to_list

from .errors import MODELS_DIFFER, fail

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

    ``alembic check`` lists what differs in each database.

    Alembic calls this once a database:
    https://alembic.sqlalchemy.org/en/latest/cookbook.html#don-t-generate-empty-migrations-with-autogenerate

    :raises CommandError: if the metadata has no table: every table there is would be dropped
    """
    name = migration.opts.get("database", "default")
    if not any(metadata.tables for metadata in to_list(migration.opts["target_metadata"])):
        where = "{{ cookiecutter.package }}/__init__.py"
        raise CommandError(f"The database {name!r} has no model: import its models in {where}.")

    config = context.config
    is_check = config.cmd_opts is not None and config.cmd_opts.cmd[0] is check
    databases = migration.opts["template_args"].get("databases", ["default"])
    changes = directives[0].upgrade_ops_list
    if is_check and not changes[-1].is_empty():
        config.print_stdout("Database %s differs from its models:", name)
        for difference in changes[-1].as_diffs():
            config.print_stdout("  %s", difference)
    if len(changes) < len(databases):
        return  # there are more to come
    is_empty = all(ops.is_empty() for ops in changes)
    if is_check and not is_empty:
        fail("Models and databases differ: run alembic revision --autogenerate.", MODELS_DIFFER)
    if getattr(config.cmd_opts, "autogenerate", False) and is_empty:
        directives.clear()
        logger.info("No changes in schema detected.")
