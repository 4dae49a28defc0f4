"""What ``alembic check`` and ``alembic revision`` do here beyond Alembic's own; used by env.py."""

import logging
from collections.abc import Callable, Collection
from itertools import chain
from typing import Any, TypeGuard

from alembic import context
from alembic.command import check
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError, to_list
from sqlalchemy import CheckConstraint, Connection, MetaData, Table, inspect, text
from sqlalchemy.schema import CreateSchema, CreateTable

from . import compare  # noqa: F401 (Alembic compares with its classes from then on)
from .errors import MODELS_DIFFER, fail

logger = logging.getLogger("alembic.env")

# Alembic's own, and check constraints: these are found by their names, which the models have.
PLUGINS = ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"]


def all_but(ignored: Collection[str]) -> Callable[..., bool]:
    """Return an ``include_object`` that leaves tables alone: by name, or of an extension."""

    def include_object(
        item: Any, name: str | None, kind: str, is_reflected: bool, model: object
    ) -> bool:
        is_superfluous = is_reflected and model is None
        if kind == "check_constraint":
            is_unknown = is_superfluous and has_unnamed_check(item.table)
            return not is_unknown and (is_reflected or is_made(item))
        if kind != "table":
            return True
        return name not in ignored and not (is_superfluous and is_of_extension(item))

    return include_object


def has_unnamed_check(found: Table) -> bool:
    """Say whether the model of a table has a check that PostgreSQL or MySQL gave a name to."""
    models = (
        metadata.tables.get(found.fullname)
        for metadata in to_list(context.get_context().opts["target_metadata"])
    )
    return any(
        isinstance(constraint, CheckConstraint) and not isinstance(constraint.name, str)
        for model in models
        if model is not None
        for constraint in chain(model.constraints, *(c.constraints for c in model.columns))
    )


def is_made(check: CheckConstraint) -> bool:
    """Say whether the database gets a check: not if it has a type for an Enum or a Boolean."""
    dialect = context.get_bind().dialect
    name = dialect.identifier_preparer.format_constraint(check)
    return f"CONSTRAINT {name} " in str(CreateTable(check.table).compile(dialect=dialect))


def is_of_extension(table: Table) -> bool:
    """Say whether an extension of PostgreSQL, such as PostGIS, made a table."""
    connection = context.get_bind()
    if connection.dialect.name != "postgresql":
        return False
    name = connection.dialect.identifier_preparer.format_table(table)
    depends = "classid = 'pg_class'::regclass AND objid = to_regclass(:name) AND deptype = 'e'"
    found = text(f"SELECT EXISTS (SELECT FROM pg_depend WHERE {depends})")
    return bool(connection.scalar(found, {"name": name}))


def schemas_of(target: MetaData | Collection[MetaData]) -> Callable[..., bool]:
    """Return an ``include_name`` that looks at the default schema, and at those of the models."""
    schemas = {table.schema for metadata in to_list(target) for table in metadata.tables.values()}

    def include_name(name: str | None, kind: str, _: object) -> bool:
        return kind != "schema" or name is None or name in schemas

    return include_name


def process_revision_directives(
    migration: MigrationContext, revision: Any, directives: list[ops.MigrationScript]
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
    put_in_order(changes[-1])
    put_in_order(directives[0].downgrade_ops_list[-1])
    if migration.connection and migration.dialect.name == "postgresql":
        create_schemas(migration.connection, changes[-1])
    if migration.connection and migration.dialect.name in ("mysql", "mariadb"):
        drop_indexes_of_keys(migration.connection, changes[-1])
    if is_check and not changes[-1].is_empty():
        config.print_stdout("Database %s differs from its models:", name)
        for difference in changes[-1].as_diffs():
            config.print_stdout("  %s", difference)
    if len(changes) < len(databases):
        return  # there are more to come
    is_empty = all(change.is_empty() for change in changes)
    if is_check and not is_empty:
        fail("Models and databases differ: run alembic revision --autogenerate.", MODELS_DIFFER)
    if getattr(config.cmd_opts, "autogenerate", False) and is_empty:
        directives.clear()
        logger.info("No changes in schema detected.")


def put_in_order(changes: ops.OpContainer) -> None:
    """Drop foreign keys and checks first, create them last, and drop tables with their indexes.

    MySQL lets no foreign key be without an index, nor between columns of two types; and there is
    no check of a column that is gone.
    """
    dropped = {
        (change.schema, change.table_name)
        for change in changes.ops
        if isinstance(change, ops.DropTableOp)
    }
    for change in changes.ops:
        if isinstance(change, ops.ModifyTableOps):
            if (change.schema, change.table_name) in dropped:
                change.ops = [step for step in change.ops if not isinstance(step, ops.DropIndexOp)]
            change.ops.sort(key=place)


def place(step: ops.MigrateOperation) -> int:
    """Say where a step belongs: the columns are changed while nothing that needs them is there."""
    if is_dropped(step, "foreignkey") or is_dropped(step, "check"):
        return 0
    return 2 if isinstance(step, ops.CreateForeignKeyOp | ops.CreateCheckConstraintOp) else 1


def is_dropped(step: ops.MigrateOperation, kind: str) -> TypeGuard[ops.DropConstraintOp]:
    return isinstance(step, ops.DropConstraintOp) and step.constraint_type == kind


def drop_indexes_of_keys(connection: Connection, changes: ops.OpContainer) -> None:
    """Drop with a foreign key the index that MySQL has made for it, which would be left."""
    for change in changes.ops:
        if isinstance(change, ops.ModifyTableOps):
            table, schema = change.table_name, change.schema
            steps = [step for step in change.ops if is_dropped(step, "foreignkey")]
            keys = {str(step.constraint_name) for step in steps}
            keys -= {step.index_name for step in change.ops if isinstance(step, ops.DropIndexOp)}
            found = inspect(connection).get_indexes(table, schema) if keys else []
            keys &= {str(index["name"]) for index in found}
            indexes = [ops.DropIndexOp(name, table, schema=schema) for name in sorted(keys)]
            change.ops = sorted([*indexes, *change.ops], key=place)


def create_schemas(connection: Connection, changes: ops.OpContainer) -> None:
    """Create the schemas of new tables; no downgrade drops them: others may use them by then."""
    schemas = {change.schema for change in changes.ops if isinstance(change, ops.CreateTableOp)}
    for schema in sorted(schemas - {None, *inspect(connection).get_schema_names()}, key=str):
        create = CreateSchema(str(schema), if_not_exists=True).compile(dialect=connection.dialect)
        changes.ops.insert(0, ops.ExecuteSQLOp(str(create)))
