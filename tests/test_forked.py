"""A process that is forked, as on Linux most are, does what one does that is started."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kit import ANY, ENVIRONMENT, run, start


@pytest.mark.parametrize("as_file", [False, True], ids=["code", "file"])
@pytest.mark.parametrize(
    "code",
    [
        "import os; print(os.getcwd(), dict(os.environ))",
        "import sys; print(sys.argv, sys.path[:2], __name__); print('é', file=sys.stderr)",
        "import sys; print(sys.stdin.read(), sys.flags, 'shop' in sys.modules)",
        "import atexit; atexit.register(print, 'at its end')",
        "from concurrent.futures import ThreadPoolExecutor as P; p = P(); p.submit(print, 'in it')",
        "raise SystemExit(3)",
        "raise SystemExit('not so')",
        "raise SystemExit(-1)",
        "import os; os.kill(os.getpid(), 9)",
        "import os, signal; print(signal.getsignal(signal.SIGINT)); os.kill(os.getpid(), 15)",
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1)'], check=True)",
    ],
)
def test_same_as_a_process_that_is_started(code: str, as_file: bool, tmp_path: Path) -> None:
    environment = {**ENVIRONMENT, "SHOP": "ü", "PYTHONPATH": str(tmp_path)}
    (tmp_path / "file.py").write_text(code, encoding="utf-8")
    what = ("file.py",) if as_file else ("-c", code)
    command = (sys.executable, *what, "--an-argument", "another one")
    how: dict[str, Any] = {"cwd": tmp_path, "env": environment}
    expected = subprocess.run(
        command, check=False, input="said", capture_output=True, encoding="utf-8", **how
    )
    forked = run(*command, status=ANY, input="said", **how)
    assert forked.returncode == expected.returncode
    assert forked.stdout == expected.stdout
    assert forked.stderr == expected.stderr
    process = start(*command, **how)
    assert process.communicate("said") == (expected.stdout, expected.stderr)
    assert process.returncode == expected.returncode


def test_signal_ends_a_process_as_if_it_had_been_started(tmp_path: Path) -> None:
    code = "import time; print('begun', flush=True); time.sleep(600)"
    for how in (signal.SIGINT, signal.SIGTERM):
        process = start(sys.executable, "-c", code, cwd=tmp_path)
        assert process.stdout and process.stdout.readline() == "begun\n"
        assert process.poll() is None
        process.send_signal(how)
        assert ("KeyboardInterrupt" in process.communicate()[1]) == (how == signal.SIGINT)
        assert process.returncode == -how
        assert process.poll() == -how


def test_process_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    process = start(sys.executable, "-c", "import time; time.sleep(600)", cwd=tmp_path)
    if isinstance(process, subprocess.Popen):
        pytest.skip("Python's own raises an error")
    process.communicate(timeout=0.2)
    assert process.returncode == -signal.SIGKILL


def test_exception_has_its_traceback_and_status(tmp_path: Path) -> None:
    done = run(sys.executable, "-c", "1 / 0", cwd=tmp_path, status=1)
    assert done.stderr.startswith("Traceback") and "ZeroDivisionError" in done.stderr


def test_nothing_is_left_of_the_process_before(tmp_path: Path) -> None:
    code = """
import sys
print("flask" in sys.modules, "this" in sys.modules)
import flask, this
print(hasattr(flask, "mine"))
flask.mine = True
"""
    for _ in range(2):
        printed = run(sys.executable, "-c", code, cwd=tmp_path).stdout.splitlines()
        assert printed[0] == f"{sys.platform == 'linux'} False"
        assert printed[-1] == "False"


def test_several_run_at_once(tmp_path: Path) -> None:
    """Each waits until the other is there, too."""
    code = """
import pathlib, time
pathlib.Path(NAME).touch()
while len(list(pathlib.Path().iterdir())) < 2:
    time.sleep(0.01)
"""
    with ThreadPoolExecutor(2) as pool:
        codes = (code.replace("NAME", repr(name)) for name in ("one", "other"))
        list(pool.map(lambda each: run(sys.executable, "-c", each, cwd=tmp_path), codes))


def test_who_takes_too_long_is_killed(tmp_path: Path) -> None:
    """And is waited for: nobody would end it else."""
    with pytest.raises(subprocess.TimeoutExpired):
        run(sys.executable, "-c", "import time; time.sleep(600)", cwd=tmp_path, timeout=1)
