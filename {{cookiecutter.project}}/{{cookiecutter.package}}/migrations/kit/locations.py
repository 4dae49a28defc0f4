"""Finds alembic.ini, and the folders with env.py and with revisions."""

import re
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import coerce_resource_to_filename
from flask import current_app


def version_locations(script: ScriptDirectory) -> list[str]:
    """Return the folders of the revisions: of ``alembic.ini``, and of the app's ``ALEMBIC`` setting."""
    # As folders: where the path separator is a colon, package:folder would be taken for two.
    places = script.version_locations or [str(Path(script.dir, "versions"))]
    own = [str(coerce_resource_to_filename(str(each))) for each in places]
    settings = current_app.config.get("ALEMBIC", {}) if current_app else {}
    for each in settings.get("version_locations", ()):
        place = str(each if isinstance(each, (str, Path)) else each[1])
        folder = Path(current_app.root_path, coerce_resource_to_filename(place)).resolve()
        if folder not in {Path(one).resolve() for one in own}:
            own.append(str(folder))
    return own


def says_where(ini: Path) -> bool:
    """Say whether it, or pyproject.toml, names a folder; that of an old tool may name ``.``, its own."""
    names = r'(?m)^script_location(?!\s*=\s*"?(\.|%\(here\)s)"?\s*$)'
    files = [file for file in (ini, ini.with_name("pyproject.toml")) if file.exists()]
    return any(re.search(names, file.read_text("utf-8", "replace")) for file in files)


def set_script_location(config: Config, folder: str | Path) -> None:
    """Use the ``env.py`` and the revisions of a folder, unless it is used already."""
    if config.get_main_option("script_location"):
        script = ScriptDirectory.from_config(config)
        mine = {Path(place).resolve() for place in (script.dir, *(script.version_locations or ()))}
        if mine & {Path(folder).resolve(), Path(folder, "versions").resolve()}:
            return
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
