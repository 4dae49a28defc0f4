"""An app comes with the revisions and the rows that it has, whoever made them."""

import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from kit import run
from peers import TOOLS, Peer, build
from recipes import (
    Databases,
    empty_databases,
    follow,
    on_each_dialect,
    recipe,
    there_and_back,
    using,
    write_rows,
)

USERS = ["INSERT INTO users (id, name) VALUES (1, 'Ada'), (2, 'Bob')"]
POSTS = [
    "INSERT INTO posts (id, title, author_id) VALUES (1, 'One', 1), (2, 'Two', 1), (3, 'Three', 2)"
]
STATEMENTS = {
    "generic": {"default": USERS + POSTS},
    "multidb": {"default": POSTS, "auth": USERS},
}
ROWS = {
    "generic": {"default": {"users": 2, "posts": 3}},
    "multidb": {"default": {"posts": 3}, "auth": {"users": 2}},
}

# What differs in a tool where there are several databases.
SEVERAL: dict[str, dict[str, Any]] = {
    "flask-migrate": {"init": (*TOOLS["flask-migrate"].init, "--multidb")},
    "flask-alembic": {
        "extension": "import flask_alembic; flask_alembic.Alembic(app, metadatas="
        "{'default': db.metadata, 'auth': db.metadatas['auth']})"
    },
}
REVISE = {
    "flask-migrate": "db migrate -m",
    "flask-alembic": "db revision",
    "plain": "revision --autogenerate -m",
}
SECTIONS = {
    "flask-migrate": "From Flask-Migrate",
    "flask-alembic": "From Flask-Alembic",
    "plain": "From alembic init",
}
COMMANDS = """
import sys
from {module} import {main}

for line in sys.argv[1:]:
    {main}{call}
"""
BY_FLASK = COMMANDS.format(
    module="flask.cli",
    main="cli",
    call=".main(['--app', 'shop', *line.split()], standalone_mode=False)",
)
BY_ALEMBIC = COMMANDS.format(module="alembic.config", main="main", call="(line.split())")


def use(peer: Peer, databases: Databases, *commands: str) -> None:
    """Run commands of the tool in one process."""
    script = BY_FLASK if "flask" in peer.tool.command else BY_ALEMBIC
    run(sys.executable, "-c", script, *commands, cwd=peer.folder, env=using(databases))


@pytest.fixture(scope="session")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Peer]:
    """Return an app with two revisions that a tool has written; not to be changed."""

    def write(tool: str, variant: str) -> Peer:
        folder = tmp_path_factory.mktemp(f"{tool}-{variant}")
        changes = SEVERAL[tool] if variant == "multidb" else {}
        peer = build(tool, folder, variant, **changes)
        upgrade = "upgrade head" if tool == "plain" else "db upgrade"
        with empty_databases("sqlite", folder / "databases", *ROWS[variant]) as databases:
            use(peer, databases, f"{REVISE[tool]} first", upgrade)
            models = peer.folder / "shop" / "models.py"
            text = models.read_text(encoding="utf-8")
            column = '__tablename__ = "posts"\n\n    body: Mapped[str | None]'
            models.write_text(text.replace('__tablename__ = "posts"\n', column), encoding="utf-8")
            use(peer, databases, f"{REVISE[tool]} second", upgrade)
        return peer

    return cache(write)


@pytest.fixture
def databases(variant: str, tmp_path: Path) -> Iterator[list[Databases]]:
    """The databases of an app, all empty: on SQLite, and on PostgreSQL."""
    with on_each_dialect(tmp_path / "databases", *ROWS[variant]) as databases:
        yield databases


@pytest.mark.parametrize(
    ("tool", "variant"),
    [
        ("flask-migrate", "generic"),
        ("flask-migrate", "multidb"),
        ("flask-alembic", "generic"),
        ("flask-alembic", "multidb"),
        ("plain", "generic"),
    ],
)
def test_revisions_of_another_tool_run_as_they_are(
    tool: str,
    variant: str,
    databases: list[Databases],
    histories: Callable[[str, str], Peer],
    tmp_path: Path,
) -> None:
    peer = histories(tool, variant).copy(tmp_path)
    for each in databases:
        use(peer, each, "upgrade head" if tool == "plain" else "db upgrade")
        write_rows(each, STATEMENTS[variant])
    leave(peer)

    commands = recipe(SECTIONS[tool]).replace("variant=generic", f"variant={variant}")
    follow(commands, peer.folder, databases[0])

    for each in databases:
        there_and_back(peer.folder, each, ROWS[variant])


def leave(peer: Peer) -> None:
    """Take the tool out of the app."""
    factory = peer.folder / "shop" / "__init__.py"
    text = factory.read_text(encoding="utf-8")
    assert peer.tool.extension in text
    factory.write_text(text.replace(peer.tool.extension, ""), encoding="utf-8")
