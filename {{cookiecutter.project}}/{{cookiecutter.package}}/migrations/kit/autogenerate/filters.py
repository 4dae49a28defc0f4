"""What is compared with the models, and what is left alone; used by env.py."""

from collections.abc import Callable, Collection
from contextlib import suppress
from importlib import import_module
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext
from alembic.util import to_list
from sqlalchemy import MetaData, inspect

from ..backends import backend_of
from ..backends.constraints import has_unknown_check, is_known, is_made, table_of, without_table
from ..log import log_table
from .ask import is_check, logger, told

Filter = Callable[..., bool]
# Alembic's own, and check constraints: these are found by their names, which the models have.
PLUGINS = ["alembic.autogenerate.*"]
with suppress(ImportError):  # before Alembic 1.19.2, checks are not compared
    PLUGINS.append(import_module("alembic.ext.checkconstraint_byname").__name__)


def all_but(ignored: Collection[str], theirs: Filter = lambda *_: True) -> Filter:
    """Return an ``include_object`` that ignores tables: by name, or those of an extension.

    :param theirs: an ``include_object`` of the app, which ignores more
    """

    def include_object(item: Any, name: str, kind: str, is_reflected: bool, model: Any) -> bool:
        if not theirs(item, name, kind, is_reflected, model):
            return False
        is_superfluous = is_reflected and model is None
        if kind == "check_constraint":
            if is_reflected:
                return not (is_superfluous and has_unknown_check(table_of(item)))
            item.sqltext = without_table(item.sqltext)  # or Alembic adds a copy to the models
            return is_known(item) and is_made(item)
        if kind != "table" or name in ignored:
            return kind != "table"
        bind = context.get_bind()
        if getattr(item, "is_view", False):  # of SQLAlchemy 2.1: Alembic would make it a table
            if not inspect(bind).has_table(name, schema=item.schema):
                logger.warning("There is no view %s: create it with op.execute().", name)
            return False
        if model is not None and not is_check():
            key, old = ({column.name for column in each.primary_key} for each in (item, model))
            if key != old and not any(told("rename", f"{item}.{each}") for each in old - key):
                logger.warning("Primary key of %s differs: rename it, or change it by hand.", name)
        return not (is_superfluous and backend_of(bind.dialect).is_of_extension(bind, item))

    return include_object


def leave_own_alone(migration: MigrationContext) -> None:
    """Ignore the kit's tables, as Alembic ignores its own, whatever env.py says."""
    own = log_table(migration.version_table).name, "alembic_lock"
    theirs = migration.opts.get("include_object", lambda *_: True)
    migration.opts["include_object"] = lambda item, name, kind, *more: (
        (kind != "table" or name not in own) and theirs(item, name, kind, *more)
    )


def schemas_of(target: MetaData | Collection[MetaData] | None) -> Filter:
    """Return an ``include_name`` for the default schema and those of the models, and no other."""
    schemas = {t.schema for each in to_list(target, []) for t in each.tables.values()}

    def include_name(name: str | None, kind: str, _: object) -> bool:
        return kind != "schema" or name is None or name in schemas

    return include_name
