"""What autogenerate and ``alembic check`` make of models that use all a database has."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import servers
from kit import ROOT, Project
from sqlalchemy import URL

MODELS = Path(__file__).with_name("models")

# The types of the models without their arguments, as a Python program that prints them.
TYPES = """
from {package} import create_app
from {package}.db import db
tables = db.metadata.tables.values()
print(*{{repr(column.type).split("(")[0] for table in tables for column in table.columns}})
"""


def use(project: Project, models: str) -> None:
    """Give a project the models of a file in tests/models, beside its own."""
    shutil.copy(MODELS / f"{models}.py", project.folder / project.package / "wide.py")
    with (project.folder / project.package / "models.py").open("a", encoding="utf-8") as file:
        file.write("\nfrom . import wide as wide\n")


@contextmanager
def on_server(dialect: str, project: Project) -> Iterator[URL]:
    """Let a project use a new database on a server."""
    with servers.database(dialect) as url:
        with (project.folder / ".env").open("a", encoding="utf-8") as env:
            env.write(f"DATABASE_URL={servers.at(url)['DATABASE_URL']}\n")
        yield url


def count_types(project: Project) -> int:
    return len(project.python("-c", TYPES.format(package=project.package)).stdout.split())


def go_up_and_down(project: Project) -> None:
    """Migrate, back by one revision, and forth; compare each time."""
    project.alembic("upgrade", "head")
    project.alembic("check")
    project.alembic("downgrade", "-1")
    project.alembic("upgrade", "head")
    project.alembic("check")


def change(project: Project, *edits: tuple[str, str]) -> str:
    """Change the wide models, and run what Alembic writes for that up, down and up."""
    for old, new in edits:
        project.edit("wide.py", old, new)
    revision = project.new_revision("--autogenerate", "-m", "change")
    go_up_and_down(project)
    return revision


@pytest.mark.parametrize(
    "new", ["HSTORE()", "String(200))\n    more: Mapped[str] = mapped_column(HSTORE()"]
)
def test_a_type_that_the_database_lacks_is_a_line(generic: Project, new: str) -> None:
    """Of a column that changes, and of one that is added: its revision would fail."""
    generic.alembic("upgrade", "head")
    generic.edit(
        "models.py",
        "from datetime",
        "from sqlalchemy.dialects.postgresql import HSTORE\nfrom datetime",
    )
    generic.edit("models.py", "String(200)", new)
    for arguments in (("check",), ("revision", "--autogenerate", "-m", "more")):
        (line,) = generic.alembic(*arguments, status=None).stdout.splitlines()
        assert line.startswith("FAILED: The models do not fit this database: "), line
        assert line.endswith("can't render element of type HSTORE."), line


@pytest.mark.parametrize("model", ["class Flag(Model):\n    __tablename__ = 'posts_flags'", ""])
def test_a_check_that_needs_a_name_is_a_line(generic: Project, model: str) -> None:
    """The naming convention of a project wants one: of a table that is new, and of one that is there."""
    generic.alembic("upgrade", "head")
    models = generic.folder / generic.package / "models.py"
    key = "    id: Mapped[int] = mapped_column(primary_key=True)\n" if model else ""
    column = "    on: Mapped[bool] = mapped_column(sqlalchemy.Boolean(create_constraint=True))\n"
    text = f"import sqlalchemy\n{models.read_text(encoding='utf-8')}"
    models.write_text(f"{text}\n\n{model}\n{key}{column}", encoding="utf-8")
    for arguments in (("check",), ("revision", "--autogenerate", "-m", "more")):
        done = generic.alembic(*arguments, status=None)
        assert done.stdout.startswith("FAILED: A check of posts"), done.stderr


NAMED = """

class Thing(Model):
    __tablename__ = "things"
    __table_args__ = {"schema": "public"}
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
"""


def test_models_that_name_the_usual_schema(generic: Project) -> None:
    with on_server("postgresql", generic):
        generic.edit("models.py", "\n\nclass Post", f"{NAMED}\n\nclass Post")
        generic.alembic("upgrade", "head")
        generic.new_revision("--autogenerate", "-m", "things")
        generic.alembic("upgrade", "head")
        generic.edit("models.py", "    name: Mapped[str]\n\n", "    name: Mapped[str | None]\n\n")
        assert "nullable=True" in generic.new_revision("--autogenerate", "-m", "name")
        go_up_and_down(generic)


def test_sqlite(generic: Project) -> None:
    use(generic, "sqlite")
    generic.alembic("upgrade", "head")
    assert "lower(country)" in generic.new_revision("--autogenerate", "-m", "wide")
    go_up_and_down(generic)
    assert count_types(generic) >= 25

    # Constraints have names, so batch mode can drop them, and make them again.
    before = generic.schema()
    revision = change(
        generic,
        ('UniqueConstraint("string", "small")', 'UniqueConstraint("string", "big")'),
        ('ondelete="SET NULL"', 'ondelete="RESTRICT"'),
        ("mapped_column(sa.REAL)", "mapped_column(sa.Text)"),
        ('server_default="abc"', 'server_default="it\'s"'),
    )
    assert "drop_constraint(batch_op.f('uq_wide_string_small'), type_='unique')" in revision
    after = generic.schema()
    assert "CONSTRAINT uq_wide_string_big UNIQUE" in after["wide"]
    assert "CONSTRAINT ck_wide_small_is_positive CHECK (small > 0)" in after["wide"]
    assert "real TEXT" in after["wide"]
    assert "DEFAULT 'it''s'" in after["wide"]
    assert "ON DELETE RESTRICT" in after["visits"]
    generic.alembic("downgrade", "-1")
    assert "CONSTRAINT uq_wide_string_small UNIQUE" in generic.schema()["wide"]
    assert generic.schema().keys() == before.keys()
    assert generic.schema()["ix_places_lower"] == before["ix_places_lower"]


def test_check_without_a_name_is_kept_without_a_warning(generic: Project) -> None:
    """Alembic says that batch mode omits it, which is not true here; nor where warnings are errors."""
    check = "CHECK (doors > 0 AND 'old' <> '')"
    table = f'op.execute("CREATE TABLE cars (doors INTEGER, old INTEGER, {check})")'
    generic.add_revision(table)
    batch = """with op.batch_alter_table('cars', recreate='always') as batch_op:
        batch_op.alter_column('doors', new_column_name='old_doors')
        batch_op.drop_column('old')"""
    generic.add_revision(batch)
    errors = ("-W", "error:Unnamed CHECK", "-m", "alembic", "upgrade", "head")
    assert "Unnamed" not in generic.python(*errors).stderr
    assert "CHECK (old_doors > 0 AND 'old' <> '')" in generic.schema()["cars"]
    # One that a revision says itself takes its place, and is not made twice.
    said = """
        op.add_column("cars", sa.Column("new", sa.Boolean))
        with op.batch_alter_table("cars", recreate="always", table_args=[sa.CheckConstraint("1")]):
            pass
        old = sa.Table("cars", sa.MetaData(), sa.Column("new", sa.Boolean(create_constraint=True)))
        with op.batch_alter_table("cars", recreate="always", copy_from=old) as batch_op:
            batch_op.add_column(sa.Column("doors", sa.Integer))"""
    generic.add_revision(said)
    generic.alembic("upgrade", "head")
    assert generic.schema()["cars"].count("CHECK") == 1


@pytest.mark.slow
def test_mysql(generic: Project) -> None:
    use(generic, "mysql")
    with on_server("mysql", generic):
        generic.alembic("upgrade", "head")
        revision = generic.new_revision("--autogenerate", "-m", "wide")
        assert "alter_column" not in revision
        go_up_and_down(generic)
        assert count_types(generic) >= 25

        revision = change(
            generic,
            ("mysql.DATETIME(fsp=3)", "mysql.DATETIME(fsp=6)"),
            ('mysql.VARCHAR(40, charset="latin1")', 'mysql.VARCHAR(40, charset="utf8mb4")'),
            ('mysql.ENUM("low", "it\'s high")', 'mysql.ENUM("low", "it\'s high", "higher")'),
            ("mysql.INTEGER(unsigned=True)", "mysql.INTEGER"),
            ('sa.text("(json_array())")', 'sa.text("(json_object())")'),
        )
        assert revision.count("op.alter_column(") == 2 * 5

        # A foreign key goes before the index that MySQL wants it to have.
        generic.edit(
            "wide.py", 'sa.ForeignKey("wide.id", ondelete="RESTRICT"), index=True', "sa.Integer"
        )
        revision = change(generic)
        upgrade = revision.partition("def downgrade")[0]
        assert upgrade.index("drop_constraint") < upgrade.index("drop_index")


@pytest.mark.slow
def test_postgresql(generic: Project, tmp_path: Path) -> None:
    use(generic, "postgresql")
    with on_server("postgresql", generic) as url:
        for extension in ("btree_gist", "citext", "hstore"):
            servers.query(url, f"CREATE EXTENSION {extension}")
        servers.query(url, "CREATE SCHEMA theirs")
        servers.query(url, "CREATE TABLE theirs.wide (id int)")
        servers.query(url, 'CREATE TABLE "Of an extension" (id int)')
        servers.query(url, 'ALTER EXTENSION plpgsql ADD TABLE "Of an extension"')

        generic.alembic("upgrade", "head")
        missing = tmp_path / "alembic_postgresql_enum.py"
        missing.write_text("raise ImportError", encoding="utf-8")
        done = generic.alembic("check", status=4, env={"PYTHONPATH": str(tmp_path)})
        assert "install alembic-postgresql-enum" in done.stderr
        revision = generic.new_revision("--autogenerate", "-m", "wide")
        assert "op.execute('CREATE SCHEMA IF NOT EXISTS audit')" in revision
        assert "theirs" not in revision and "extension" not in revision
        go_up_and_down(generic)
        assert count_types(generic) >= 25
        generic.alembic("downgrade", "base")
        generic.alembic("upgrade", "head")
        generic.alembic("check")

        change(
            generic,
            ("    GREEN = 2\n", "    GREEN = 2\n    BLUE = 3\n"),
            ("TIMESTAMP(timezone=True, precision=3)", "TIMESTAMP(timezone=True, precision=6)"),
            ("server_default=sa.text(\"'[]'::jsonb\")", "server_default=sa.text(\"'[1]'::jsonb\")"),
            ('sa.UniqueConstraint("wide_id", "enum")', 'sa.UniqueConstraint("enum", "wide_id")'),
        )
        colors = "SELECT unnest(enum_range(NULL::color))::text"
        assert servers.query(url, colors) == ["RED", "GREEN", "BLUE"]
        generic.alembic("downgrade", "-1")
        assert servers.query(url, colors) == ["RED", "GREEN"]
        generic.alembic("upgrade", "head")
        servers.query(url, "CREATE TABLE audit.superfluous (id int)")
        assert "superfluous" in generic.alembic("check", status=4).stdout


@pytest.mark.parametrize("dialect", ["postgresql", "mysql"])
def test_new_column_is_added_before_its_foreign_key(dialect: str, generic: Project) -> None:
    with on_server(dialect, generic):
        generic.alembic("upgrade", "head")
        column = 'follows_id: Mapped[int | None] = mapped_column(ForeignKey("posts.id"))'
        generic.add_column("Post", column)
        generic.new_revision("--autogenerate", "-m", "follows")
        go_up_and_down(generic)


@pytest.mark.parametrize("dialect", ["postgresql", "mysql"])
def test_nothing_is_left_of_a_foreign_key_that_is_dropped(dialect: str, generic: Project) -> None:
    """MySQL makes an index for a key, and keeps it."""
    with on_server(dialect, generic):
        key = 'follows_id: Mapped[int | None] = mapped_column(ForeignKey("posts.id"))'
        generic.add_column("Post", key)
        generic.alembic("upgrade", "head")
        generic.new_revision("--autogenerate", "-m", "key")
        generic.alembic("upgrade", "head")
        generic.edit("models.py", key, "follows_id: Mapped[int | None]")
        generic.new_revision("--autogenerate", "-m", "no key")
        go_up_and_down(generic)


NEW_CHECK = """        CheckConstraint("new IN (1, 2)", name="new"),
        CheckConstraint("""


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql"])
def test_checks(dialect: str, generic: Project) -> None:
    use(generic, "checks")
    with on_server(dialect, generic) if dialect != "sqlite" else nullcontext():
        generic.alembic("upgrade", "head")
        generic.new_revision("--autogenerate", "-m", "things")
        go_up_and_down(generic)
        name_check = """        CheckConstraint("name <> 'it''s: a'", name="name"),\n"""
        for edits in (
            [("size > 0", "size >= 0 AND size < 100")],  # the condition
            [('"a", "b"', '"a", "c"')],  # the values
            [('name="size_is_positive"', 'name="size_is_right"')],  # the name
            [("    name: Mapped[str] = mapped_column(String(20))\n", ""), (name_check, "")],
            [
                ("    kind:", "    new: Mapped[int]\n    kind:"),
                ("        CheckConstraint(", NEW_CHECK),
            ],
        ):
            assert "create_check_constraint" in change(generic, *edits)


def test_check_that_the_server_gave_a_name_to(generic: Project) -> None:
    """Nobody drops it for the name that the models do not have."""
    use(generic, "checks")
    generic.edit("db.py", '            "ck": "ck_%(table_name)s_%(constraint_name)s",\n', "")
    generic.edit("wide.py", ', name="size_is_positive"', "")
    with on_server("postgresql", generic) as url:
        generic.alembic("upgrade", "head")
        generic.new_revision("--autogenerate", "-m", "things")
        go_up_and_down(generic)
        with servers.connect(url) as connection:
            (named,) = connection.exec_driver_sql(
                "SELECT count(*) FROM pg_constraint WHERE conname = 'things_size_check'"
            ).one()
        assert named == 1


def test_include_object_of_ones_own_leaves_the_log_alone(generic: Project) -> None:
    generic.set_config("ALEMBIC_CONTEXT", '{"include_object": lambda *_: True}')
    generic.alembic("upgrade", "head")
    generic.alembic("check")


REWRITER = """
from alembic.autogenerate.rewriter import Rewriter
from alembic.operations import ops

writer = Rewriter()


@writer.rewrites(ops.DropTableOp)
def add_if_exists(_, __, op):
    op.if_exists = True
    return op


"""


def with_rewriter(project: Project, writer: str) -> None:
    """Edit env.py as the documentation says."""
    text = (ROOT / "docs" / "autogenerate.md").read_text(encoding="utf-8")
    hook = text.partition("```python\ndef process_revision")[2].partition("```")[0]
    option = text.partition('Add `"process_revision')[2].partition("`")[0]
    new = f"{writer}\n\ndef process_revision{hook}\n\ndef options("
    project.edit("migrations/env.py", "def options(", new)
    last = '"compare_server_default": True,'
    project.edit("migrations/env.py", last, f'{last}\n        "process_revision{option},')


def test_rewriter_as_the_documentation_has_it(generic: Project) -> None:
    with_rewriter(generic, REWRITER)
    generic.alembic("upgrade", "head")
    generic.add_column(column="body: Mapped[str]")
    generic.edit("models.py", "class Post(", TAG)
    generic.alembic("revision", "--autogenerate", "-m", "tags")
    written = next(generic.versions.glob("*_tags.py")).read_text(encoding="utf-8")
    assert "op.drop_table('tags', if_exists=True)" in written
    assert "posts.body: existing rows need a value here" in written


@pytest.mark.slow
def test_rewriter_of_geoalchemy_makes_each_spatial_index_once(generic: Project) -> None:
    point = 'mapped_column(__import__("geoalchemy2").Geometry("POINT", srid=4326))'
    generic.edit(
        "models.py",
        "class Post(",
        TAG.replace("\n\n\nclass", f"\n    at: Mapped[str] = {point}\n\n\nclass"),
    )
    with servers.database("postgresql") as url:
        environment = servers.at(url)
        generic.alembic("upgrade", "head", env=environment)
        generic.alembic("revision", "--autogenerate", "-m", "tags", env=environment)
        sql = generic.alembic("upgrade", "5b1f0c3a9d27:head", "--sql", env=environment).stdout
        assert sql.count("CREATE INDEX idx_tags_at") == 1


TAG = """class Tag(Model):
    __tablename__ = "tags"

    id: Mapped[int] = mapped_column(primary_key=True)


class Post("""


VIEWS_ONLY = """
from alembic.autogenerate import comparators
from alembic.operations import ops
from sqlalchemy import inspect


class View(ops.ExecuteSQLOp):
    def reverse(self):
        return View("DROP VIEW ones")


@comparators.dispatch_for("schema")
def compare_views(autogenerate, changes, schemas):
    if "ones" not in inspect(autogenerate.connection).get_view_names():
        changes.ops.append(View("CREATE VIEW ones AS SELECT 1 AS one"))


class User:
    pass


class Post:
    pass
"""


def test_views_without_a_model(generic: Project) -> None:
    """As alembic_utils has them: a table would be dropped, a view is not."""
    (generic.folder / generic.package / "models.py").write_text(VIEWS_ONLY, encoding="utf-8")
    generic.alembic("upgrade", "head")
    line = generic.fails("revision", "--autogenerate", "-m", "views")
    assert "'default' has no model: import its models" in line
    for revision in generic.versions.glob("*.py"):
        revision.unlink()
    generic.databases["default"].unlink()
    generic.alembic("revision", "--autogenerate", "-m", "views")
    generic.alembic("upgrade", "head")
    done = generic.alembic("check")
    assert "'default' has no model: import its models" in done.stderr
    generic.alembic("downgrade", "base")


# As SQLAlchemy-Continuum makes the tables that keep the versions of rows.
VERSIONS = """

@event.listens_for(Mapper, "after_configured")
def make_versions() -> None:
    Table("posts_version", Model.metadata, Column("id", Integer, primary_key=True))
"""


def test_tables_that_are_made_when_the_mappers_are_configured(generic: Project) -> None:
    imports = (
        "from sqlalchemy import Column, Integer, Table, event\nfrom sqlalchemy.orm import Mapper\n"
    )
    models = generic.folder / generic.package / "models.py"
    text = models.read_text(encoding="utf-8").replace("\nfrom ", f"\n{imports}from ", 1)
    models.write_text(text + VERSIONS, encoding="utf-8")
    generic.alembic("upgrade", "head")
    assert "+ table posts_version" in generic.alembic("check", status=4).stdout
    assert "'posts_version'" in generic.new_revision("--autogenerate", "-m", "versions")
    generic.alembic("upgrade", "head")
    generic.alembic("check")
    compare = f"from {generic.package} import create_app, migrations\n"
    compare += "with create_app().app_context():\n    print(migrations.differences())"
    assert generic.python("-c", compare).stdout.strip() == "{}"
