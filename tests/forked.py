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
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from types import ModuleType
from typing import Any

assert sys.platform == "linux"  # for the type checker, too

MODULES = ("alembic", "flask", "pytest")
IMPORTED = (
    *("alembic.config", "flask.cli", "flask_sqlalchemy.cli", "dotenv", "logging.config"),
    *(f"sqlalchemy.dialects.{name}" for name in ("sqlite", "postgresql.psycopg", "mysql.pymysql")),
    *("psycopg", "pymysql", "pytest", "sqlite3"),
)


def can_run(*command: str | Path) -> bool:
    """Say whether a command is this Python with ``-c`` and code, or ``-m`` and one of the modules."""
    python, option, what = (*command, "", "")[:3]
    return python == sys.executable and (option == "-c" or (option == "-m" and what in MODULES))


@cache
def server() -> socket.socket:
    """Start the process that forks, once, which ends with this one; return a socket to it."""
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen([sys.executable, "-B", __file__], stdin=theirs.fileno())
    atexit.register(process.wait)
    atexit.register(ours.close)  # before that
    return ours


def run(
    *command: str | Path, cwd: Path, env: dict[str, str], timeout: int = 300
) -> subprocess.CompletedProcess[str]:
    """Run a command, and return what it did.

    :param timeout: in seconds
    :raises TimeoutExpired: and the command is killed
    """
    task = json.dumps([[str(part) for part in command[1:]], str(cwd), env, timeout])
    ours, theirs = socket.socketpair()
    with ours, TemporaryFile() as stdout, TemporaryFile() as stderr:
        with theirs:
            files = [file.fileno() for file in (stdout, stderr, theirs)]
            socket.send_fds(server(), [task.encode()], files)
        status = int(ours.recv(9))
        if status == -signal.SIGALRM:
            raise subprocess.TimeoutExpired(command, timeout)
        stdout.seek(0)
        stderr.seek(0)
        printed = (file.read().decode() for file in (stdout, stderr))
        return subprocess.CompletedProcess(command, status, *printed)


def main() -> None:
    """Fork for each task that comes, and be the process that runs it."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()  # or each process would look through all that is imported when it ends
    if task := serve(socket.socket(fileno=os.dup(0))):
        become(*task)


def serve(tasks: socket.socket) -> tuple[list[int], Any] | None:
    """Tell the status of each process that has ended; return in each that is forked, with its task."""
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
            task, files, *_ = socket.recv_fds(tasks, 1_000_000, 3)
            if not task:
                return None
            child = os.fork()
            if not child:
                return files, json.loads(task)
            *outputs, status = files
            running[os.pidfd_open(child)] = child, status
            for output in outputs:
                os.close(output)


def become(files: list[int], task: Any) -> None:
    """Be the process that runs a command."""
    (option, what, *rest), cwd, env, timeout = task
    for descriptor, file in enumerate((os.open(os.devnull, os.O_RDONLY), *files[:2])):
        os.dup2(file, descriptor)
    os.closerange(3, 1024)
    signal.alarm(timeout)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [option, *rest]
    sys.path[0:1] = [cwd if option == "-m" else "", *filter(None, [env.get("PYTHONPATH")])]
    status: Any = 0
    try:
        if option == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            sys.modules["__main__"] = ModuleType("__main__")
            code = compile(what, "<string>", "exec")
            exec(code, vars(sys.modules["__main__"]))  # noqa: S102 (it is what -c does)
    except SystemExit as error:
        status = error.code or 0
        if not isinstance(status, int):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:  # noqa: BLE001 (as Python does)
        sys.excepthook(*sys.exc_info())
        status = 1
    # An end without taking apart all that is imported, which takes a third of the time of a command.
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 0xFF)


if __name__ == "__main__":
    main()
