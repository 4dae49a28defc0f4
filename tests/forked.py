"""``python`` on Linux, forked from a process that has imported what nearly every command imports.

Most of the time that ``alembic upgrade head`` takes is the import of Alembic, SQLAlchemy and Flask. What
is forked is a process like any other, with a folder, an environment and an output of its own.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

MODULES = ("alembic", "flask", "pytest")
IMPORTED = (
    *("alembic.config", "flask.cli", "flask_sqlalchemy", "dotenv"),
    *("psycopg", "pymysql", "pytest"),
)


def can_run(*arguments: str) -> bool:
    """Say whether it is ``-c`` and code, or ``-m`` and one of these modules."""
    return sys.platform == "linux" and (
        arguments[0] == "-c" or (arguments[0] == "-m" and arguments[1] in MODULES)
    )


@cache
def server() -> tuple[subprocess.Popen[str], TemporaryDirectory[str]]:
    """Start the process that forks, once, which ends with this one; and make a folder for output."""
    process = subprocess.Popen(
        [sys.executable, "-B", __file__],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    atexit.register(process.communicate)
    return process, TemporaryDirectory()


def run(
    *arguments: str, cwd: Path, env: dict[str, str], timeout: int = 300
) -> subprocess.CompletedProcess[str]:
    """Run ``python`` with these arguments, and return what it did.

    :param timeout: in seconds, after which it is killed by ``SIGALRM``
    """
    process, folder = server()
    assert process.stdin and process.stdout
    files = [Path(folder.name, name) for name in ("stdout", "stderr")]
    for file in files:
        file.write_bytes(b"")
    task = [arguments, str(cwd), env, [os.devnull, *map(str, files)], timeout]
    process.stdin.write(f"{json.dumps(task)}\n")
    process.stdin.flush()
    status = int(process.stdout.readline())
    stdout, stderr = (file.read_text(encoding="utf-8") for file in files)
    return subprocess.CompletedProcess(("python", *arguments), status, stdout, stderr)


def main() -> None:
    """Fork for each line that is read, and print the status of the fork when it has ended."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()  # or each process would look through all that is imported when it ends
    for line in sys.stdin:
        child = os.fork()
        if not child:
            return become(*json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def become(
    arguments: list[str], cwd: str, env: dict[str, str], files: list[str], timeout: int
) -> None:
    """Be the process that was asked for."""
    for descriptor, file in enumerate(files):
        opened = os.open(file, os.O_RDWR)
        os.dup2(opened, descriptor)
        os.close(opened)
    signal.alarm(timeout)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    option, what, *rest = arguments
    sys.argv = [option, *rest]
    sys.path[0:1] = [cwd if option == "-m" else "", *filter(None, [env.get("PYTHONPATH")])]
    if option == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.modules["__main__"] = ModuleType("__main__")
        code = compile(what, "<string>", "exec")
        exec(code, vars(sys.modules["__main__"]))  # noqa: S102 (it is what -c does)


if __name__ == "__main__":
    main()
