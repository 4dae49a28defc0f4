"""What ``alembic check`` and ``alembic revision`` do here in addition to Alembic."""

import sys
from importlib import import_module
from typing import Any

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from flask import current_app
from sqlalchemy.schema import CreateTable

from ..backends import backend_of
from ..backends.constraints import tables
from ..backends.steps import Comment, name_of
from ..errors import MODELS_DIFFER, fail, running_command
from .ask import given, is_check, logger, refuse_unused
from .describe import described
from .fill import fill
from .filters import PLUGINS
from .losses import warn_of_losses
from .mend import mend_checks, mend_columns, mend_names
from .missing import refuse
from .order import put_in_order
from .rename import rename


def process_revision_directives(
    migration: MigrationContext, revision: Any, directives: list[ops.MigrationScript]
) -> None:
    """Put what was found in order, let ``alembic check`` list it, and write no empty revision.

    Alembic calls this once a database.
    https://alembic.sqlalchemy.org/en/latest/cookbook.html#don-t-generate-empty-migrations-with-autogenerate

    :raises CommandError: if there is no model: every table would be dropped
    """
    if not directives:
        return  # a hook of the caller has decided
    config, arguments = context.config, migration.opts["revision_context"].command_args
    is_checked = is_check()
    if not is_checked and arguments["head"] in (None, "head"):
        context.script.get_current_head()  # fails if there are several
    if not arguments["autogenerate"]:
        return
    name = migration.opts.get("database", "default")
    connection: Any = migration.connection  # to compare with
    changes = directives[0].upgrade_ops_list
    if not (models := tables()):  # there may be views and functions, by alembic_utils
        where = f"import its models where the app {current_app.import_name!r} is made"
        if ops.DropTableOp in map(type, changes[-1].ops):
            raise CommandError(f"The database {name!r} has no model: {where}.")
        logger.warning("The database %r has no model: %s.", name, where)
    changed = {name_of(step) for step in changes[-1].ops}
    for table in [table for table in models if table.fullname in changed]:
        CreateTable(table).compile(dialect=migration.dialect)  # fails without a type or a name
    backend, back = backend_of(migration.dialect), directives[0].downgrade_ops_list[-1]
    hints = {} if is_checked else rename(changes[-1], AutogenContext(migration), backend)
    backend.complete(connection, changes[-1], given("fill").values())
    mend_columns(changes[-1], migration.dialect)
    back.ops = [s.reverse() for s in changes[-1].ops[::-1] if type(s) is not ops.ExecuteSQLOp]
    mend_checks(changes[-1])
    mend_names(back)
    refuse(changes[-1], len(models))
    if not is_checked:
        fill(changes[-1], connection)
        now = {"migration_context": migration, "dialect": migration.dialect}
        now["opts"] = {**migration.opts}  # Alembic writes all databases with those of the last
        for way in (changes[-1], back):
            backend.finish(connection, way)
            put_in_order(way, migration.dialect)
            way.ops[:0] = [Comment("", **now)] if way.ops else []
        warn_of_losses(changes[-1], connection, hints)
    elif running_command() and not changes[-1].is_empty():
        config.print_stdout("Database %s differs from its models:", name)
        for line in described(changes[-1], migration.dialect):
            config.print_stdout("  %s", line)
    if len(changes) < len(migration.opts["template_args"].get("databases", ["default"])):
        return  # there are more to come
    is_empty = all(change.is_empty() for change in changes)
    if is_checked:
        if running_command() and not is_empty:  # Python gets Alembic's error, with the data
            fail("Models and databases differ: run alembic revision --autogenerate.", MODELS_DIFFER)
        return
    refuse_unused()
    if is_empty:
        directives.clear()
        logger.info("No changes in schema detected.")
        return
    if "geoalchemy2" in sys.modules:  # unless told so, it makes an index itself, too
        import_module("geoalchemy2.alembic_helpers").writer(migration, revision, directives)
        directives[0].imports.add("import geoalchemy2.alembic_helpers")
    if len(PLUGINS) == 1:
        logger.warning("Checks are not compared before Alembic 1.19.2: change them by hand.")
