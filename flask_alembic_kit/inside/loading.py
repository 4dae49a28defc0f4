"""The app, loaded as the command ``flask`` loads it, and how another module imports the same."""

import ast
import inspect
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from flask import Flask
from flask.cli import NoAppException, ScriptInfo, load_dotenv, prepare_import

from .errors import Refused, where

NAMES = ("app", "application")
FACTORIES = ("create_app", "make_app")
# Where an app says how flask finds it, where it may be, and what it looks like there.
SAY_FLASK_APP = [
    "*.sh",
    "*.env*",
    "Procfile",
    "Makefile",
    "*ockerfile*",
    "*compose*.y*ml",
    "tox.ini",
    "docker/*",
    "docker/*/*ockerfile*",
    ".github/workflows/*",
]
MAY_HAVE_APP = (
    *("*.py", "*/__init__.py", "*/app.py", "*/main.py", "*/factory.py"),
    *("*/*/__init__.py", "*/*/app.py"),
)
HAS_APP = re.compile(r"^(app|application) *(:.*)?= |^def (create_app|make_app)\b", re.MULTILINE)


def load(reference: str | None) -> tuple[Flask, dict[str, Any]]:
    """Return the app, and how it is imported: ``module``, ``name``, ``call``, and whether it ``runs`` then.

    :param reference: what ``flask --app`` takes; None for ``FLASK_APP``, or what ``flask`` finds
    :raises Refused: if there is no app
    """
    os.environ["FLASK_RUN_FROM_CLI"] = "true"
    load_dotenv()
    reference = reference or os.environ.get("FLASK_APP") or named()
    found = [] if reference else candidates()
    if len(found) > 1:
        raise Refused(f"Which is the app? {' '.join(found)}", "app")
    reference = reference or next(iter(found), None)
    info = ScriptInfo(app_import_path=reference)
    try:
        with watched_run() as runs:
            app = info.load_app()
    except SystemExit as error:
        what = f"{reference or 'The app'} ended itself ({error}): see what flask routes says"
        raise Refused(f"{what}, or take another.", "app") from error
    except Exception as error:
        failed: BaseException = error
        if isinstance(error, NoAppException):
            if found_within := within(reference):
                return found_within
            if "quart" in sys.modules:
                raise Refused("The app is one of Quart; these migrations are for Flask.") from error
            if not error.message.startswith("While importing"):
                raise Refused(error.message, "app") from error
            failed = error.__context__ or error  # its message has a traceback
        raise Refused(
            f"The app cannot be loaded: {where(failed)}\n"
            "Install or set what it needs, until flask routes runs here."
        ) from error
    path, name = split(reference) if reference else found_by_flask()
    module = sys.modules[prepare_import(path)]
    imported = {"module": module.__name__, "start": start(module), "runs": bool(runs)}
    return app, {**imported, **how(module, name, app)}


def start(module: ModuleType) -> str:
    """Return the folder that a module is imported from."""
    depth = module.__name__.count(".") + hasattr(module, "__path__")
    return str(Path(str(module.__file__)).resolve().parents[depth])


@contextmanager
def watched_run() -> Iterator[list[Flask]]:
    """Yield the apps whose ``run()`` is called meanwhile: it starts no server, as with the command ``flask``."""
    run, apps = Flask.run, list[Flask]()

    def watched(app: Flask, *arguments: Any, **options: Any) -> None:
        apps.append(app)

    Flask.run = watched  # type: ignore[assignment,method-assign]
    try:
        yield apps
    finally:
        Flask.run = run  # type: ignore[method-assign]


def within(reference: str | None) -> tuple[Flask, dict[str, Any]] | None:
    """Return the app that an object of the module has, as that of Connexion has; flask sees none then."""
    files = [path for path in ("wsgi.py", "app.py") if Path(path).exists()]
    path, name = split(reference) if reference else ((files or [""])[0], None)
    module = sys.modules.get(prepare_import(path)) if path else None
    if module is None:
        return None
    for key, value in vars(module).items():
        with suppress(Exception):  # what a proxy raises
            if name in (None, key) and isinstance(value.app, Flask):
                how = {"name": f"{key}.app", "call": None, "runs": False}
                return value.app, {"module": module.__name__, "start": start(module), **how}
    return None


def split(reference: str) -> tuple[str, str | None]:
    """Return the module, or its file, and what is named in it; the colon of a drive is none."""
    path, *name = re.split(r":(?![\\/])", reference, maxsplit=1)
    return path, name[0] if name else None


def found_by_flask() -> tuple[str, None]:
    """Return the file that flask looks at if nobody names one."""
    return next(name for name in ("wsgi.py", "app.py") if Path(name).exists()), None


def how(module: ModuleType, name: str | None, app: Flask) -> dict[str, Any]:
    """Return the name of the app or its factory, and the arguments that a factory is called with.

    :return: ``call`` is None for an app, else the call in Python
    """
    if name is None:
        instances = [*NAMES, *(key for key, value in vars(module).items() if value is app)]
        for key in instances:
            if getattr(module, key, None) is app:
                return {"name": key, "call": None}
        factory = next(key for key in FACTORIES if inspect.isfunction(getattr(module, key, None)))
        return {"name": factory, "call": f"{factory}()"}
    tree = ast.parse(name.strip(), mode="eval").body
    if isinstance(tree, ast.Call):
        function = ast.unparse(tree.func)
        return {"name": function, "call": ast.unparse(tree)}
    is_factory = inspect.isfunction(getattr(module, name.strip()))
    return {"name": name.strip(), "call": f"{name.strip()}()" if is_factory else None}


def named() -> str | None:
    """Return what the files of the repository give to flask as ``FLASK_APP``, if they agree."""
    setting = re.compile(r"""\bFLASK_APP["']?\s*[:= ]\s*["']?([\w./]+(?::[^"'`\s]+)?)""")
    files = [path for glob in SAY_FLASK_APP for path in sorted(Path().glob(glob))]
    texts = (path.read_text("utf-8", "replace") for path in files if path.is_file())
    found = {each for text in texts for each in setting.findall(text)}
    there = {here for each in found if (here := as_here(each))}
    return there.pop() if len({split(each)[0] for each in there}) == 1 else None


def as_here(reference: str) -> str | None:
    """Return a reference without the folder in which an image has the app; None if it leads nowhere."""
    module, colon, name = reference.partition(":")
    first, *parts = module.removeprefix("./").split("/")
    tails = [parts[start:] for start in range(len(parts))] if not first else [[first, *parts]]
    found = ("/".join(tail) for tail in tails)
    here = next((each for each in found if any(map(Path.exists, places(each)))), None)
    return f"{here}{colon}{name}" if here else None


def places(module: str) -> list[Path]:
    """Return where a module may be that is named as ``flask`` takes it."""
    path = Path(module.removesuffix(".py").replace(".", "/"))
    return [
        base for folder in (Path(), Path("src")) for base in (folder / f"{path}.py", folder / path)
    ]


def candidates() -> list[str]:
    """Return the modules that look like they have an app or a factory, if flask would find none."""
    if Path("wsgi.py").exists() or Path("app.py").exists():
        return []
    files = {  # no file twice: src may be the package itself
        path: None
        for folder in (Path(), Path("src"))
        for glob in MAY_HAVE_APP
        for path in sorted(folder.glob(glob))
        if not re.match(r"setup$|conftest$|tests?([_/]|$)", path.with_suffix("").as_posix())
    }
    found = [path for path in files if HAS_APP.search(path.read_text("utf-8", "replace"))]
    # The script beside the package is what runs it.
    found = [path for path in found if path.parent == Path()] or found
    return [path.as_posix() for path in found]
