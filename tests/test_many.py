"""As many replicas as a server lets in connections, or more: all end well.

``REPLICAS=100 uv run pytest -m "" tests/test_many.py`` starts a hundred, on servers of the test's own with
``max_connections = 100``.
"""

import os
import time

import pytest
from kit import Project
from own_servers import own_server
from servers import at, query
from sqlalchemy import URL
from test_guard import UNTIL_TOLD, start, tell, wait_for_line

pytestmark = pytest.mark.slow

REPLICAS = int(os.environ.get("REPLICAS", "16"))
PACE = 0.2  # seconds from one start to the next: a machine of two cores can take that


def all_end_well(project: Project, url: URL, count: int) -> None:
    """Start replicas while one migrates, and let it end when all are there."""
    project.add_revision('op.create_table("log", sa.Column("name", sa.String(20)))')
    waits = project.add_revision(UNTIL_TOLD)
    project.add_revision("op.execute(\"INSERT INTO log VALUES ('once')\")")
    replicas = [start(project, "upgrade", "head", env=at(url))]
    wait_for_line(replicas[0], f"-> {waits}")
    for _ in range(count - 1):
        replicas.append(start(project, "upgrade", "head", env=at(url)))
        time.sleep(PACE)
    for replica in replicas[1:]:
        wait_for_line(replica, "Waiting for")
    tell(project)
    said = [replica.communicate() for replica in replicas]
    failed = [each for replica, each in zip(replicas, said, strict=True) if replica.returncode]
    assert not failed, f"{len(failed)} of {count} failed, the first with\n{failed[0]}"
    assert query(url, "SELECT name FROM log") == ["once"]
    assert query(url, "SELECT count(*) FROM alembic_log") == [4]


def test_as_many_replicas_as_connections_on_postgresql(generic: Project) -> None:
    with own_server("postgresql", "-c", f"max_connections={REPLICAS}") as server:
        query(server.url, "CREATE ROLE app LOGIN")
        query(server.url, "GRANT ALL ON SCHEMA public TO app")
        all_end_well(generic, server.url.set(username="app"), REPLICAS)


@pytest.mark.skipif("REPLICAS" not in os.environ, reason="as on PostgreSQL, unless REPLICAS is set")
def test_as_many_replicas_as_connections_on_mysql(generic: Project) -> None:
    with own_server("mysql", f"--max-connections={REPLICAS}") as server:
        query(server.url, "CREATE USER app@'%'")
        query(server.url, "GRANT ALL ON shop.* TO app@'%'")
        all_end_well(generic, server.url.set(username="app"), REPLICAS)
