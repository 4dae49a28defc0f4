"""``flask db plan``: what would run, without a statement that changes anything; and how runs report."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import servers
from kit import FIRST_REVISION, Project
from servers import at, query

MUCH = """
op.create_table("tags", sa.Column("id", sa.Integer(), primary_key=True))
with op.batch_alter_table("posts") as batch_op:
    batch_op.add_column(sa.Column("body", sa.Text()))
    batch_op.add_column(sa.Column("stars", sa.Integer(), nullable=False))
    batch_op.alter_column("title", existing_type=sa.String(200), new_column_name="headline")
    batch_op.alter_column("created_at", existing_type=sa.DateTime(), nullable=True, server_default=None)
    batch_op.drop_column("author_id")
op.create_index("ix_posts_body", "posts", ["body"])
op.bulk_insert(sa.table("tags", sa.column("id", sa.Integer())), [{"id": 1}, {"id": 2}])
op.rename_table("tags", "labels")
op.execute(sa.table("posts", sa.column("stars"), sa.column("body")).update().values(stars=True, body="x"))
if str(op.get_bind().engine.url).startswith("sqlite"):
    op.get_bind().execute(sa.text("DELETE FROM posts"))
rows = sa.text("UPDATE posts SET body = :body WHERE id = :id")
op.get_bind().execute(rows, [{"body": "it's", "id": 1}, {"body": None, "id": 2}])
op.get_bind().execute(sa.table("tags", sa.column("id")).insert(), {"id": 3})
with op.get_context().autocommit_block():
    op.execute("DROP TABLE labels")
op.get_bind().commit()
"""
# What wants to know something of a database, or to reach it by another way; and after it, a change.
LIVE = [
    'op.get_bind().execute(sa.text("SELECT 1")).scalar()',
    "sa.inspect(op.get_bind()).get_table_names()",
    "op.get_bind().dialect.get_pk_constraint(op.get_bind(), 'posts')",
    'from shop.db import db; db.session.execute(sa.text("DELETE FROM posts")); db.session.commit()',
    'from shop.db import db; db.engine.raw_connection().cursor().execute("DELETE FROM posts")',
    "from shop.db import db; list(map(db.metadata.drop_all, db.engines.values()))",
    'from alembic import context; context.get_context().connection.execute("x").all()',
]
POSTGRESQL = {"DATABASE_URL": "postgresql+psycopg://x@127.0.0.1:1/x"}


def planned(project: Project, *arguments: str, **options: str) -> list[str]:
    """Return the lines of a plan."""
    return project.flask("db", "plan", *arguments, env=options).stdout.splitlines()


def test_each_step_is_told_in_words_and_as_sql(generic: Project) -> None:
    generic.add_revision(MUCH, "print('On it.')\nraise RuntimeError('no way back')")
    (path,) = generic.versions.glob("*-r001.py")
    path.write_text('"""Much, which\nis described."""\n' + path.read_text("utf-8"), "utf-8")
    generic.alembic("upgrade", FIRST_REVISION)
    before = generic.databases["default"].read_bytes()
    assert planned(generic) == [
        "Database default: 1 revision",
        "  r001  no date  Much, which is described.",
        "      creates table tags",
        "      adds column posts.body",
        "      adds column posts.stars, NOT NULL without a default",
        "      copies table posts, to change it",
        "      renames column posts.title to headline",
        "      lets posts.created_at be NULL",
        "      removes the default of posts.created_at",
        "      drops column posts.author_id with its values",
        "      adds index ix_posts_body to posts",
        "      inserts rows into tags",
        "      renames table tags to labels",
        "      runs UPDATE posts SET stars=True, body='x'",
        "      runs DELETE FROM posts",
        "      runs UPDATE posts SET body = 'it''s' WHERE id = 1",
        "      runs UPDATE posts SET body = NULL WHERE id = 2",
        "      runs INSERT INTO tags (id) VALUES (3)",
        "      commits all before this",
        "      runs DROP TABLE labels",
    ]
    sql = planned(generic, "--sql")
    for line in ("ALTER TABLE posts ADD COLUMN body TEXT;", "INSERT INTO tags (id) VALUES (2);"):
        assert line in sql
    assert "-- copies table posts, which has to be read for that" in sql
    assert not [line for line in sql if "users" in line or "alembic_version" in line]
    assert planned(generic, FIRST_REVISION) == ["Database default: nothing to do"]
    assert planned(generic, "--down")[1:] == [
        f"  {FIRST_REVISION}  2026-01-01  Users and posts.",
        "      drops table posts with its rows",
        "      drops table users with its rows",
    ]
    assert planned(generic, "--down", "head:-1")[1:] == [
        "  r001  no date  Much, which is described.",
        "      cannot go back: no way back",
    ]
    assert generic.databases["default"].read_bytes() == before
    assert "'nosuch'" in generic.flask("db", "plan", "nosuch", status=255).stdout
    ends = f"revision, down_revision = 'r001', '{FIRST_REVISION}'\ndef upgrade(): raise SystemExit('x')"
    path.write_text(ends, "utf-8")
    assert "      cannot be known without running it (SystemExit: x)" in planned(generic)
    path.write_text("import nosuch", "utf-8")
    for command in ("plan", "lint", "graph", "heads"):
        done = generic.flask("db", command, status=255)
        assert done.stdout == f"FAILED: {path}, line 1: No module named 'nosuch'.\n", done.stderr


@pytest.mark.slow
def test_no_statement_is_sent_that_changes_anything(
    rendered: Callable[..., Project], tmp_path: Path
) -> None:
    """Whatever revisions do: once the server would refuse it, once it would do it."""
    project = rendered(project="shop", database="mysql", variant="multidb").copy(tmp_path)
    project.alembic("upgrade", "head", "--sql")  # needs no server
    for code in LIVE:
        project.add_revision(f"{code}\nop.execute('DROP TABLE posts')")
    with servers.database("mysql") as url, servers.database("mysql") as auth:
        both = {**at(url), **at(auth, "AUTH_DATABASE_URL")}
        only = "?init_command=SET+SESSION+TRANSACTION+READ+ONLY"
        read_only = {name: value + only for name, value in both.items()}
        assert "READ ONLY" in project.alembic("upgrade", "head", env=read_only, status=None).stdout
        new = planned(project, **read_only)
        assert servers.tables(url) == servers.tables(auth) == set()
        project.alembic("upgrade", FIRST_REVISION, env=both)
        query(url, "INSERT INTO posts (id, title, author_id) VALUES (1, 'x', 1)")
        updated = "SELECT count(*) FROM posts UNION ALL SELECT count(*) FROM alembic_log"
        lines = planned(project, **both)
        assert query(url, updated) == [1, 1]
    assert new[0] == "Database default: 8 revisions" and new[1:3] == [
        f"  {FIRST_REVISION}  2026-01-01  Users and posts.",
        "      creates table posts",
    ]
    end = lines.index("Database auth: 7 revisions")
    told = [line for line in lines[:end] if line.startswith("      ")]
    unknown = [
        line for line in told if line.startswith("      cannot be known without running it (")
    ]
    assert sum("(it reads the database)" in line for line in unknown) == 4
    assert len(unknown) == len(LIVE) and not [line for line in told if "DROP TABLE" in line]
    assert [line for line in lines[end:] if line.startswith("      ")] == [
        "      does nothing"
    ] * len(LIVE)


@pytest.mark.slow
def test_what_has_no_name_yet_and_types_are_in_plain_words(generic: Project) -> None:
    generic.add_revision(
        "op.create_foreign_key(None, 'posts', 'users', ['author_id'], ['id'])\n"
        "op.alter_column('posts', 'title', existing_type=sa.String, type_=sa.Text)\n"
        "op.alter_column('posts', 'title', existing_type=sa.Text, type_=sa.String(9))\n"
        "op.create_table('kinds', sa.Column('kind', sa.Enum('a', name='kind')))\n"
        "known = sa.Table('posts', sa.MetaData(), sa.Column('body', sa.Text))\n"
        "with op.batch_alter_table('posts', copy_from=known) as batch_op:\n"
        "    batch_op.drop_column('body')"
    )
    assert planned(generic, f"{FIRST_REVISION}:head", **POSTGRESQL)[2:] == [
        "      adds foreign key to posts",
        "      changes the type of posts.title from String() to Text()",
        "      changes the type of posts.title from Text() to String(length=9); may rewrite the table",
        "      creates table kinds",
        "      drops column posts.body with its values",
    ]


@pytest.mark.slow
def test_branches_and_newer_databases(generic: Project) -> None:
    one, other = (
        generic.add_revision(f'op.add_column("posts", sa.Column("{name}", sa.Text()))')
        for name in ("one", "other")
    )
    (path,) = generic.versions.glob(f"*-{other}.py")
    text = path.read_text(encoding="utf-8").replace(f"= {one!r}", f"= {FIRST_REVISION!r}")
    path.write_text(
        f"{text}\n\nbranch_labels = ('shop',)\ndepends_on = {one!r}\n", encoding="utf-8"
    )
    assert "There are 2 heads, r001 and r002" in generic.flask("db", "plan", status=255).stdout
    generic.alembic("upgrade", FIRST_REVISION)
    found = [line[2:6] for line in planned(generic, "heads") if re.match("  r", line)]
    assert found == ["r001", "r002"]
    assert planned(generic, "shop@head") == planned(generic, "heads")
    assert [line[2:6] for line in planned(generic, f"{one}:{other}")[1:2]] == ["r002"]
    generic.alembic("upgrade", "heads")
    assert planned(generic, "heads") == ["Database default: nothing to do"]
    path.unlink()
    assert "is newer than this code" in generic.flask("db", "plan", status=5).stdout


def test_run_says_where_it_goes_and_where_it_has_arrived(migrated: Project) -> None:
    names = list(migrated.databases)
    is_over = f"is at head ({FIRST_REVISION}), there is nothing to do"
    logged = migrated.alembic("upgrade", "head").stderr
    assert logged.count("[alembic.progress] Database") == len(names)
    for name, path in migrated.databases.items():
        line = f"Database {name} at sqlite:///{path} {is_over}"
        assert logged.count(line) == 1, logged
    logged = migrated.alembic("downgrade", "base").stderr
    for name, path in migrated.databases.items():
        assert logged.count(f"Database {name} at sqlite:///{path}: 1 revision to downgrade") == 1
        assert logged.count(f"Database {name} is at base\n") == 1
    migrated.add_revision("raise ValueError('no')")
    logged = migrated.alembic("upgrade", "head", status=1).stderr
    assert "2 revisions to upgrade" in logged and "is at" not in logged
    logged = migrated.alembic("upgrade", FIRST_REVISION).stderr
    for name in names:
        assert logged.count(f"Database {name} is at {FIRST_REVISION}\n") == 1
    logged = migrated.alembic("stamp", "head").stderr
    assert logged.count("[alembic.progress] Database") == len(names), logged
