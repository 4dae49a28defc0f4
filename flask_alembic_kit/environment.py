"""The new env.py and alembic.ini: what the template leaves open is filled in from what was found."""

import re
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from itertools import chain, islice
from typing import Any
from zoneinfo import available_timezones

import isort
from click import ClickException

from .layout import Layout
from .template import PACKAGE, render
from .versions import numbers

MIGRATIONS = f"{PACKAGE}/migrations/"

# Revisions may ask for the target and its naming convention, so it is one where the old tool had one.
MERGED = '''


def merged(*models: MetaData) -> MetaData:
    """Return the tables of all in one, which names constraints as the first does."""
    target = MetaData(naming_convention=models[0].naming_convention)
    for table in [table for each in models for table in each.tables.values()]:
        table.to_metadata(target)
    return target'''
MERGED_LINE = '\n        "target_metadata": merged(*target_metadata),'


def files(found: dict[str, Any], layout: Layout, server_default: bool) -> dict[str, str]:
    """Return the files to add by their paths from the root, each with its text.

    :param server_default: whether autogenerate compares the defaults of the server
    """
    rendered = render(variables(found, layout, server_default))
    target = layout.target.relative_to(layout.root).as_posix()
    added = {
        f"{target}/{path.removeprefix(MIGRATIONS)}": text
        for path, text in rendered.items()
        if path.startswith(MIGRATIONS) and not path.startswith(f"{MIGRATIONS}versions/")
    }
    env = f"{target}/env.py"
    added[env] = tidy(added[env], layout)
    added["alembic.ini"] = ini(rendered["alembic.ini"], found, layout)
    return added


def tidy(text: str, layout: Layout) -> str:
    """Return a module with each block of its imports sorted as isort and ruff do, the app's own last."""
    own = [layout.module.partition(".")[0]]
    folders = (layout.root, layout.root / "src", *layout.paths)
    return isort.code(text, profile="black", known_first_party=own, src_paths=folders)


def variables(found: dict[str, Any], layout: Layout, server_default: bool) -> dict[str, str]:
    """Return the private variables of the template: how env.py gets to the app and its models."""
    app = found["app"]
    module, name = found["db"]["place"]
    if name is None:  # the module itself
        module, _, name = module.rpartition(".")
    imports = [(module, name if name == "db" else f"{name} as db")]
    made = app["call"] or app["name"]
    is_named = bool(app["call"]) or (app["module"] == module and "." not in app["name"])
    if is_named:
        imports.append((app["module"], app["name"]))
    else:
        made = f'import_module("{app["module"]}").{app["name"]}'
    several = {"default": found["metadata"]}
    if variant(found) == "multidb":
        if found["metadatas"] is None:
            raise ClickException(
                "Which database each model is in is not known. Flask-SQLAlchemy says it since 3.0: update an older "
                "one first, see docs/history.md. Nothing has been changed."
            )
        several = found["metadatas"]
    places = distinct([*chain(*several.values())])
    imports += [(module, name) for module, name, _ in places if module is not None]
    is_merged = bool(found.get("merged")) and variant(found) == "generic"
    if is_merged:
        imports.append(("sqlalchemy", "MetaData"))
    is_first = is_named and min(module for module, _ in imports if module) == app["module"]
    before = first(found, is_named, is_first)
    options = found["old"]["options"] if found["old"] and "options" in found["old"] else []
    known = [option for option in options if option["code"] is not None]
    lines = [line for option in known for line in option["imports"]]
    is_plain = app["call"] == f"{app['name']}()"
    return {
        "variant": variant(found),
        "__migrations": layout.module,
        "__imports": "\n".join(
            [*dotenv(found, layout), *before, *map(import_line, sorted(imports)), *lines]
        ),
        "__app": app["name"] if is_plain else f"lambda: {made}",
        "__engine": found["db"]["way"].format("db"),
        "__metadata": target(places),
        "__options": "".join(
            ([MERGED_LINE] if is_merged else [])
            + [
                option_line(each)
                for each in known
                if each["code"] and each["name"] != "include_object"
            ]
        ),
        "__include_object": "".join(
            f", {option['code']}" for option in known if option["name"] == "include_object"
        ),
        "__definitions": "".join(
            ([MERGED] if is_merged else [])
            + [f"\n\n\n{option['source']}" for option in known if option["source"]]
        ),
        "__server_default": str(server_default),
        # Without one, the template asks db.
        **({"__metadatas": as_dict(several, iter(places))} if several else {}),
    }


def first(found: dict[str, Any], is_named: bool, is_first: bool) -> list[str]:
    """Return the lines that import the app's module, first as flask does: it may patch what others import.

    :param is_named: whether what makes the app is imported by name; else to import the module is to
        make the app, which is not done twice
    :param is_first: whether that name is the first that is imported anyway
    """
    module = found["app"]["module"]
    lines, without_app = [], []
    if found["app"]["runs"]:
        lines.append("import os")
        without_app.append(
            'os.environ["FLASK_RUN_FROM_CLI"] = "true"  # so app.run() starts no server'
        )
    if not is_named:
        lines.append("from importlib import import_module")
    if (
        not is_named and not found["migrated"]
    ):  # else by the import: not while Alembic reads env.py's head
        does = "first, as flask does: it may patch what others import"
        without_app.append(f'import_module("{module}")  # {does}')
    if without_app:
        lines += ["", "from flask import has_app_context", "", "if not has_app_context():"]
        lines += [f"    {line}" for line in without_app]
    if lines:
        lines.append("")
    if is_named and not is_first:
        lines += [f"import {module}  # noqa: F401  (first, as flask does)", "", "# isort: split"]
    return lines


def as_dict(several: dict[str, list[Any]], places: Iterator[Any]) -> str:
    """Return the expression for the metadata of each database.

    :param places: of all of them, one after the other
    """
    items = (f'"{name}": {target([*islice(places, len(own))])}' for name, own in several.items())
    return f"{{{', '.join(items)}}}"


def distinct(places: list[Any]) -> list[Any]:
    """Return places that are imported by different names: several modules may have a ``Base``."""
    modules: dict[str, list[str]] = {}
    found = []
    for module, name, expression in places:
        owners = modules.setdefault(name, [])
        owners += [] if module in owners else [module]
        number = owners.index(module)
        alias = f"{name}_{number + 1}" if number else name
        line = f"{name} as {alias}" if number else name
        found.append((module, line, alias + expression.removeprefix(name)))
    return found


def target(places: list[Any]) -> str:
    """Return the expression for one or several metadata."""
    found = [each if module is not None else f"db.{each}" for module, _, each in places]
    return found[0] if len(found) == 1 else f"[{', '.join(found)}]"


def dotenv(found: dict[str, Any], layout: Layout) -> list[str]:
    """Return the lines that read ``.env`` as ``flask`` does, if the app has one and does not read it by itself."""
    env = layout.target / "env.py"
    if found["adopted"] and env.exists() and "load_dotenv" not in env.read_text(encoding="utf-8"):
        return []
    files = [*layout.root.glob(".env*"), *layout.root.glob(".flaskenv")]
    if not files or find_spec("dotenv") is None:
        return []
    call = "load_dotenv()  # as flask does, before the app reads its settings"
    return ["from flask.cli import load_dotenv", "", call, "# ruff: noqa: E402", ""]


def import_line(place: tuple[str, str]) -> str:
    """Return the import of a name from a module; without a module the name is one itself."""
    module, name = place
    return f"from {module} import {name}" if module else f"import {name}"


def option_line(option: dict[str, Any]) -> str:
    """Return a line of ``options()``."""
    return f'\n        "{option["name"]}": {option["code"]},'


def variant(found: dict[str, Any]) -> str:
    """Return ``multidb`` if env.py migrates several databases, or could if there is none."""
    databases = (found["old"] or found)["names"]
    return "multidb" if len(databases) > 1 else "generic"


def ini(text: str, found: dict[str, Any], layout: Layout) -> str:
    """Return the alembic.ini of the template with the folders and the settings of the app."""
    # Alembic before 1.16 knows no path_separator.
    is_new = numbers(version("alembic")) >= (1, 16)
    between = "\n    " if is_new else ":"
    location = layout.path(layout.target)
    sections = dict((found["old"] or {}).get("settings", {}))
    text = text.replace(
        f"{PACKAGE}/migrations/env.py", f"{location.removeprefix('%(here)s/')}/env.py"
    )
    settings = {
        "script_location": location,
        "prepend_sys_path": between.join(map(layout.path, (layout.root, *layout.paths))),
        **sections.pop("alembic", {}),
    }
    # Windows has no time zones of its own, and Alembic before 1.13 reads them with dateutil.
    if numbers(version("alembic")) < (1, 13) or "UTC" not in available_timezones():
        text = text.replace("timezone = UTC\n", "").replace(", in every time zone.", ".")
    if not is_new:
        text = text.replace("path_separator = newline", "version_path_separator = ;")
        if re.search("[ ,:]", str(layout.root)):  # where that Alembic splits a path
            settings["prepend_sys_path"] = settings["prepend_sys_path"].replace("%(here)s", ".")
    if layout.locations != [layout.target / "versions"]:
        folders = [layout.path(folder) for folder in layout.locations]
        first = "\n    " if is_new and folders[1:] else ""
        settings["version_locations"] = first + (between if is_new else ";").join(folders)
    if layout.recursive:
        settings["recursive_version_locations"] = "true"
    for name, value in settings.items():
        text = with_setting(text, name, value)
    for section, values in sections.items():  # which the old env.py may read
        lines = [f"{name} = {value}" for name, value in values.items()]
        text += "\n".join(["", f"[{section}]", *lines, ""])
    return text


def with_setting(text: str, name: str, value: str) -> str:
    """Return the text of an alembic.ini with a setting: in its own place, or after the first ones of Alembic."""
    line = f"{name} = {value}\n".replace(" \n", "\n")
    before, header, rest = re.split(r"(?m)^(\[alembic\]\n)", text.rstrip("\n") + "\n", maxsplit=1)
    section, *others = re.split(r"(?m)^(?=\[)", rest, maxsplit=1)
    place = rf"(?m)^{re.escape(name)} *[=:].*\n"
    if not re.search(place, section):
        place = r"(?m)^$"  # the first empty line
    section = re.sub(place, lambda _: line, section, count=1)
    return "".join([before, header, section, *others])
