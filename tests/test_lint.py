"""``flask db lint``: what locks tables or breaks running code, and the recipes of docs/lint.md."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import servers
from kit import ANY, FIRST_REVISION, ROOT, Project
from kit import git as git_in
from servers import at, connect, query
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

PAGE = (ROOT / "docs" / "lint.md").read_text(encoding="utf-8")
# Of each rule: what breaks it, and the revisions that are to be written instead.
RECIPES = {
    rule: re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for rule, text in re.findall(
        r"^### ([a-z-]+)$(.*?)(?=^### |\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
}
# The statement for batches of MySQL and MariaDB.
BATCH = " ".join(PAGE.partition("\n### changing-column-type")[2].split())
TABLES = """
op.create_table("carts", sa.Column("id", sa.Integer(), primary_key=True))
op.create_table(
    "orders",
    sa.Column("id", sa.Integer(), primary_key=True),
    *(sa.Column(name, sa.Integer()) for name in ("user_id", "total", "price", "quantity")),
    *(sa.Column(name, sa.String(40)) for name in ("code", "note")),
)
op.create_index("ix_orders_code", "orders", ["code"])
op.execute("INSERT INTO users (id, name) VALUES (1, 'Ada')")
op.execute(
    "INSERT INTO orders (id, user_id, total, price, quantity, code, note) "
    "WITH RECURSIVE s AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM s WHERE i < 750) "
    "SELECT n, 1, n, n, n, concat('c', n), 'n' FROM (SELECT i + k AS n FROM s, "
    "(SELECT 0 AS k UNION SELECT 750) AS twice) AS numbers"
)
op.execute("INSERT INTO carts VALUES (1)")
"""
SAFE = [
    'op.create_table("t1", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("n", sa.Text()))',
    'op.create_index("ix_t1_n", "t1", ["n"])',
    'op.alter_column("t1", "n", existing_type=sa.Text(), nullable=False)',
    'op.create_unique_constraint("uq_t1_n", "t1", ["n"])',
    'op.create_foreign_key("fk_t1", "t1", "orders", ["id"], ["id"])',
    'op.create_check_constraint("ck_t1", "t1", "id > 0")',
    'op.alter_column("t1", "n", new_column_name="m")',
    'op.rename_table("t1", "t2")',
    'op.add_column("t2", sa.Column("k", sa.Integer(), nullable=False))',
    'op.drop_column("t2", "k")',
    'op.drop_table("t2")',
    'op.add_column("orders", sa.Column("a", sa.Text()))',
    'op.add_column("orders", sa.Column("b", sa.Integer(), server_default="0", nullable=False))',
    'op.add_column("orders", sa.Column("c", sa.DateTime(), server_default=sa.func.now()))',
    'op.alter_column("orders", "user_id", existing_type=sa.Integer(), server_default="1")',
    'op.alter_column("orders", "total", existing_type=sa.Integer(), nullable=True)',
    'op.create_table_comment("orders", "what was bought")',
    'op.bulk_insert(sa.table("carts", sa.column("id", sa.Integer())), [{"id": 2}, {"id": 3}])',
    "op.execute(\"UPDATE orders SET note = '' WHERE id = 1\")",
    'op.execute("DELETE FROM carts WHERE id = 3")',
    'op.alter_column("orders", "note", existing_type=sa.String(40), type_=sa.String(80))',
    'op.alter_column("orders", "note", existing_type=sa.String(80), type_=sa.Text)',
    'op.execute("ALTER INDEX ix_orders_code RENAME TO ix_code")',
    'op.execute("DROP TYPE IF EXISTS mood")',
    'op.add_column("orders", sa.Column("d", sa.Integer(), server_default=sa.text("(1 + 1)")))',
    'op.add_column("orders", sa.Column("e", sa.Numeric(9, 1), server_default=sa.text("-1.5")))',
    'op.add_column("orders", sa.Column("f", sa.Date(), server_default=sa.text("CURRENT_DATE")))',
    "op.execute(\"ALTER TABLE orders ADD g timestamp DEFAULT (now() AT TIME ZONE 'utc') NOT NULL\")",
    "op.execute(\"ALTER TABLE orders ADD h jsonb DEFAULT CAST('{}' AS jsonb) NOT NULL\")",
    'op.execute("CREATE TABLE t3 AS SELECT 1 AS id")\nop.execute(\'UPDATE "t3" SET id = 2\')',
    'op.create_table("t4", sa.Column("kind", sa.Enum("a", name="kind")))\nop.execute("UPDATE t4 SET kind = NULL")',
    'op.execute("ALTER TABLE t3 ALTER id SET NOT NULL")\nop.execute("DROP TABLE t3")',
    "op.execute(\"UPDATE orders SET note = coalesce((SELECT 'x' WHERE true), 'y') WHERE id = 1\")",
    'op.execute("CREATE FUNCTION f() RETURNS int AS $$ DELETE FROM carts; SELECT 1 $$ LANGUAGE sql")',
    'op.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY seen; VACUUM orders")',
    'op.execute("UPDATE orders SET note = c.id FROM carts c WHERE orders.id = c.id AND c.id < 10")',
    'op.execute("UPDATE orders SET price = 1 WHERE note IS NOT NULL AND orders.total = 1.5")',
    'op.execute("INSERT INTO carts (id) SELECT n FROM generate_series(10, 12) n")',
    'op.execute("UPDATE orders SET price = 1 FROM (SELECT 1 AS id LIMIT 9) s WHERE orders.id = s.id")',
    'op.execute("WITH s AS (SELECT 1 AS id) UPDATE orders SET price = 1 FROM s WHERE s.id = orders.id")',
    "op.execute(\"INSERT INTO carts SELECT id FROM orders WHERE note = 'x'\")",
    'op.execute("INSERT INTO carts SELECT id FROM (SELECT id FROM orders WHERE id = 1) AS one")',
    *(
        f'op.execute("{each}")'
        for each in ("CREATE TABLE t5 (LIKE carts)", "INSERT INTO carts TABLE t5")
    ),
    'op.execute("ALTER TABLE old ATTACH PARTITION t5 DEFAULT")',
    'op.execute("INSERT INTO carts SELECT id FROM t5")',
]
# What squawk does not see.
UNSEEN = {
    'op.add_column("orders", sa.Column("k", sa.Integer()))\n'
    'op.execute(sa.text("UPDATE orders SET k = (SELECT count(*) FROM carts WHERE id > 1)"))': (
        "updating-whole-table"
    ),
    'op.execute(sa.table("carts").delete())': "updating-whole-table",
    'op.execute("ALTER TABLE orders ADD COLUMN IF NOT EXISTS n bigserial")': "adding-field-with-default",
    'op.execute("ALTER TABLE orders ADD n int, ADD m int CHECK (m > 0)")': "constraint-missing-not-valid",
    'op.execute("/* much */ VACUUM (FULL, ANALYZE) orders")': "locking-table",
    'op.execute("VACUUM (ANALYZE, FULL) orders")': "locking-table",
    'op.execute("CLUSTER orders USING ix_orders_code")': "locking-table",
    'op.execute("LOCK TABLE orders")': "locking-table",
    'op.execute("REFRESH MATERIALIZED VIEW seen")': "locking-table",
    'op.execute("LOCK orders IN EXCLUSIVE MODE")': "locking-table",
    'op.execute("TRUNCATE ONLY orders")': "locking-table",
    'op.execute("ALTER TABLE orders SET UNLOGGED")': "locking-table",
    'op.execute("UPDATE orders SET note = 1 WHERE orders.note IS NULL RETURNING id")': "updating-whole-table",
    'op.execute("WITH c AS (SELECT 1 AS n WHERE true) UPDATE orders SET note = c.n")': "updating-whole-table",
    'o, u = (sa.table(name, sa.column("id"), sa.column("name")) for name in ("orders", "users"))\n'
    "op.execute(o.update().values(name=u.c.name).where(o.c.id == u.c.id, u.c.name.is_not(None)))": (
        "updating-whole-table"
    ),
    'op.execute("UPDATE orders SET note = 1 WHERE TRUE")': "updating-whole-table",
    'op.execute("INSERT INTO carts (id) SELECT o.id FROM orders AS o ORDER BY 1")': "updating-whole-table",
    'op.execute("ALTER TABLE old ATTACH PARTITION orders FOR VALUES IN (1, 2)")': "attaching-partition",
    'op.create_check_constraint(op.f("ck_id"), "orders", "id > 0", postgresql_not_valid=True)\n'
    'op.execute("ALTER TABLE orders VALIDATE CONSTRAINT ck_id")': "constraint-missing-not-valid",
    'op.execute("DROP TYPE IF EXISTS mood CASCADE")': "ban-drop-column",
}
# What Alembic has an operation for, without it, where nobody reads SQL.
UNREAD = {
    "DROP TABLE IF EXISTS `carts`": "ban-drop-table",
    "ALTER TABLE orders ADD x int DEFAULT 0, DROP note": "ban-drop-column",
    "ALTER TABLE orders RENAME TO old": "renaming-table",
    "RENAME TABLE orders TO old": "renaming-table",
    "ALTER TABLE orders CHANGE COLUMN note notes text": "renaming-column",
    "ALTER TABLE orders CHANGE note note text": "changing-column-type",
    "ALTER TABLE orders ADD COLUMN x decimal(9, 2) NOT NULL": "adding-required-field",
    "DELETE FROM orders": "updating-whole-table",
    "ALTER TABLE orders RENAME note TO notes": "renaming-column",
    "DROP VIEW seen": "ban-drop-table",
    "DELETE o FROM orders AS o JOIN carts": "updating-whole-table",
    "ALTER TABLE orders ALTER COLUMN note DROP DEFAULT": "ban-drop-default",
    "ALTER TABLE orders ADD CONSTRAINT x FOREIGN KEY (id) REFERENCES carts (id)": "adding-foreign-key-constraint",
    "ALTER TABLE orders ADD CONSTRAINT x CHECK (id > 0)": "constraint-missing-not-valid",
    "ALTER TABLE orders ADD n bigint AUTO_INCREMENT UNIQUE": "adding-field-with-default",
    "ALTER TABLE orders ADD n text AS (lower(note)) STORED": "adding-field-with-default",
    "ALTER TABLE orders CONVERT TO CHARACTER SET utf8mb4": "locking-table",
    "ALTER TABLE orders PARTITION BY HASH (id) PARTITIONS 4": "locking-table",
    "INSERT IGNORE INTO carts SELECT DISTINCT user_id FROM orders": "updating-whole-table",
    "UPDATE orders, users SET note = name WHERE orders.user_id = users.id": "updating-whole-table",
}
# A type that takes more, and whether MySQL and MariaDB may copy the table for it.
TYPES = (
    ("String(40)", "String(63)", False),
    ("String(40)", "String(64)", True),
    ("String(100)", "String(255)", False),
    ("String(200)", "String(300)", True),
    ("String(300)", "String(400)", False),
    ("Enum('a')", "Enum('a', 'b')", False),
    ("Enum('a')", "Enum('b', 'a')", True),
)
READ = (
    "ALTER TABLE orders ADD KEY x (id), DROP FOREIGN KEY y, RENAME INDEX z TO a",
    "ALTER TABLE orders ADD x decimal(9, 2) DEFAULT 0 NOT NULL, ADD y int",
    "CREATE TRIGGER x BEFORE INSERT ON orders FOR EACH ROW BEGIN DELETE FROM carts; END",
    "ALTER TABLE orders DROP PARTITION old, DROP PRIMARY KEY",
    "UPDATE orders SET note = 'DROP TABLE' ORDER BY id LIMIT 1000",
    "UPDATE orders SET price = 1 WHERE price IS NULL AND quantity IS NOT NULL LIMIT 1000",
    "INSERT INTO carts SELECT 7 FROM dual UNION SELECT 8",
    "UPDATE orders JOIN (SELECT id FROM carts LIMIT 9) AS c ON c.id = orders.id SET note = 1",
)


def found(project: Project, *arguments: str, **options: str) -> list[tuple[str, str]]:
    """Return the revision and the rule of each finding, in order."""
    done = project.flask("db", "lint", *arguments, status=ANY, env=options)
    assert "Traceback" not in done.stderr
    lines = re.findall(r"^\S+\.py:[1-9]\d*: (\w+): ([a-z-]+): \w", done.stdout, re.MULTILINE)
    assert done.returncode == (255 if lines else 0), done.stdout + done.stderr
    assert lines or done.stdout.splitlines()[0] == "Nothing found."
    return lines


@pytest.fixture
def shop(rendered: Callable[..., Project], tmp_path: Path) -> Project:
    """A project for PostgreSQL with some tables."""
    project = rendered(database="postgresql").copy(tmp_path)
    project.add_revision(TABLES)
    return project


def test_what_is_not_safe_is_found_and_what_is_safe_is_not(shop: Project) -> None:
    assert (len(RECIPES), len(SAFE)) == (12, 46)
    assert re.findall(r"^\| \[([a-z-]+)\]\(#\1\) \|", PAGE, re.MULTILINE) == [*RECIPES]
    for each in SAFE:
        shop.add_revision(each)
    assert found(shop, "r001:head") == []
    bad = [(shop.add_revision(unsafe), rule) for rule, (unsafe, *_) in RECIPES.items()]
    bad += [(shop.add_revision(unsafe), rule) for unsafe, rule in UNSEEN.items()]
    assert found(shop, "r047:head") == bad


@pytest.mark.slow
def test_one_change_is_found_once_and_hides_no_other(shop: Project) -> None:
    """An index goes with its table, an enum is changed by many statements, one squawk cannot read."""
    steps = "RENAME TO old", "RENAME VALUE 'a' TO 'b'"
    enum = [f"ALTER TYPE mood {step}" for step in steps]
    enum += ["CREATE FUNCTION f() RETURNS int AS 'SELECT 1' LANGUAGE sql", "DROP FUNCTION f()"]
    enum += ["ALTER TABLE orders ALTER note TYPE mood USING note::mood", "DROP TYPE old"]
    shop.add_revision(f"for each in {enum}:\n    op.execute(each)")
    shop.add_revision('op.execute("ALTER TABLE orders ENGAGE (")')
    shop.add_revision('op.drop_index("ix_carts", "carts")\nop.drop_table("carts")')
    shop.add_revision('op.execute("DROP VIEW seen")')
    assert found(shop, "r001:head") == [
        ("r002", "changing-column-type"),
        ("r003", "syntax-error"),
        ("r004", "ban-drop-table"),
        ("r005", "ban-drop-view"),
    ]
    shorter = "existing_type=sa.Text(), type_=sa.String(20)"
    last = shop.add_revision(f'op.alter_column("orders", "note", {shorter})')
    assert found(shop) == [(last, "changing-column-type")]


@pytest.mark.slow
def test_each_recipe_is_true_of_rows_of_mariadb(shop: Project) -> None:
    """The second version with the page's statement for batches; or the first, with or without a lock."""
    told = " ".join(PAGE.partition("## On MySQL")[2].partition("## What")[0].split())
    firsts = {
        "require-concurrent-index-creation": "CREATE INDEX i ON orders (user_id)",
        "require-concurrent-index-deletion": "ALTER TABLE orders DROP INDEX ix_orders_code,",
        "disallowed-unique-constraint": "ALTER TABLE orders ADD UNIQUE (code),",
        "adding-not-nullable-field": "ALTER TABLE orders MODIFY total int NOT NULL,",
        "adding-foreign-key-constraint": "ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users (id),",
        "constraint-missing-not-valid": "ALTER TABLE orders ADD CHECK (quantity > 0),",
    }
    assert all(f"`{rule}`" in told for rule in firsts)
    for rule in {*RECIPES} - {*firsts, "ban-drop-column"}:
        for step in RECIPES[rule][1:]:
            (batch,) = re.findall(r"`(UPDATE .*?)`", told if "token" in step else BATCH)
            step = re.sub(r"sa\.text\(\n.*?\n\)", f"sa.text({batch!r})", step, flags=re.DOTALL)
            (uuid,) = re.findall(r"`(\(replace.*?)`", told)
            shop.add_revision(step.replace("gen_random_uuid()", uuid))
    with servers.database("mysql") as url:
        assert found(shop, "r001:head", **at(url)) == []
        shop.alembic("upgrade", "head", env=at(url))
        assert query(url, "SELECT count(*) FROM orders WHERE price_cents = id * 100") == [1500]
        assert query(url, "SELECT count(DISTINCT token) FROM orders WHERE state = 'new'") == [1500]
        assert query(url, "SELECT count(*) FROM baskets") == [1]
        for rule, statement in firsts.items():
            with connect(url) as connection:
                if rule in ("adding-foreign-key-constraint", "constraint-missing-not-valid"):
                    with pytest.raises(DBAPIError, match="LOCK=NONE is not supported"):
                        connection.execute(text(f"{statement} LOCK=NONE"))
                connection.execute(text("SET foreign_key_checks = 0"))
                lock = "SHARED" if rule == "constraint-missing-not-valid" else "NONE"
                connection.execute(text(f"{statement} LOCK={lock}"))


@pytest.mark.slow
def test_each_recipe_works_on_rows(shop: Project) -> None:
    for _, *steps in RECIPES.values():
        assert steps
        for step in steps:
            shop.add_revision(step)
    assert found(shop, "r001:head") == []
    with servers.database("postgresql") as url:
        shop.alembic("upgrade", "head", env=at(url))
        assert query(url, "SELECT count(*) FROM orders WHERE price_cents = id * 100") == [1500]
        assert query(url, "SELECT count(DISTINCT token) FROM orders WHERE state = 'new'") == [1500]
        assert query(url, "SELECT count(*) FROM baskets") == [1]
        invalid = "SELECT count(*) FROM pg_constraint WHERE NOT convalidated"
        assert query(url, f"{invalid} OR conname = 'ck_orders_total_not_null'") == [0]
        assert query(
            url, "SELECT indexname FROM pg_indexes WHERE tablename = 'orders' ORDER BY 1"
        ) == [
            "ix_orders_user_id",
            "pk_orders",
            "uq_orders_code",
        ]


@pytest.mark.slow
def test_operations_tell_where_there_is_no_linter(shop: Project, tmp_path: Path) -> None:
    """On MySQL without a server; SQLite copies the table for some, and says it once a table."""
    mysql = {"DATABASE_URL": "mysql+pymysql://root@127.0.0.1:1/none"}
    sqlite = {"DATABASE_URL": f"sqlite:///{tmp_path / 'none.db'}"}
    own = {"require-concurrent-index-creation", "require-concurrent-index-deletion"}
    own |= {"disallowed-unique-constraint", "adding-field-with-default"}
    told = {rule: steps[0] for rule, steps in RECIPES.items() if rule not in own}
    bad = [(shop.add_revision(unsafe), rule) for rule, unsafe in told.items()]
    bad += [(shop.add_revision(f'op.execute("{each}")'), rule) for each, rule in UNREAD.items()]
    for each in READ:
        shop.add_revision(f'op.execute("{each}")')
    untyped = shop.add_revision(  # MySQL wants the type, and copies nothing
        'with op.batch_alter_table("orders") as batch:\n    batch.alter_column("note", nullable=False)'
    )
    bad.append((untyped, "adding-not-nullable-field"))
    for old, new, is_found in TYPES:
        types = f"existing_type=sa.{old}, type_=sa.{new}"
        longer = shop.add_revision(f'op.alter_column("orders", "note", {types})')
        bad += [(longer, "changing-column-type")] if is_found else []
    assert found(shop, "r001:head", **mysql) == bad
    shop.add_revision(
        'with op.batch_alter_table("orders") as batch_op:\n'
        '    batch_op.add_column(sa.Column("x", sa.Text()))\n'
        '    batch_op.alter_column("note", existing_type=sa.String(40), nullable=True)\n'
        '    batch_op.drop_constraint("ck_orders_quantity")\n'
    )
    last = shop.add_revision("print(op.get_bind().scalar(sa.text('SELECT 1')) or sa.nosuch)")
    assert found(shop, f"{longer}:{last}", **sqlite) == [
        (f"r{int(last[1:]) - 1:03}", "copying-table")
    ]
    logged = shop.flask("db", "lint", f"{longer}:{last}", status=ANY, env=sqlite).stderr
    assert re.search(rf"-{last}\.py is checked only in part: it cannot be known", logged), logged
    assert not (tmp_path / "none.db").exists()


def test_newest_revisions_are_asked_and_a_reason_silences(shop: Project) -> None:
    """Without git the head; with it what the main branch does not have."""
    shop.add_revision('op.drop_table("carts")')
    shop.add_revision('op.drop_column("orders", "note")')
    assert found(shop) == [("r003", "ban-drop-column")]
    assert "Only the newest revision is checked" in shop.flask("db", "lint", status=ANY).stderr
    own_test = ("-m", "pytest", "-q", "tests/test_migrations.py", "-k", "safe_beside")
    assert "r003: ban-drop-column: running code reads it" in shop.python(*own_test, status=1).stdout

    git = partial(git_in, shop.folder)
    git("init", "--quiet", "--initial-branch", "main")
    git("add", "--all")
    for path in shop.versions.glob("*-r00[23].py"):
        git("rm", "--quiet", "--cached", str(path))
    git("commit", "--quiet", "--message", "first")
    assert found(shop) == [("r002", "ban-drop-table"), ("r003", "ban-drop-column")]
    assert "Only the newest" not in shop.flask("db", "lint", status=ANY).stderr
    for comment, rules in {
        "# lint: ban-drop-column, ban-drop-table: nobody reads it": ["ban-drop-table"],
        "# lint: ban-drop-column:": ["ban-drop-table", "ban-drop-column"],
        "# lint: ban-drop-table: of another": ["ban-drop-table", "ban-drop-column"],
    }.items():
        (path,) = shop.versions.glob("*-r003.py")
        text = re.sub(r"\n    # .*", "", path.read_text(encoding="utf-8"))
        path.write_text(
            text.replace("    op.", f"    {comment}\n    # More.\n    op."), encoding="utf-8"
        )
        assert [rule for _, rule in found(shop)] == rules
    for name in ("develop", "moved"):
        git("checkout", "--quiet", "-b", name)
    git("branch", "--quiet", "--delete", "--force", "main")
    git("mv", str(next(shop.versions.glob("*5b1f0c3a9d27*"))), str(shop.versions / "moved.py"))
    assert [revision for revision, _ in found(shop)] == ["r003"]
    git("update-ref", "refs/remotes/origin/develop", "develop")
    git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/develop")
    git("checkout", "--quiet", "--detach")
    assert [revision for revision, _ in found(shop)] == ["r002", "r003"]
    assert found(shop, GITHUB_BASE_REF="develop") == found(shop)
    absent = shop.flask("db", "lint", status=ANY, env={"GITHUB_BASE_REF": "release"}).stdout
    assert "git has no branch release to compare with: fetch it" in absent
    git("add", "--all")
    git("commit", "--quiet", "--message", "second")
    git("update-ref", "refs/remotes/origin/develop", "HEAD")
    assert [revision for revision, _ in found(shop)] == ["r003"]
    assert FIRST_REVISION not in shop.python(*own_test, status=1).stdout
