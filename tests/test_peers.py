"""What the README says of the kit beside other tools is so: the kit does it, and they do not.

When a test of another tool fails, the tool has learned what the README says that it cannot do.
"""

import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path

import peers
import pytest
from peers import CASES, TOOLS, Peer, build, replicas

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Peer]:
    """Return the app with a tool; not to be changed."""
    return cache(lambda tool: build(tool, tmp_path_factory.mktemp(tool)))


@pytest.fixture
def peer(
    tool: str, built: Callable[[str], Peer], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Peer:
    """The app with the tool of the test; what its processes said is shown when that fails."""
    caplog.set_level(logging.INFO, "peers")
    return built(tool).copy(tmp_path)


def test_table_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its cheapest row only."""
    row = CASES["without-flask"]
    monkeypatch.setattr(peers, "CASES", {"without-flask": row})
    peers.main()
    assert f"| {row.title} | yes | no | no | yes |" in capsys.readouterr().out


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("replicas")])
def test_only_the_kit(name: str, tool: str, peer: Peer) -> None:
    """Save for what some other tool does as well."""
    case = CASES[name]
    measured = case.measure(peer)
    if tool in ("kit", *case.others):
        assert measured == case.wanted
    else:
        assert measured != case.wanted


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("dialect", ["postgresql", "mysql", "sqlite"])
def test_only_the_kit_has_replicas(dialect: str, tool: str, peer: Peer) -> None:
    """With fewer than in the table, for time's sake; the kit's own tests have eight and thirty."""
    succeeded = replicas(peer, dialect, number=3)
    if tool == "kit":
        assert succeeded == 3
    else:
        assert succeeded < 3


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool != "kit"])
def test_one_process_alone_works(tool: str, peer: Peer) -> None:
    """So nothing but their number makes the replicas fail."""
    assert replicas(peer, "sqlite", number=1) == 1
