"""Servers of a test's own, which it may restart, stop, fill, or limit: the shared ones are left alone."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from servers import SERVERS, query
from sqlalchemy import URL
from sqlalchemy.exc import OperationalError

DEBIAN = "/usr/sbin:" + ":".join(map(str, Path("/usr/lib/postgresql").glob("*/bin")))


def path_of(program: str) -> str:
    """Return the path of a program; without it the test is skipped, but fails where ``CI`` is set."""
    path = shutil.which(program, path=f"{DEBIAN}:{os.environ['PATH']}")
    if not path:
        assert "CI" not in os.environ, f"{program} is not installed"
        pytest.skip(f"{program} is not installed")
    return path


def free_port() -> int:
    """Return a port that is free, and that no connection is given as its own end until it is used."""
    while True:
        port = random.randrange(10_000, 30_000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class Server:
    """A server in a folder of its own; no server runs as root."""

    url: URL
    command: list[str]
    options: dict[str, Any]
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self, *more: str) -> None:
        """Start it, with more options, and wait until it answers."""
        self.process = subprocess.Popen([*self.command, *more], **self.options)
        for _ in range(1200):
            with suppress(OperationalError):
                query(self.url, "SELECT 1")
                return
            assert self.process.poll() is None, "the server did not start"
            time.sleep(0.1)
        raise AssertionError("the server does not answer")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: PostgreSQL at once with SIGINT, and MariaDB with SIGTERM, or both with SIGKILL."""
        if self.url.get_backend_name() == "mysql" and how == signal.SIGINT:
            how = signal.SIGTERM
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(how)
        self.process.wait(60)


@contextmanager
def own_server(kind: str, *options: str, folder: Path | None = None) -> Iterator[Server]:
    """Make a server, start it with options, yield it, and take all of it away.

    :param kind: ``postgresql`` or ``mysql``
    :param folder: an empty one for its data, where that is to be a place of its own
    """
    if os.environ.get(SERVERS[kind][0]) == "":
        pytest.skip(f"{SERVERS[kind][0]} is empty")
    account = {"postgresql": "postgres", "mysql": "mysql"}[kind]
    port = free_port()
    # Not in a folder of pytest's: root's, which nobody else may enter.
    with TemporaryDirectory(prefix="kit-", ignore_cleanup_errors=True) as temporary:
        root = Path(folder or temporary)
        how: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        # When it starts, MariaDB deletes the temporary tables there, those of other servers too.
        how["env"] = {**os.environ, "TMPDIR": temporary}
        if os.geteuid() == 0:
            shutil.chown(temporary, account)
            shutil.chown(root, account)
            how |= {"user": account, "group": account, "extra_groups": []}
        how["cwd"] = root
        data = str(root / "data")
        if kind == "postgresql":
            make = [path_of("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-N"]
            make += ["--no-instructions"]
            command = [path_of("postgres"), "-D", data, "-p", str(port), "-k", str(root)]
            command += ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
            url = URL.create("postgresql+psycopg", "postgres", None, "127.0.0.1", port, "postgres")
        else:
            make = [path_of("mariadb-install-db"), "--no-defaults", f"--datadir={data}"]
            make += ["--auth-root-authentication-method=normal", "--skip-test-db"]
            command = [path_of("mariadbd"), "--no-defaults", f"--datadir={data}", f"--port={port}"]
            command += ["--bind-address=127.0.0.1", f"--socket={root}/s", "--skip-name-resolve"]
            command += [f"--pid-file={root}/pid"]
            url = URL.create("mysql+pymysql", "root", None, "127.0.0.1", port)
        subprocess.run(make, check=True, **how)
        server = Server(url, [*command, *options], how)
        server.start()
        try:
            if kind == "mysql":
                query(url, "CREATE DATABASE shop")
                server.url = url.set(database="shop")
            yield server
        finally:
            if server.process.poll() is None:
                server.stop(signal.SIGKILL)
