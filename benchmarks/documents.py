"""What the documents say in numbers: written from the results, between two comments in Markdown.

``<!-- measured: NAME -->`` begins what the function of that name in ``TEXTS`` returns, ``<!-- end -->``
ends it. The figures come from the same results.
"""

import re
from collections.abc import Callable
from math import isnan
from pathlib import Path
from statistics import median
from typing import Any

from kit import ROOT
from peers import CASES as SURVIVAL
from peers import REPLICAS

from . import measure
from .cases import CASES
from .figure import THEMES, Bar, draw
from .measure import KIT, Sample, best, pairs, rivals

Results = dict[str, Any]
RESULTS = Path("docs", "measured.json")
# What the figures show, each case with a title that fits a telephone: what users have, and extremes.
SPEED = {
    "upgrade-10-sqlite": "10 revisions from empty, SQLite",
    "upgrade-100-sqlite": "100 revisions from empty, SQLite",
    "upgrade-1000-sqlite": "1000 revisions from empty, SQLite",
    "check-30-postgresql": "check of 30 tables, PostgreSQL",
    "replicas-10-postgresql": f"{REPLICAS} replicas at once, 10 revisions, PostgreSQL",
    "tests-200-sqlite": "200 tests of an app, SQLite",
}
SAFETY = {
    "foreign-keys": "Rows left, of 100: parent altered, SQLite",
    "rename": "Values left, of 100: column renamed",
    "replicas-postgresql": f"Replicas that start, of {REPLICAS}: PostgreSQL",
    "replicas-mysql": f"Replicas that start, of {REPLICAS}: MariaDB",
    "replicas-sqlite": f"Replicas that start, of {REPLICAS}: SQLite",
}
SHORT = {
    "(plain, in one transaction)": "one transaction",
    "(plain, with docs/upstream)": "plain, patched",
    "create_all() and drop_all()": "tables made anew",
}


def documents(root: Path) -> list[Path]:
    """Return the documents of the kit."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def filled(text: str, results: Results) -> str:
    """Return a document with what the results say."""

    def write(found: re.Match[str]) -> str:
        return f"{found[1]}\n{TEXTS[found[2]](results)}\n{found[3]}"

    block = r"(<!-- measured: ([a-z]+) -->)\n.*?\n?(<!-- end -->)"
    return re.sub(block, write, text, flags=re.DOTALL)


def publish(results: Results, root: Path = ROOT) -> None:
    """Write the numbers into the documents, and the figures."""
    for path in documents(root):
        path.write_text(filled(path.read_text(encoding="utf-8"), results), encoding="utf-8")
    for name, text in figures(results).items():
        (root / "docs" / name).write_text(text, encoding="utf-8")


def figures(results: Results) -> dict[str, str]:
    """Return each figure by the name of its file."""
    speed = {
        title: times(samples(results, name))
        for name, title in SPEED.items()
        if name in results["results"]
    }
    safety = {
        title: [Bar(tool, value, str(value), int(tool != KIT)) for tool, value in left.items()]
        for name, title in SAFETY.items()
        if (left := results["survival"].get(name))
    }
    drawn = {
        "speed": ("Seconds, shorter is better. Outlined: for comparison", speed),
        "safety": ("Longer is better", safety),
    }
    return {
        f"{name}-{theme}.svg": draw(title, groups, theme)
        for name, (title, groups) in drawn.items()
        for theme in THEMES
    }


def times(contenders: dict[str, list[Sample]]) -> list[Bar]:
    """Return a bar of seconds for each contender."""
    found = []
    for name, kept in contenders.items():
        failed = max(sample.failed for sample in kept)
        shown = f"{failed} fail" if failed else f"{seconds(kept)} s"
        kind = 0 if name == KIT else 2 if name.startswith("(") else 1
        found.append(Bar(SHORT.get(name, name.strip("()")), wall(kept), shown, kind))
    return found


def samples(results: Results, case: str) -> dict[str, list[Sample]]:
    """Return the samples of a case by contender."""
    kept = results["results"][case].items()
    return {contender: [Sample(**sample) for sample in found] for contender, found in kept}


def wall(kept: list[Sample]) -> float:
    return median(sample.wall for sample in kept)


def seconds(kept: list[Sample]) -> str:
    return f"{wall(kept):.2f}"


def ratio(contenders: dict[str, list[Sample]], other: str) -> str:
    """Return the median of the ratios of the kit's time to another's, with the smallest and largest."""
    found = pairs(contenders, other)
    return f"{median(found):.2f} ({min(found):.2f} to {max(found):.2f})"


WHY = """\
- **No row is lost.** SQLite changes a table by a copy. With `foreign_keys=ON` and `ON DELETE CASCADE`, that
  deletes the rows that refer to it: of 100, Flask-Migrate leaves {rows[1]}, the kit {rows[0]}. The kit also asks what was renamed.
- **Every replica starts.** Of {number} that run `upgrade head` at once on PostgreSQL, {replicas[1]} succeeds with
  Flask-Migrate, {replicas[0]} with the kit.
- **It is quick.** 1000 revisions on SQLite take {large[1]} s with Flask-Migrate, {large[0]} s with the kit. 200
  tests take {tests[1]} s with `create_all()` and `drop_all()`, {tests[0]} s with the kit's fixture."""


def why(results: Results) -> str:
    """Three points for the first screen."""

    def two(found: dict[str, Any]) -> list[Any]:
        """Return what is there for the kit, and for the first of the others."""
        return list(found.values())[:2]

    large, tests = (
        [seconds(kept) for kept in two(samples(results, name))]
        for name in ("upgrade-1000-sqlite", "tests-200-sqlite")
    )
    return WHY.format(
        number=REPLICAS,
        rows=two(results["survival"]["foreign-keys"]),
        replicas=two(results["survival"]["replicas-postgresql"]),
        large=large,
        tests=tests,
    )


def survival(results: Results) -> str:
    """What is left by each tool."""
    kept = results["survival"]
    tools = [name for name in next(iter(kept.values()))]
    lines = [f"| case | {' | '.join(tools)} | shown by |", "| --- " * (len(tools) + 2) + "|"]
    for name, found in kept.items():
        case = SURVIVAL[name]
        cells = [("no", "yes")[found[x]] if case.wanted is True else str(found[x]) for x in tools]
        is_replicas = name.startswith("replicas")
        shown = "_has_replicas" if is_replicas else f"[{name}]"
        lines.append(f"| {case.title} | {' | '.join(cells)} | `test_only_the_kit{shown}` |")
    return "\n".join(lines)


def speed(results: Results) -> str:
    """The seconds of each tool, case by case."""
    lines = [
        "| work | this kit | Flask-Migrate | Flask-Alembic | plain `env.py` | ratio | case |",
        "| --- " * 7 + "|",
    ]
    for case in CASES:
        if case not in results["results"] or case.startswith("tests"):
            continue
        found = samples(results, case)
        cells = []
        for kept in list(found.values())[:4]:
            failed = max(sample.failed for sample in kept)
            cells.append(seconds(kept) + f" ({failed} of {REPLICAS} fail)" * bool(failed))
        last = (
            ratio(found, best(found))
            if rivals(found)
            else ratio(found, alone(found)) + " of one alone"
        )
        lines.append(f"| {CASES[case].title} | {' | '.join(cells)} | {last} | `{case}` |")
    return "\n".join(lines)


def alone(contenders: dict[str, list[Sample]]) -> str:
    """Return the name of one kit alone, in the place of several at once."""
    (name,) = [name for name in contenders if name.endswith("one alone)")]
    return name


def suites(results: Results) -> str:
    """The seconds of the tests of an app."""
    lines = [
        "| the app's tests | rolled back, as here | `create_all()` and `drop_all()` | ratio | case |",
        "| --- " * 5 + "|",
    ]
    for case in CASES:
        if case in results["results"] and case.startswith("tests"):
            found = samples(results, case)
            (other,) = [name for name in found if name != KIT]
            cells = f"{seconds(found[KIT])} | {seconds(found[other])} | {ratio(found, other)}"
            lines.append(f"| {CASES[case].title} | {cells} | `{case}` |")
    return "\n".join(lines)


def floor(results: Results) -> str:
    """What was measured only to compare, beside the kit."""
    lines = ["| work | what | seconds | this kit | case |", "| --- " * 5 + "|"]
    for case in CASES:
        if case not in results["results"]:
            continue
        found = samples(results, case)
        for name, kept in found.items():
            if name.startswith("("):
                cells = f"{name.strip('()')} | {seconds(kept)} | {seconds(found[KIT])}"
                lines.append(f"| {CASES[case].title} | {cells} | `{case}` |")
    return "\n".join(lines)


def memory(results: Results) -> str:
    """The peak memory of the kit, where it differs most."""
    kept = {case: samples(results, case) for case in results["results"]}
    found = {measure.memory(each): case for case, each in kept.items() if rivals(each)}
    if any(isnan(ratio) for ratio in found):
        return "Peak memory is not in these results."
    return (
        f"Peak memory is {min(found):.2f} to {max(found):.2f} times that of the least of the others "
        f"(most in `{found[max(found)]}`)."
    )


def versions(results: Results) -> str:
    """What was measured, where, and how often."""
    runs = {len(kept) for case in results["results"].values() for kept in case.values()}
    shown = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    times = f"{min(runs)}" if len(runs) == 1 else f"{min(runs)} to {max(runs)}"
    return f"Median of {times} rounds after a warm-up, on {results['cores']} cores: {shown}."


TEXTS: dict[str, Callable[[Results], str]] = {
    "why": why,
    "survival": survival,
    "speed": speed,
    "suites": suites,
    "floor": floor,
    "memory": memory,
    "versions": versions,
}
