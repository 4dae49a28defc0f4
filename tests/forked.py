"""Commands in Python on Linux, each forked from a process that has imported what most of them import.

Most of the time that ``alembic upgrade head`` takes is the import of Alembic, SQLAlchemy and Flask. What
is forked is a process like any other, with a folder, an environment and an output of its own.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from types import ModuleType
from typing import IO, Any

assert sys.platform == "linux"  # for the type checker, too

MODULES = ("alembic", "cookiecutter", "flask", "flask_alembic_kit", "pytest")
IMPORTED = (
    *("alembic.config", "flask.cli", "flask_sqlalchemy.cli", "dotenv", "logging.config"),
    *(f"sqlalchemy.dialects.{name}" for name in ("sqlite", "postgresql.psycopg", "mysql.pymysql")),
    *("cookiecutter.cli", "psycopg", "pymysql", "pytest", "sqlite3"),
)
# The Pythons that are forked: this one, and those in whose environments many commands run.
PYTHONS = {sys.executable}


def can_run(*command: str | Path) -> bool:
    """Say whether a command is such a Python with ``-c`` and code, a file, or ``-m`` and one of the modules."""
    python, option, what = (*command, "", "")[:3]
    is_ours = option == "-c" or (option == "-m" and what in MODULES) or str(option).endswith(".py")
    return str(python) in PYTHONS and is_ours


@cache
def server(python: str) -> socket.socket:
    """Start the process that forks, once, which ends with this one; return a socket to it."""
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen([python, "-B", __file__], stdin=theirs.fileno())
    atexit.register(process.wait)
    atexit.register(ours.close)  # before that
    return ours


def begin(
    command: Sequence[str | Path],
    cwd: Path,
    env: dict[str, str],
    *files: IO[Any],
) -> socket.socket:
    """Let a command begin; return where its id comes from, and then its status.

    :param files: its standard input, output and error
    """
    task = json.dumps([[str(part) for part in command[1:]], str(cwd), env])
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with theirs:
        descriptors = [*(file.fileno() for file in files), theirs.fileno()]
        socket.send_fds(server(str(command[0])), [task.encode()], descriptors)
    return ours


def run(
    *command: str | Path, cwd: Path, env: dict[str, str], timeout: int | None = 300, input: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command, and return what it did.

    :param timeout: in seconds
    :raises TimeoutExpired: and the command is killed
    """
    with TemporaryFile() as stdin, TemporaryFile() as stdout, TemporaryFile() as stderr:
        stdin.write(input.encode())
        stdin.seek(0)
        with begin(command, cwd, env, stdin, stdout, stderr) as ended:
            child = int(ended.recv(9))
            ended.settimeout(timeout)
            try:
                status = int(ended.recv(9))
            except TimeoutError:
                with suppress(ProcessLookupError):  # it has just ended
                    os.kill(child, signal.SIGKILL)
                ended.settimeout(None)
                ended.recv(9)
                raise subprocess.TimeoutExpired(command, timeout or 0) from None
        stdout.seek(0)
        stderr.seek(0)
        printed = (file.read().decode() for file in (stdout, stderr))
        return subprocess.CompletedProcess(command, status, *printed)


class Process:
    """A command that runs: what the tests use of ``subprocess.Popen``."""

    def __init__(self, *command: str | Path, cwd: Path, env: dict[str, str]) -> None:
        self.args = command
        self.returncode: int | None = None
        # For each the end that is read, and the one that is written.
        stdin, stdout, stderr = (
            [
                os.fdopen(end, mode, encoding="utf-8")
                for end, mode in zip(os.pipe(), "rw", strict=True)
            ]
            for _ in range(3)
        )
        self.stdin, self.stdout, self.stderr = stdin[1], stdout[0], stderr[0]
        theirs = stdin[0], stdout[1], stderr[1]
        self._ended = begin(command, cwd, env, *theirs)
        for file in theirs:
            file.close()
        self.pid = int(self._ended.recv(9))

    def wait(self, timeout: float | None = 300) -> int:
        if self.returncode is None:
            self._ended.settimeout(timeout)
            try:
                self.returncode = int(self._ended.recv(9))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._ended.close()
        return self.returncode

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, how: int) -> None:
        with suppress(ProcessLookupError):  # it has ended since
            if self.poll() is None:
                os.kill(self.pid, how)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, input: str = "", timeout: float = 300) -> tuple[str, str]:
        """Return what it prints until it ends, or is killed after some seconds."""
        late = threading.Timer(timeout, self.kill)
        late.start()
        with suppress(BrokenPipeError):  # it has ended, and read nothing
            self.stdin.write(input)
            self.stdin.close()
        with self, ThreadPoolExecutor(2) as pool:
            printed, log = pool.map(lambda file: file.read(), (self.stdout, self.stderr))
        late.cancel()
        return printed, log

    def __enter__(self) -> "Process":  # noqa: PYI034 (Self is of Python 3.11)
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self.stdin, self.stdout, self.stderr):
            file.close()
        self.wait()


def main() -> None:
    """Fork for each task that comes, and be the process that runs it."""
    for name in IMPORTED:
        with suppress(ImportError):  # another environment has less
            importlib.import_module(name)
    gc.freeze()  # or each process would look through all that is imported when it ends
    if task := serve(socket.socket(fileno=os.dup(0))):
        become(*task)


def serve(tasks: socket.socket) -> tuple[list[int], Any] | None:
    """Tell the id and the status of each process; return in each that is forked, with its task."""
    running: dict[int, tuple[int, int]] = {}
    while True:
        for ready in select.select([tasks.fileno(), *running], [], [])[0]:
            if ready != tasks.fileno():
                child, status = running.pop(ready)
                exited = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                os.write(status, str(exited).encode())
                os.close(ready)
                os.close(status)
                continue
            task, files, *_ = socket.recv_fds(tasks, 1_000_000, 4)
            if not task:
                return None
            child = os.fork()
            if not child:
                return files, json.loads(task)
            *others, status = files
            running[os.pidfd_open(child)] = child, status
            os.write(status, str(child).encode())
            for other in others:
                os.close(other)


def become(files: list[int], task: Any) -> None:
    """Be the process that runs a command."""
    (option, *rest), cwd, env = task
    for descriptor, file in enumerate(files[:3]):
        os.dup2(file, descriptor)
    os.closerange(3, 1024)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    what = rest.pop(0) if option in ("-m", "-c") else option
    sys.argv = [option, *rest]
    folder = {"-m": cwd, "-c": ""}.get(option, os.path.dirname(os.path.abspath(what)))
    sys.path[0:1] = [folder, *filter(None, [env.get("PYTHONPATH")])]
    status: Any = 0
    try:
        if option == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        elif option != "-c":
            runpy.run_path(what, run_name="__main__")
        else:
            sys.modules["__main__"] = ModuleType("__main__")
            code = compile(what, "<string>", "exec")
            exec(code, vars(sys.modules["__main__"]))  # noqa: S102 (it is what -c does)
    except SystemExit as error:
        status = error.code or 0
        if not isinstance(status, int):
            print(status, file=sys.stderr)
            status = 1
    except BaseException as error:  # noqa: BLE001 (as Python does)
        sys.excepthook(*sys.exc_info())
        status = 1
        if isinstance(error, KeyboardInterrupt):
            atexit.register(os.kill, os.getpid(), signal.SIGINT)
    # An end without taking apart all that is imported, which takes a third of the time of a command.
    threading._shutdown()  # type: ignore[attr-defined]
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 0xFF)


if __name__ == "__main__":
    main()
