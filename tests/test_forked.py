"""A process that is forked, as on Linux most are, does what one does that is started."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kit import ANY, ENVIRONMENT, run


@pytest.mark.parametrize(
    "code",
    [
        "import os; print(os.getcwd(), dict(os.environ))",
        "import sys; print(sys.argv, sys.path[:2], __name__); print('é', file=sys.stderr)",
        "import sys; print(sys.stdin.read(), sys.flags, 'shop' in sys.modules)",
        "import atexit; atexit.register(print, 'at its end')",
        "raise SystemExit(3)",
        "raise SystemExit('not so')",
        "raise SystemExit(-1)",
        "import os; os.kill(os.getpid(), 9)",
        "import os, signal; print(signal.getsignal(signal.SIGINT)); os.kill(os.getpid(), 15)",
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1)'], check=True)",
    ],
)
def test_same_as_a_process_that_is_started(code: str, tmp_path: Path) -> None:
    environment = {**ENVIRONMENT, "SHOP": "ü", "PYTHONPATH": str(tmp_path)}
    command = (sys.executable, "-c", code, "--an-argument", "another one")
    started, forked = (
        run(*command, cwd=tmp_path, env=environment, status=ANY, **options)
        for options in ({"input": ""}, {})
    )
    assert forked.returncode == started.returncode
    assert forked.stdout == started.stdout
    assert forked.stderr == started.stderr


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
        list(pool.map(lambda each: run(sys.executable, "-c", each, cwd=tmp_path, timeout=9), codes))


def test_who_takes_too_long_is_killed(tmp_path: Path) -> None:
    code = "import pathlib, time; time.sleep(3); pathlib.Path('alive').touch()"
    with pytest.raises(subprocess.TimeoutExpired):
        run(sys.executable, "-c", code, cwd=tmp_path, timeout=1)
    assert not list(tmp_path.iterdir())
