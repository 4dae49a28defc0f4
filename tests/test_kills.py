"""Whatever ends a command, and when: its message, the version and the log are true, and the next goes on.

Each case makes a kill, or as many as ``KILLS`` says: ``KILLS=34 uv run pytest -m "" tests/test_kills.py``
makes a hundred with each signal on each kind of database.
"""

import itertools
import os
import random
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from kit import ANY, FIRST_REVISION, Project
from servers import at, connect, database, query, wait_until_left
from sqlalchemy import URL, text
from test_guard import ADVISORY_LOCKS, finished, start, tell, wait_for_line

if sys.platform == "win32":
    pytest.skip("signals are not known there", allow_module_level=True)

KILLS = int(os.environ.get("KILLS", "1"))
REVISIONS = 8
# What is said when a commit begins, and how long it then takes at least.
SLOW_COMMIT = """
import sys
import time
from sqlalchemy import Engine, event


@event.listens_for(Engine, "commit")
def announce(connection):
    print("committing", file=sys.stderr, flush=True)
    time.sleep(0.02)
"""
MOMENTS = {"migrating": 0.5, "waiting": 0.4, "committing": 0.06}  # how long, in seconds
CASES = list(
    itertools.product(["sqlite", "postgresql", "mysql"], MOMENTS, ["SIGKILL", "SIGTERM", "SIGINT"])
)
QUICK = {("sqlite", "committing", "SIGINT"), ("postgresql", "waiting", "SIGINT")}
QUICK |= {case for case in CASES if case[1:] == ("migrating", "SIGKILL")}


def add_revisions(project: Project, moment: str) -> None:
    project.add_revision('op.create_table("people", sa.Column("id", sa.Integer))')
    tell(project)
    for number in range(REVISIONS):
        project.add_revision(
            f"""
            op.add_column("people", sa.Column("c{number}", sa.Integer))
            op.execute("INSERT INTO people (id, c{number}) VALUES ({number}, 1)")
            time.sleep(0.05)
            while not __import__("pathlib").Path("go").exists():
                time.sleep(0.01)
            """
        )
    if moment == "committing":
        path = project.folder / project.package / "db.py"
        path.write_text(path.read_text(encoding="utf-8") + SLOW_COMMIT, encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "moment", "how"),
    [
        pytest.param(*case, id="-".join(case), marks=[] if case in QUICK else [pytest.mark.slow])
        for case in CASES
    ],
)
def test_all_is_true_after_a_kill(
    generic: Project, tmp_path: Path, kind: str, moment: str, how: str
) -> None:
    add_revisions(generic, moment)
    for number in range(KILLS):
        folder = tmp_path / str(number)
        folder.mkdir()
        delay, nth = random.uniform(0, MOMENTS[moment]), random.randrange(1, REVISIONS)
        is_each = random.choice([True, False])
        print(f"{number}: after {delay:.3f} s, at commit {nth}, for each revision: {is_each}")
        with database(kind, folder) as url:
            kill(generic, url, moment, how, delay, nth if is_each else 1, is_each)


def kill(
    project: Project, url: URL, moment: str, how: str, delay: float, nth: int, is_each: bool
) -> None:
    """Kill a command, and look at what is left, and at what the next one makes of it."""
    env = at(url)
    project.alembic("upgrade", "r001", env=env)
    config = project.folder / project.package / "config.py"
    before = config.read_text(encoding="utf-8")
    if is_each:
        project.set_config("ALEMBIC_CONTEXT", '{"transaction_per_migration": True}')
    other = start(project, "upgrade", "head", env=env) if moment == "waiting" else None
    if other:
        (project.folder / "go").unlink()
        wait_for_line(other, "Running upgrade")
    process = start(project, "upgrade", "head", env=env)
    line = {"migrating": "Running", "waiting": "Waiting for", "committing": "committing"}[moment]
    for _ in range(nth if moment == "committing" else 1):
        wait_for_line(process, line)
    tell(project)
    time.sleep(delay)
    process.send_signal(getattr(signal, how))
    printed, log = process.communicate()
    if other:
        assert finished(other) == 0
    wait_until_left(url)
    config.write_text(before, encoding="utf-8")
    said = f"exit {process.returncode}\n{printed}\n{log}"
    reached = is_consistent(url, kind=url.get_backend_name())
    if "Nothing of this run is kept" in printed or "before database" in printed:
        assert reached == "r001" or other, said
    if process.returncode == 0:
        assert reached == f"r{REVISIONS + 1:03}", said
    again = project.alembic("upgrade", "head", env=env, status=ANY)
    if url.get_backend_name() == "mysql" and again.returncode:
        following = f"r{int(reached[1:]) + 1:03}"
        explanation = f"{again.stdout}{again.stderr}"
        assert f"Revision {following} of database 'default'" in explanation
        assert "may remain" in explanation
        assert is_consistent(url, "mysql") == reached
        return
    assert again.returncode == 0, again.stderr
    assert is_consistent(url, url.get_backend_name()) == f"r{REVISIONS + 1:03}"
    assert query(url, "SELECT count(*) FROM people") == [REVISIONS]


def is_consistent(url: URL, kind: str) -> str:
    """Check that the version, the log and the tables say the same; return the revision."""
    (reached,) = query(url, "SELECT version_num FROM alembic_version")
    with connect(url) as connection:
        rows = connection.execute(
            text("SELECT revision, down_revision FROM alembic_log ORDER BY id")
        ).all()
        people = connection.execute(text("SELECT * FROM people"))
        columns, found = {*people.keys()} - {"id"}, len(people.all())
    assert [row[0] for row in rows] == [
        FIRST_REVISION,
        *(f"r{number:03}" for number in range(1, len(rows))),
    ]
    assert rows[-1][0] == reached
    assert [row[1] for row in rows][1:] == [row[0] for row in rows][:-1]
    done = int(re.sub(r"\D", "", reached)) - 1
    wanted = {f"c{number}" for number in range(done)}
    # MySQL commits what a revision has changed in tables before the revision is done.
    half = {f"c{done}"} if kind == "mysql" else set()
    assert wanted <= columns <= wanted | half
    assert found == done
    if kind == "postgresql":
        assert query(url, ADVISORY_LOCKS) == [0]
    return str(reached)
