"""``flask db graph``, the diagram of the models, and the commands of docs/plan.md."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from kit import FIRST_REVISION, ROOT, Project, run
from servers import query
from sqlalchemy import make_url

PAGE = (ROOT / "docs" / "plan.md").read_text(encoding="utf-8")
BRANCH = """
revision = "b1"
down_revision = None
branch_labels = ("billing",)
depends_on = "r001"
upgrade = downgrade = lambda engine_name=None: None
"""


def test_graph_shows_heads_branches_dependencies_and_where_each_database_is(
    multidb: Project,
) -> None:
    multidb.add_revision("pass")
    multidb.add_revision("pass")
    (multidb.versions / "b1.py").write_text(
        f'"""A "<b>" & #1; more."""\n{BRANCH}', encoding="utf-8"
    )
    multidb.alembic("upgrade", "r001")
    multidb.alembic("-x", "database=auth", "downgrade", "base")
    assert multidb.flask("db", "graph").stdout.splitlines() == [
        "flowchart TB",
        f'    r0["{FIRST_REVISION}<br>Users and posts."]',
        '    r1["r001"]',
        "    r0 --> r1",
        """    r2["b1<br>A '&lt;b&gt;' &amp; #35;1; more.<br>billing"]:::head""",
        "    r1 -. needed by .-> r2",
        '    r3["r002"]:::head',
        "    r1 --> r3",
        '    db0[("default")]',
        "    db0 === r1",
        '    db1[("auth: empty")]',
        "    classDef head stroke-width:4px",
    ]
    for _ in range(60):
        multidb.add_revision("pass")
    (path,) = multidb.versions.glob("*-r062.py")
    path.write_text(f'"""{"word " * 20}"""\n{path.read_text("utf-8")}', encoding="utf-8")
    drawn = multidb.flask("db", "graph").stdout
    assert '["60 revisions<br>r002 to r061"]' in drawn and 'word word…"]:::head' in drawn
    gone = {"DATABASE_URL": "postgresql+psycopg://x:secret@127.0.0.1:1/x"}
    unreached = multidb.flask("db", "graph", env=gone).stdout
    assert "%% Database 'default' cannot be reached" in unreached and "secret" not in unreached


def test_graph_of_a_database_that_newer_code_has_migrated(generic: Project) -> None:
    """To two heads, which are both shown, whatever their names are."""
    generic.alembic("upgrade", "head")
    url = make_url(f"sqlite:///{generic.databases['default']}")
    query(url, "UPDATE alembic_version SET version_num = 'new (1)'")
    query(url, "INSERT INTO alembic_version VALUES ('new (2)')")
    lines = generic.flask("db", "graph").stdout.splitlines()
    assert '    db0 === new0_0["new (1)?"]' in lines and '    db0 === new0_1["new (2)?"]' in lines


@pytest.mark.slow
def test_commands_of_the_page(multidb: Project) -> None:
    """In their order; the diagram is written, is looked at by the tests, and gets out of date."""
    multidb.alembic("upgrade", "head")
    readme = multidb.folder / "README.md"
    lines = re.findall(r"^<!-- .* -->$", PAGE, re.MULTILINE)
    text = readme.read_text(encoding="utf-8")
    readme.write_text("\n".join([text, *lines, ""]), encoding="utf-8")
    commands = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for command in "".join(commands).replace("shop.db", f"{multidb.package}.db").splitlines():
        tool, *words = shlex.split(command)
        if tool == "flask":
            multidb.flask(*words)
        else:
            run(Path(sys.executable).with_name(tool), *words, cwd=multidb.folder)
    written = readme.read_text(encoding="utf-8")
    assert written.count("```mermaid\nerDiagram\n") == 2
    assert (
        0
        < written.index("  posts {")
        < written.index("<!-- BEGIN_AUTH -->")
        < written.index("users {")
    )
    own_test = ("-m", "pytest", "-q", "tests/test_migrations.py", "-k", "diagram")
    multidb.python(*own_test)
    multidb.add_column()
    assert "run paracelsus inject README.md" in multidb.python(*own_test, status=1).stdout
