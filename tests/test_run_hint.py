"""``flask run`` says that a database is behind; nobody else does."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

from kit import ENVIRONMENT, Project
from servers import at
from sqlalchemy import URL, make_url

HINT = "Database default is behind the code: run flask db upgrade."


def served(project: Project, url: URL, *options: str) -> str:
    """Return what ``flask run`` prints until it has answered twice."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = project.folder / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "flask", "run", "--port", str(port), *options],
            cwd=project.folder,
            env={**ENVIRONMENT, **at(url)},
            stdout=output,
            stderr=output,
        )
        for _ in range(300):
            try:
                for _ in range(2):
                    urlopen(f"http://127.0.0.1:{port}/nosuch", timeout=5)
            except OSError as error:  # 404 is one
                if "404" in str(error) and (HINT in log.read_text() or not options):
                    break
            time.sleep(0.05)
        time.sleep(0.2)
        server.terminate()
        server.wait()
    return log.read_text()


def test_flask_run_says_that_a_database_is_behind(generic: Project, tmp_path: Path) -> None:
    url = make_url(f"sqlite:///{tmp_path / 'database.db'}")
    assert served(generic, url, "--no-reload").count(HINT) == 1
    app = f"from {generic.package} import create_app\ncreate_app()"
    assert HINT not in generic.python("-c", app, env=at(url)).stderr
    assert HINT not in generic.flask("routes", env=at(url)).stderr
    generic.alembic("upgrade", "head", env=at(url))
    assert HINT not in served(generic, url)
