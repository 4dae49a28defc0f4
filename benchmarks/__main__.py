"""The command: measures cases, prints them as tables, keeps them, and fills the documents."""

import argparse
import json
import logging
import os
import re
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import servers
from kit import ROOT
from peers import CASES as SURVIVAL
from peers import TOOLS, build

from .cases import CASES
from .documents import RESULTS, publish
from .measure import Sample, in_turns, table

PACKAGES = (
    "alembic",
    "sqlalchemy",
    "flask",
    "flask-migrate",
    "flask-alembic",
    "psycopg",
    "pymysql",
)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument(
        "case", nargs="*", default=["*"], help="names, or patterns such as 'heads*'"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--quick", action="store_true", help="small cases, one run, no warm-up")
    parser.add_argument(
        "--runs", type=int, default=5, help="at least, after the warm-up; 0: only read FILE"
    )
    parser.add_argument(
        "--seconds", type=float, default=30, help="a shorter case has more rounds (default: 30)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep results; others in it stay")
    parser.add_argument(
        "--publish",
        type=Path,
        nargs="?",
        const=ROOT,
        metavar="FOLDER",
        help=f"keep results in {RESULTS}, count what survives, fill README.md, docs and figures",
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show what failing replicas say"
    )
    return parser.parse_args()


def measure(name: str, chosen: argparse.Namespace) -> dict[str, list[Sample]] | None:
    """Return the samples of a case by contender; None without the server that it needs."""
    runs, seconds = (1, 0.0) if chosen.quick else (chosen.runs, chosen.seconds)
    with TemporaryDirectory() as folder, ExitStack() as stack:
        try:
            contenders = CASES[name].make(Path(folder), stack)
            return in_turns(contenders, runs, seconds=seconds, warm_up=not chosen.quick)
        except pytest.skip.Exception as error:
            print(f"**{name}**: {error}\n")
            return None


def survivors(name: str) -> dict[str, int] | None:
    """Return what is left with each tool; None without the server that the case needs."""
    found = {}
    for tool, details in TOOLS.items():
        with TemporaryDirectory() as folder:
            try:
                measured = SURVIVAL[name].measure(build(tool, Path(folder)))
            except pytest.skip.Exception as error:
                print(f"**{name}**: {error}\n")
                return None
        found[details.title] = int(measured)
    print(f"**{name}**: {found}\n", flush=True)
    return found


def installed() -> dict[str, str]:
    """Return the versions of what is measured, and of the servers that are there."""
    found = {name: version(name) for name in PACKAGES} | {"python": python_version()}
    for dialect in servers.SERVERS:
        try:
            (said,) = servers.query(servers.server(dialect), "SELECT version()")
        except pytest.skip.Exception:
            continue
        numbers = [word for word in said.replace("-", " ").split() if word[0].isdigit()]
        found["mariadb" if "MariaDB" in said else dialect] = numbers[0]
    return found


def written(kept: dict[str, Any]) -> str:
    """Return the results as JSON, a line for each sample."""
    text = json.dumps(kept, indent=1) + "\n"
    return re.sub(r"{\s+([^{}]*?)\s+}", lambda found: f"{{{' '.join(found[1].split())}}}", text)


def main() -> None:
    chosen = options()
    if chosen.publish and not chosen.json:
        chosen.json = chosen.publish / RESULTS
    names = [name for name in CASES if any(fnmatch(name, pattern) for pattern in chosen.case)]
    if chosen.quick and "*" in chosen.case:
        names = [name for name in names if CASES[name].is_quick]
    if not names:
        sys.exit(f"No case is called {' or '.join(chosen.case)}: see --list.")
    if chosen.list:
        print(*names, sep="\n")
        return
    if chosen.verbose:
        logging.basicConfig(level=logging.INFO)
    kept: dict[str, Any] = {"survival": {}, "results": {}}
    is_whole = bool(chosen.publish and chosen.runs and "*" in chosen.case)
    if chosen.json and chosen.json.exists() and not is_whole:
        kept = json.loads(chosen.json.read_text(encoding="utf-8"))
    if chosen.runs:
        kept |= {"cores": os.cpu_count(), "versions": installed()}
    if is_whole:
        found = {name: survivors(name) for name in SURVIVAL}
        kept["survival"] = {name: left for name, left in found.items() if left}
    for name in names:
        start = time.monotonic()
        if chosen.runs:
            samples = measure(name, chosen)
            if samples is None:
                continue
            kept["results"][name] = {
                contender: [asdict(sample) for sample in found]
                for contender, found in samples.items()
            }
            if chosen.json:
                chosen.json.write_text(written(kept), encoding="utf-8")
        if name in kept["results"]:
            results = {
                contender: [Sample(**sample) for sample in found]
                for contender, found in kept["results"][name].items()
            }
            print(table(name, CASES[name].title, results), flush=True)
        print(f"{name} took {time.monotonic() - start:.0f} s", file=sys.stderr)
    print(", ".join(f"{name} {number}" for name, number in kept["versions"].items()))
    if chosen.publish:
        publish(kept, chosen.publish)


main()
