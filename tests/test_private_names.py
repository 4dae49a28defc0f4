"""Names of other packages that a generated project uses though they are private, or replaces.

An upgrade may take them away without a word: then a test here fails with the name in its message.
CONTRIBUTING.md has a row for each, with the reason.
"""

import ast
import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from alembic import context
from alembic.config import CommandLine, Config
from alembic.ddl.impl import DefaultImpl
from alembic.ddl.sqlite import SQLiteImpl
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from kit import CHOICES, ROOT, Project
from sqlalchemy import Column, Connection, Integer, Table, create_engine, text
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

# Python's own: of modules, functions, classes, exceptions.
PYTHONS = {*dir(sys), *dir(FunctionType), *dir(type), *dir(Exception), "__file__"}
PYTHONS |= {"__all__", "__version__", "__getattr__", "__init__", "__enter__", "__path__"}

# SQLAlchemy's and Flask-SQLAlchemy's, which their documentation tells everybody to use.
PUBLIC = {"__abstract__", "__bind_key__", "__tablename__"}
LISTED = {"_actions", "__dialect__", "__exit__", "_proxy"}
# Alembic's, not private, but in no documentation.
HOOKS = {"prep_table_for_batch", "cast_for_batch_migrate"}
BATCH = {"columns", "column_transfers", "indexes", "new_table", "reflected", "table_args"}


def with_session(connection: Connection) -> None:
    """Let a session write, on an engine whose connection is this."""
    with Session(connection.engine) as session:
        session.execute(text("SELECT 1"))
        session.commit()


def with_alembic(connection: Connection) -> None:
    """Let Alembic write, in a transaction, as it does in the kit."""
    options = {"transactional_ddl": True}
    with MigrationContext.configure(connection, opts=options).begin_transaction():
        connection.execute(text("SELECT 1"))


def with_commit(connection: Connection) -> None:
    """Let a connection write, as SQLAlchemy 2 teaches it."""
    connection.execute(text("SELECT 1"))
    connection.commit()


def with_error(connection: Connection) -> None:
    """Let a statement fail where no transaction is to be seen, as in the tests of a project."""
    with pytest.MonkeyPatch.context() as patch, suppress(OperationalError):
        patch.setattr(connection, "in_transaction", lambda: False)
        connection.execute(text("SELECT nothing"))


# What the generated conftest.py replaces, so that what a test writes is rolled back, and by whom
# it has to be called.
REPLACED = {
    "begin": with_session,
    "close": with_session,
    "commit": with_commit,
    "connect": with_session,
    "do_rollback": with_error,
    "get_transaction": with_alembic,
    "in_transaction": with_session,
}


def private_names(code: str) -> Iterator[str]:
    """Yield names with an underscore in front: attributes, imports, those in classes, and texts."""
    for node in ast.walk(ast.parse(code)):
        found: list[str] = []
        if isinstance(node, ast.Attribute):
            found = [node.attr]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
        elif isinstance(node, ast.keyword):
            found = [node.arg or ""]
        elif isinstance(node, ast.ClassDef):
            names = (n for n in ast.walk(node) if isinstance(n, ast.Name | ast.FunctionDef))
            found = [n.id if isinstance(n, ast.Name) else n.name for n in names]
        elif isinstance(node, ast.Call):  # such as getattr()
            found = [str(arg.value) for arg in node.args if isinstance(arg, ast.Constant)]
        for name in ".".join(found).split("."):
            if re.fullmatch(r"_\w*[a-z]\w*", name) and name not in PYTHONS | PUBLIC:
                yield name


def replaced_names(code: str) -> Iterator[str]:
    """Yield what is replaced by pytest's ``MonkeyPatch.setattr()``."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "setattr":
            yield ast.literal_eval(node.args[1])


def modules(project: Project) -> Iterator[tuple[str, str]]:
    """Yield the name and the code of each module of a project, and those of other layers."""
    others = (ROOT / "templates" / layer / project.variant / "db.py" for layer in CHOICES["layer"])
    for path in (*project.folder.rglob("*.py"), *others):
        yield str(path), path.read_text(encoding="utf-8")


def test_scan_finds_what_is_private() -> None:
    code = """
from a._b import c, _d
from . import _e
import f._g
class H:
    __i__ = "j"
    def _k(self, _): return self.l._m, __file__
getattr(n, "_o")(_p=1)
"""
    found = ["_b", "_d", "_e", "_g", "__i__", "_k", "_m", "_o", "_p"]
    assert sorted({*private_names(code)}) == sorted(found)


def test_every_private_name_is_listed(project: Project) -> None:
    found = {name: path for path, code in modules(project) for name in private_names(code)}
    unlisted = {name: path for name, path in found.items() if name not in LISTED}
    assert not unlisted, f"find a public way, or list it here and in CONTRIBUTING.md: {unlisted}"
    assert {*found} == LISTED, "no longer used: take it out"


def test_every_replaced_name_is_listed(project: Project) -> None:
    found = {name for _, code in modules(project) for name in replaced_names(code)}
    assert found == {*REPLACED}


def test_contributing_has_a_reason_for_each() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = contributing.partition("\n## Private names\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if "`" in line[:4]]
    named = {name for row in rows for name in re.findall("`(.+?)`", row[0])}
    assert named == LISTED | {*REPLACED} | HOOKS | BATCH
    assert all(len(row) == 4 and row[3] for row in rows)


def test_actions_are_what_a_command_takes() -> None:
    """``flask db`` gives a revision to commands that would want one."""
    command_line = CommandLine("flask db")
    upgrade = dict(command_line.subparsers.choices or {})["upgrade"]
    assert hasattr(ArgumentParser(), "_actions"), "argparse has no ArgumentParser._actions"
    (action,) = (a for a in upgrade._actions if a.dest == "revision" and not a.option_strings)
    action.nargs, action.required, action.default = "?", False, "head"
    given = command_line.parser.parse_args(["upgrade"]).revision
    assert given == "head", "argparse does not look at ArgumentParser._actions"


def test_last_class_with_a_dialect_is_taken() -> None:
    """Those in backends/ take the place of Alembic's own, which they inherit from."""

    class Dialect(DefaultDialect):
        name = "private"

    class First(DefaultImpl):
        __dialect__ = "private"

    def taken() -> type[DefaultImpl] | None:
        with suppress(KeyError):
            return DefaultImpl.get_by_dialect(Dialect())
        return None

    assert taken() is First, "Alembic knows no __dialect__"

    class Second(First):
        __dialect__ = "private"

    assert taken() is Second, "Alembic keeps the first class with a __dialect__"


def test_batch_mode_asks_the_dialect(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def prepare(_: SQLiteImpl, batch: Any, table: Table) -> None:
        asked["prep_table_for_batch"] = table.name
        missing = {name for name in BATCH if not hasattr(batch, name)}
        assert not missing, f"Alembic's ApplyBatchImpl has no {missing}"
        assert batch.columns["a"].table is batch.new_table
        assert batch.reflected and not batch.table_args
        assert "expr" in batch.column_transfers["a"]
        assert batch.indexes["ix"].name == "ix"

    def cast(_: SQLiteImpl, existing: Column[Any], transfer: dict[str, Any], new: Any) -> None:
        asked["cast_for_batch_migrate"] = existing.name
        assert "expr" in transfer

    monkeypatch.setattr(SQLiteImpl, "prep_table_for_batch", prepare)
    monkeypatch.setattr(SQLiteImpl, "cast_for_batch_migrate", cast)
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE t (a VARCHAR(9))"))
        connection.execute(text("CREATE INDEX ix ON t (a)"))
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("t") as batch:
            batch.alter_column("a", type_=Integer())
    engine.dispose()
    assert asked.keys() == HOOKS, f"Alembic does not call {HOOKS - asked.keys()}"


def test_proxy_is_the_environment_that_runs(tmp_path: Path) -> None:
    """A factory that migrates takes it away, and gets it back before the migration that is waited for."""
    (tmp_path / "versions").mkdir()
    config = Config()
    config.set_main_option("script_location", str(tmp_path))
    script = ScriptDirectory.from_config(config)
    with EnvironmentContext(config, script) as running:
        assert getattr(context, "_proxy", None) is running, "alembic.context has no _proxy"
        with EnvironmentContext(config, script):
            pass
        running.__enter__()
        assert context.config is config


@pytest.mark.parametrize("name", sorted(REPLACED))
def test_replaced_method_is_the_one_that_is_called(name: str) -> None:
    engine = create_engine("sqlite://")
    connection = engine.connect()
    target = {"connect": engine, "do_rollback": engine.dialect}.get(name, connection)
    method = getattr(target, name)
    called = []

    def recorded(*arguments: object) -> object:
        called.append(name)
        return connection if target is engine else method(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "connect", lambda: connection)
        patch.setattr(target, name, recorded)
        REPLACED[name](connection)
    assert called, f"{name}() is not called any more {REPLACED[name].__name__}"
    connection.close()
    engine.dispose()
