"""The documentation: its numbers are those of one run, its links lead somewhere, its commands work."""

import json
import re
import shlex
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from kit import ROOT, Project, run
from servers import query
from sqlalchemy import make_url
from test_readme import SUITE, commands

from benchmarks.documents import RESULTS, documents, figures, filled

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MEASURED = json.loads((ROOT / RESULTS).read_text(encoding="utf-8"))
# By test_commands, by test_readme.py, and each of the others by the tests of what it is about.
TESTED = {
    *("autogenerate", "deploying", "databases"),
    *("README", "history", "squash", "plan", "lint"),
}
# What it prints is tested in test_benchmarks.py.
OF_THE_KIT = "uv run python -m benchmarks --publish"
PROSE = re.compile(
    r"<!-- measured: .*?<!-- end -->|```.*?```|`[^`]*`|\]\([^)]*\)|<[^>]*>"  # code, links, tags
    r"|[A-Z][\w-]+ \d+\.\d+[\d.]*(?: to \d[\d.]*)?|\d[\d.]* or newer",  # versions
    re.DOTALL,
)


def test_numbers_are_those_of_the_results() -> None:
    """What is measured stands between comments, written from the results, and nowhere else."""
    assert documents(ROOT) == PAGES
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert filled(text, MEASURED) == text, f"python -m benchmarks --runs 0 --publish: {page}"
        typed = re.findall(r"\d+\.\d+|\d+ ?%|\b\d+ of \d+\b|\b\d+ times\b", PROSE.sub("", text))
        assert not typed, f"{page}: {typed}"


def test_figures_are_those_of_the_results() -> None:
    for name, text in figures(MEASURED).items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text
        ElementTree.fromstring(text)


def test_recording_is_text_and_small() -> None:
    drawn = (ROOT / "docs" / "first-minute.svg").read_text(encoding="utf-8")
    said = "".join(ElementTree.fromstring(drawn).itertext())
    assert len(drawn) < 200_000
    for shown in ("uvx cookiecutter ", "[5/5]", "alembic upgrade head", "[y/N] y", "alembic check"):
        assert shown in said


def anchors(page: Path) -> set[str]:
    """Return what links to the headings of a page may end in, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = [title.lower() for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


LINKING = [
    *PAGES,
    *(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "tests/replaces.md")),
    ROOT / "{{cookiecutter.project}}" / "README.md",
]


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    here = "https://github.com/org/flask-alembic-kit/blob/main/"
    text = text.replace("/flask-alembic-kit#", "/flask-alembic-kit/blob/main/README.md#")
    links = re.findall(r'\]\(([^)]+)\)|(?:src|srcset)="([^"]+)"', text)
    for link in (first or second for first, second in links):
        path, _, anchor = link.removeprefix(here).partition("#")
        if path.startswith("http"):
            continue
        target = ROOT / path if link.startswith(here) else page.parent / path if path else page
        assert target.exists(), f"{page}: {link}"
        assert not anchor or anchor in anchors(target), f"{page}: {link}"


# What is changed before a line is typed.
EDITS = {
    "rename=posts.title": ("title: Mapped", "headline: Mapped"),
    "fill=posts.body": ("headline: Mapped", "body: Mapped[str]\n    headline: Mapped"),
}


@pytest.mark.parametrize("page", ["autogenerate", "deploying", "databases"])
def test_commands(page: str, request: pytest.FixtureRequest) -> None:
    """Each page from top to bottom, in a new project that is at head."""
    project: Project = request.getfixturevalue("multidb" if page == "databases" else "generic")
    project.alembic("upgrade", "head")
    for line in commands(ROOT / "docs" / f"{page}.md"):
        for part, (old, new) in EDITS.items():
            if part in line:
                project.edit("models.py", old, new)
        run(sys.executable, "-m", *shlex.split(line), cwd=project.folder)


def test_questions_name_what_the_kit_says_and_their_example_runs(generic: Project) -> None:
    """The longer pieces of each message, between the names and dots."""
    page = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")
    kit = "".join(
        path.read_text("utf-8") for path in (generic.versions.parent / "kit").rglob("*.py")
    )
    said = re.sub(r'"\s+f?"', "", kit)
    answers = page.partition("## The commands of other tools")[0]
    rows = re.findall(r"^\| [^|]* \| ([^|]*) \| ", answers, re.MULTILINE)
    messages = [message for row in rows for message in re.findall("`([^`]+)`", row)]
    pieces = [
        piece for each in messages for piece in re.split(r"\.\.\.|'\w+'|: run | \d |\w+\.\w+", each)
    ]
    pieces = [piece.strip(" .,") for piece in pieces if len(piece.split()) > 2]
    assert len(pieces) >= 8 and [piece for piece in pieces if piece not in said] == []
    (example,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    generic.add_revision("op.execute(\"INSERT INTO users (name) VALUES (' ada ')\")")
    generic.add_revision("pass")
    (path,) = generic.versions.glob("*r002*")
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("def ")] + example, encoding="utf-8")
    generic.alembic("upgrade", "head")
    assert query(
        make_url(f"sqlite:///{generic.databases['default']}"), "SELECT name FROM users"
    ) == ["Ada"]
    generic.alembic("downgrade", "base")


def test_commands_of_all_pages_are_run() -> None:
    for page in PAGES:
        if page.stem not in TESTED and commands(page):
            assert {*commands(page)} <= {OF_THE_KIT, *SUITE}, f"no test runs the commands of {page}"


def test_readme_is_short_and_its_first_screen_says_why_and_how() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    first = "\n".join(lines[:25])
    for needed in ("uvx cookiecutter ", "flask-alembic-kit adopt", "<!-- end -->", "-m benchmarks"):
        assert needed in first
