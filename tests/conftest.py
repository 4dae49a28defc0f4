"""Fixtures: rendered projects, each test with a copy of its own."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import servers
from kit import (
    CHOICES,
    COMBINATIONS,
    DIAGONAL,
    Project,
    combination_id,
    compile_modules,
    render,
    rendered_in,
)
from sqlalchemy import URL, make_url

SLOW = pytest.mark.slow

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # begun in the background by a shell
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the processes of tests inherit it


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a folder in which something is made once, for all processes of pytest."""
    root = tmp_path_factory.getbasetemp()
    shared = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder, made = shared / f"once-{name}", shared / f"once-{name}.made"
        while not made.exists():
            try:
                folder.mkdir()
            except FileExistsError:  # another is making it
                time.sleep(0.05)
                continue
            try:
                make(folder)
                made.touch()
            except BaseException:
                shutil.rmtree(folder)  # who waits for it, tries as well
                raise
        return folder

    return once


@pytest.fixture(scope="session")
def rendered(once: Callable[..., Path]) -> Callable[..., Project]:
    """Return a project as rendered with these answers; not to be changed."""

    def rendered(**answers: str) -> Project:
        def make(folder: Path) -> None:
            render(folder, answers)
            compile_modules(folder)

        name = "-".join(f"{name}={answer}" for name, answer in sorted(answers.items()))
        return rendered_in(once(name, make), answers)

    return rendered


@pytest.fixture(
    params=[
        pytest.param(each, id=combination_id(each), marks=[] if each in DIAGONAL else [SLOW])
        for each in COMBINATIONS
    ]
)
def combination(request: pytest.FixtureRequest) -> dict[str, str]:
    """Every combination of choices in turn; without the slow tests, every choice once."""
    answers: dict[str, str] = request.param
    return answers


@pytest.fixture
def combined(
    combination: dict[str, str], rendered: Callable[..., Project], tmp_path: Path
) -> Project:
    """A project of every combination in turn."""
    return rendered(**combination).copy(tmp_path)


@pytest.fixture(params=CHOICES["variant"])
def variant(request: pytest.FixtureRequest) -> str:
    """Every variant in turn, with the layer and the database that are asked first."""
    return str(request.param)


@pytest.fixture
def project(variant: str, rendered: Callable[..., Project], tmp_path: Path) -> Project:
    """A project of every variant in turn."""
    return rendered(variant=variant).copy(tmp_path)


@pytest.fixture
def migrated(
    variant: str, rendered: Callable[..., Project], once: Callable[..., Path], tmp_path: Path
) -> Project:
    """A project of every variant in turn, its databases at the first revision."""

    def make(folder: Path) -> None:
        rendered(variant=variant).copy(folder).alembic("upgrade", "head")

    folder = once(f"migrated-{variant}", make)
    return rendered_in(folder, {"variant": variant}).copy(tmp_path, databases=True)


@pytest.fixture
def generic(rendered: Callable[..., Project], tmp_path: Path) -> Project:
    """A project with one database."""
    return rendered(variant="generic").copy(tmp_path / "generic")


@pytest.fixture
def multidb(rendered: Callable[..., Project], tmp_path: Path) -> Project:
    """A project with several databases."""
    return rendered(variant="multidb").copy(tmp_path / "multidb")


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """An empty database of each kind in turn."""
    with servers.database(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def sqlite(tmp_path: Path) -> URL:
    """An empty database of SQLite."""
    return make_url(f"sqlite:///{(tmp_path / 'database.db').as_posix()}")


@pytest.fixture
def postgresql() -> Iterator[URL]:
    """An empty database of PostgreSQL."""
    with servers.database("postgresql") as url:
        yield url


@pytest.fixture(scope="session")
def uv() -> str:
    """The path of uv; without it the test is skipped, but fails where ``CI`` is set."""
    path = shutil.which("uv")
    if not path:
        assert "CI" not in os.environ, "uv is not installed"
        pytest.skip("uv is not installed")
    return path


def pytest_xdist_auto_num_workers() -> int:
    """Run more tests than there are processors: many wait for a lock, or for a server."""
    return (os.cpu_count() or 1) + 4
