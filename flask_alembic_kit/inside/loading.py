"""The app, loaded as the command ``flask`` loads it, and how another module imports the same."""

import ast
import inspect
import os
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from flask import Flask
from flask.cli import NoAppException, ScriptInfo, load_dotenv, prepare_import

from .errors import Refused

NAMES = ("app", "application")
FACTORIES = ("create_app", "make_app")


def load(reference: str | None) -> tuple[Flask, dict[str, Any]]:
    """Return the app, and how it is imported: ``module``, ``name``, ``call``.

    :param reference: what ``flask --app`` takes; None for ``FLASK_APP``, or what ``flask`` finds
    :raises Refused: if there is no app
    """
    os.environ["FLASK_RUN_FROM_CLI"] = "true"
    load_dotenv()
    reference = reference or os.environ.get("FLASK_APP") or only_candidate()
    info = ScriptInfo(app_import_path=reference)
    try:
        app = info.load_app()
    except NoAppException as error:
        raise Refused(f"{error.message}\nName the app with --app, as for flask.") from error
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        frame = [each for each in frames if Path(each.filename).exists()][-1]
        where = f"{frame.filename}:{frame.lineno}: {frame.line}"
        raise Refused(
            f"The app cannot be loaded: {type(error).__name__}: {error}, in {where}\n"
            "Set what it needs in the environment, as for flask."
        ) from error
    path, name = split(reference) if reference else found_by_flask()
    module = sys.modules[prepare_import(path)]
    return app, {"reference": reference, "module": module.__name__, **how(module, name, app)}


def split(reference: str) -> tuple[str, str | None]:
    """Return the module, or its file, and what is named in it."""
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


def only_candidate() -> str | None:
    """Return the module that has an app or a factory, if flask would find none and one has it."""
    if Path("wsgi.py").exists() or Path("app.py").exists():
        return None
    pattern = re.compile(r"^(app|application) *(:.*)?= |^def (create_app|make_app)\b", re.MULTILINE)
    files = [
        path
        for folder in (Path(), Path("src"))
        for glob in ("*.py", "*/__init__.py", "*/app.py", "*/main.py", "*/factory.py")
        for path in sorted(folder.glob(glob))
        if path.name not in ("setup.py", "conftest.py") and path.parts[0] not in ("tests", "test")
    ]
    found = [path for path in files if pattern.search(path.read_text("utf-8", "replace"))]
    if len(found) > 1 and any(path.parent != Path() for path in found):
        # The script beside the package is what runs it.
        found = [path for path in found if path.parent == Path()] or found
    return found[0].as_posix() if len(found) == 1 else None
