"""What is measured: each case makes the same work for the kit, the other tools, and the floor.

The floor is what no tool can be faster than: the same statements through the bare driver, or the
bare import of Alembic, SQLAlchemy and Flask. Its name is in brackets, as is that of a plain ``env.py``
which puts everything into one transaction: what is fast on SQLite without the kit.
"""

import json
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import alembic
import servers
from kit import ROOT, render
from kit import run as shell
from peers import CREATE_ALL, REPLICAS, TOOLS, Peer, build
from sqlalchemy import URL

from .measure import KIT, Sample, timed

Contenders = dict[str, Callable[[], Sample]]

DIALECTS = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MySQL or MariaDB"}


@dataclass(frozen=True)
class Case:
    """Something to measure."""

    title: str
    # Makes the contenders in a folder; what they need is kept until the stack is closed.
    make: Callable[[Path, ExitStack], Contenders]
    is_quick: bool = False


@contextmanager
def database(dialect: str, folder: Path) -> Iterator[URL]:
    """Yield the URL of an empty database: on a server, or a new file."""
    if dialect != "sqlite":
        with servers.database(dialect) as url:
            yield url
        return
    file = folder / f"{secrets.token_hex(6)}.db"
    try:
        yield URL.create("sqlite", database=file.as_posix())
    finally:
        for path in folder.glob(f"{file.name}*"):
            path.unlink()


@cache
def built(variant: str) -> tuple[TemporaryDirectory[str], dict[str, Peer]]:
    """Make the app with each tool, once; the folder goes when the process ends."""
    folder = TemporaryDirectory()
    return folder, {name: build(name, Path(folder.name, name), variant) for name in TOOLS}


def peers(folder: Path, variant: str = "generic") -> dict[str, Peer]:
    """Return the app with each tool, a copy."""
    return {name: peer.copy(folder / f"with-{name}") for name, peer in built(variant)[1].items()}


def titles(contenders: Mapping[str, Callable[[], Sample]]) -> Contenders:
    """Call the tools by their titles."""
    return {TOOLS[name].title: run for name, run in contenders.items()}


def run(peer: Peer, *command: str, url: URL, **options: Any) -> Sample:
    """Time a command of a tool on a database."""
    environment = {**servers.at(url), **options.pop("environment", {})}
    arguments = ("-m", *peer.tool.command, *command)
    return timed(*arguments, cwd=peer.folder, environment=environment, **options)


def bodies(number: int) -> list[str]:
    """Return as many revisions: every tenth makes a table, the others add a column to it."""
    return [
        f'op.create_table("t{n}", sa.Column("id", sa.Integer, primary_key=True))'
        if n % 10 == 0
        else f'op.add_column("t{n - n % 10}", sa.Column("c{n}", sa.String(80)))'
        for n in range(number)
    ]


def from_empty(peer: Peer, dialect: str, number: int = 1, **options: Any) -> Sample:
    """Time ``upgrade head`` on an empty database, by one process or by several at once."""
    with database(dialect, peer.folder) as url:
        return run(peer, "upgrade", "head", url=url, number=number, **options)


IMPORTS = "import alembic.config, flask, sqlalchemy"
FLOOR = """
import sys
from pathlib import Path
url, file = sys.argv[1:]
if url.startswith("sqlite"):
    import sqlite3
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
else:
    import psycopg
    connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
connection.execute("BEGIN")
for statement in Path(file).read_text().split(";\\n\\n"):
    if statement.strip() not in ("", "BEGIN", "COMMIT"):
        connection.execute(statement)
connection.execute("COMMIT")
"""


def bare_driver(peer: Peer, dialect: str, imports: str = "") -> Sample:
    """Time the statements of an upgrade through the driver of the database."""
    script = peer.folder / f"{dialect}.sql"
    with database(dialect, peer.folder) as url:
        if not script.exists():
            arguments = ("-m", *peer.tool.command, "upgrade", "head", "--sql")
            script.write_text(peer.python(*arguments, url=url).stdout, encoding="utf-8")
        address = url.render_as_string(hide_password=False)
        return timed("-c", imports + FLOOR, address, str(script), cwd=peer.folder)


IN_ONE_TRANSACTION = {
    "from sqlalchemy import pool\n": "from sqlalchemy import event, pool\n",
    "    with connectable.connect() as connection:\n": """\
    event.listen(connectable, "begin", lambda c: c.exec_driver_sql("BEGIN"))
    with connectable.connect() as connection:
""",
    "target_metadata=target_metadata\n        )": """\
target_metadata=target_metadata,
            transactional_ddl=True,
        )""",
}


def in_one_transaction(peer: Peer) -> Peer:
    """Make a plain env.py do on SQLite what the kit does, without its locks, checks and log."""
    env = peer.folder / "migrations" / "env.py"
    text = env.read_text(encoding="utf-8")
    for old, new in IN_ONE_TRANSACTION.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    env.write_text(text, encoding="utf-8")
    return peer


def with_patch(folder: Path) -> dict[str, str]:
    """Return the environment of a command with the change of Alembic that docs/upstream proposes."""
    copy = folder / "patched"
    shutil.copytree(Path(alembic.__file__).parent, copy / "alembic")
    git("apply", str(ROOT / "docs" / "upstream" / "alembic-version-number.patch"), folder=copy)
    return {"PYTHONPATH": str(copy)}


def upgrade(folder: Path, stack: ExitStack, *, revisions: int, dialect: str) -> Contenders:
    """``upgrade head`` from an empty database."""
    apps = peers(folder)
    for peer in apps.values():
        peer.revise(*bodies(revisions))
    contenders = titles({name: partial(from_empty, peer, dialect) for name, peer in apps.items()})
    if dialect == "sqlite":
        peer = in_one_transaction(apps["plain"].copy(folder / "in-one-transaction"))
        contenders["(plain, in one transaction)"] = partial(from_empty, peer, dialect)
    if revisions == 1000:
        patched = partial(from_empty, apps["plain"], dialect, environment=with_patch(folder))
        contenders["(plain, with docs/upstream)"] = patched
    return contenders | {"(bare driver)": partial(bare_driver, apps["plain"], dialect)}


def squashed(folder: Path, stack: ExitStack, *, revisions: int, dialect: str) -> Contenders:
    """``upgrade head`` from empty: for the kit, with all revisions in one."""
    apps = peers(folder)
    for peer in apps.values():
        peer.revise(*bodies(revisions))
    kit = apps["kit"]
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "all")):
        git(*command, folder=kit.folder)
    with database(dialect, folder) as url:
        kit.python("-m", "flask_alembic_kit", "squash", "--yes", url=url, timeout=600)
    contenders = titles({name: partial(from_empty, peer, dialect) for name, peer in apps.items()})
    if dialect != "mysql":  # no shorter way: what any tool imports, and what the server then does
        contenders["(imports, bare driver)"] = partial(bare_driver, kit, dialect, IMPORTS)
    return contenders


def git(*command: str, folder: Path) -> None:
    """Run git, as somebody."""
    user = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    shell("git", *user, *command, cwd=folder)


def replicas(folder: Path, stack: ExitStack, *, revisions: int, dialect: str) -> Contenders:
    """Several ``upgrade head`` at once, on the same empty database, and one alone."""
    apps = peers(folder)
    for peer in apps.values():
        peer.revise(*bodies(revisions))
    contenders = titles(
        {name: partial(from_empty, peer, dialect, REPLICAS) for name, peer in apps.items()}
    )
    return contenders | {f"({KIT}, one alone)": partial(from_empty, apps["kit"], dialect)}


def bare_imports(folder: Path) -> Sample:
    """Time the import of the libraries alone."""
    return timed("-c", IMPORTS, cwd=folder)


def command(folder: Path, stack: ExitStack, *, name: str, revisions: int) -> Contenders:
    """A command on a migrated SQLite database."""
    contenders = {}
    for tool, peer in peers(folder).items():
        peer.revise(*bodies(revisions))
        peer.upgrade()
        arguments = ("log",) if (tool, name) == ("flask-alembic", "history") else name.split()
        contenders[tool] = partial(run, peer, *arguments, url=peer.url)
    return titles(contenders) | {"(bare imports)": partial(bare_imports, folder)}


TABLE = """

class T{number}(Model):
    __tablename__ = "t{number}"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    title: Mapped[str | None] = mapped_column(String(200), index=True)
    amount: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
"""


def models(number: int) -> str:
    """Return the code of as many models."""
    return "".join(TABLE.format(number=n) for n in range(number))


def compare(
    folder: Path, stack: ExitStack, *, tables: int, dialect: str, autogenerate: bool
) -> Contenders:
    """``check`` without a difference, or ``revision --autogenerate`` of a new column."""
    contenders: Contenders = {}
    for tool, peer in peers(folder).items():
        url = stack.enter_context(database(dialect, folder))  # one each: the kit adds a table
        peer.extend_models(models(tables))
        file = peer.folder / "shop" / "models.py"
        code = file.read_text(encoding="utf-8")  # MariaDB spells now() otherwise: a difference
        file.write_text(code.replace("server_default=func.now()", ""), encoding="utf-8")
        peer.make_tables(url=url)
        if autogenerate:
            peer.extend_models("\n\nT0.extra = mapped_column(String(20))\n")
            contenders[tool] = partial(new_revision, peer, url)
        else:
            contenders[tool] = partial(run, peer, "check", url=url)
    return titles(contenders)


def new_revision(peer: Peer, url: URL) -> Sample:
    """Time a command that writes a revision, and remove what it wrote."""
    sample = run(peer, *peer.tool.autogenerate, url=url)
    versions = peer.folder / peer.tool.versions
    (written,) = {*versions.glob("*.py")} - {versions / "r0.py"}
    assert "extra" in written.read_text(encoding="utf-8")
    written.unlink()
    return sample


def several(folder: Path, stack: ExitStack, *, databases: int, dialect: str) -> Contenders:
    """``upgrade head`` of several empty databases, ten revisions each."""
    contenders: Contenders = {}
    for tool, peer in peers(folder, "multidb").items():
        config = peer.folder / "shop" / "config.py"
        text = config.read_text(encoding="utf-8")
        binds = '{"auth": database_url("AUTH_DATABASE_URL")}'
        assert text.count(binds) == 1
        read = "__import__('json').loads(os.environ['BINDS'])"
        config.write_text(text.replace(binds, read), encoding="utf-8")
        peer.revise(*bodies(10))
        for revision in (peer.folder / peer.tool.versions).glob("r*.py"):
            text = revision.read_text(encoding="utf-8")
            revision.write_text(text.replace("upgrade()", "upgrade(engine_name)"), encoding="utf-8")
        contenders[tool] = partial(several_from_empty, peer, databases, dialect)
    return titles(contenders)


def several_from_empty(peer: Peer, databases: int, dialect: str) -> Sample:
    """Time ``upgrade head`` on empty databases."""
    with ExitStack() as stack:
        url, *others = [
            stack.enter_context(database(dialect, peer.folder)) for _ in range(databases)
        ]
        names = ["auth", *(f"bind{number}" for number in range(2, databases))]
        binds = {
            name: other.render_as_string(hide_password=False)
            for name, other in zip(names, others, strict=True)
        }
        return run(peer, "upgrade", "head", url=url, environment={"BINDS": json.dumps(binds)})


TESTS = """
import pytest
from sqlalchemy import select

from shop.db import db
from shop.models import User


@pytest.mark.parametrize("number", range({number}))
def test_user(app, number):
    with app.app_context():
        assert db.session.scalar(select(User)) is None
        db.session.add(User(name=f"user {{number}}"))
        db.session.commit()
        assert db.session.scalar(select(User)).name == f"user {{number}}"
"""
CREATE_AND_DROP = """

@pytest.fixture(scope="session")
def created_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with app_in(tmp_path_factory.mktemp("databases")) as app:
        yield app


@pytest.fixture
def app(created_app: Flask) -> Iterator[Flask]:
    with created_app.app_context():
        db.create_all()
    yield created_app
    with created_app.app_context():
        db.session.remove()
        db.drop_all()
"""


def tests(folder: Path, stack: ExitStack, *, number: int, tables: int, dialect: str) -> Contenders:
    """Tests that each write to the database, with either kind of fixture."""
    contenders: Contenders = {}
    for name, fixtures in {KIT: "", "create_all() and drop_all()": CREATE_AND_DROP}.items():
        project = render(folder / name.split()[0], {"project": "shop"}, accept_hooks=False)
        with (project.folder / "shop" / "models.py").open("a") as file:
            file.write(models(tables))
        peer = Peer(TOOLS["kit"], project.folder)
        for revision in project.versions.glob("*.py"):
            revision.unlink()
        peer.revise(CREATE_ALL)
        with (project.folder / "tests" / "conftest.py").open("a") as file:
            file.write(fixtures)
        (project.folder / "tests" / "test_users.py").write_text(TESTS.format(number=number))
        server = (
            {} if dialect == "sqlite" else servers.at(servers.server(dialect), "TEST_DATABASE_URL")
        )
        contenders[name] = partial(
            timed,
            *("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_users.py"),
            cwd=project.folder,
            environment=server,
        )
    return contenders


CASES: dict[str, Case] = {
    **{
        f"upgrade-{revisions}-{dialect}": Case(
            f"`upgrade head` from empty, {revisions} revisions, {DIALECTS[dialect]}",
            partial(upgrade, revisions=revisions, dialect=dialect),
            revisions == 10,
        )
        for dialect, numbers in {
            "sqlite": (10, 100, 1000, 3000),
            "postgresql": (10, 100, 1000),
        }.items()
        for revisions in numbers
    },
    **{
        f"squashed-1000-{dialect}": Case(
            f"`upgrade head` from empty, 1000 revisions that the kit has squashed, {on}",
            partial(squashed, revisions=1000, dialect=dialect),
        )
        for dialect, on in DIALECTS.items()
    },
    **{
        f"{name.split()[0]}-{revisions}": Case(
            f"`{name}`{' with nothing to do' * (name == 'upgrade head')}, {revisions} revision"
            f"{'s' * (revisions > 1)}",
            partial(command, name=name, revisions=revisions),
            revisions == 1,
        )
        for name in ("heads", "history", "current", "upgrade head")
        for revisions in (1, 1000)
    },
    **{
        f"{kind}-{tables}-{dialect}": Case(
            f"`{shown}`, {tables} tables, {on}",
            partial(compare, tables=tables, dialect=dialect, autogenerate=kind == "autogenerate"),
            tables == 30,
        )
        for kind, shown, numbers in (
            ("check", "check", (30, 100, 500)),
            ("autogenerate", "revision --autogenerate", (30, 100)),
        )
        for dialect, on in DIALECTS.items()
        for tables in numbers
    },
    **{
        f"replicas-10-{dialect}": Case(
            f"{REPLICAS} `upgrade head` at once, 10 revisions, {DIALECTS[dialect]}",
            partial(replicas, revisions=10, dialect=dialect),
            is_quick=True,
        )
        for dialect in ("sqlite", "postgresql")
    },
    **{
        f"tests-{number}-{dialect}": Case(
            f"{number} tests of an app of 30 tables, {DIALECTS[dialect]}",
            partial(tests, number=number, tables=28, dialect=dialect),
            number == 10,
        )
        for dialect in ("sqlite", "postgresql")
        for number in (10, 200)
    },
    **{
        f"databases-{databases}-{dialect}": Case(
            f"`upgrade head` of {databases} empty databases, 10 revisions, {DIALECTS[dialect]}",
            partial(several, databases=databases, dialect=dialect),
            databases == 2,
        )
        for dialect, numbers in {"sqlite": (2, 10, 50), "postgresql": (2, 10)}.items()
        for databases in numbers
    },
}
