"""Compares the old tool and the new environment: what they say, and what they make."""

import re
from typing import Any

Answers = dict[str, Any]
DIFFER = "Models and database differ (database -> models)"
BEFORE = f"{DIFFER}, as they did before"
UNSEEN = f"{DIFFER}, where the old tool did not look"
# What revisions need, by what their errors say: those of older SQLAlchemy, and extensions of PostgreSQL.
ADVICE = {
    '(type "|function |operator ).*does not exist|extension "': (
        "If an extension of PostgreSQL has it, let an admin make the extension in the app's database; or in "
        "template1, if the app's user may not make it. Then run this again."
    ),
    # The last is what PostgreSQL says after an error that a revision has caught, often this one.
    'no such table|NoSuchTable|(relation|table) "[^"]+" does not|Table .* doesn.t exist|errno: 150|'
    "open the referenced table|transaction is aborted": (
        "If no revision makes a table that they need, make a new database as you do today, for example with "
        "db.create_all(), and then run alembic stamp head."
    ),
    "KeyError: 'url'|SQLAlchemy URL|URL object, got None": (
        "Write op.get_bind() in place of sqlalchemy.url, which only the old env.py sets."
    ),
    "Not an executable object": "Write sqlalchemy.text(...) around the strings that this revision executes.",
    "module 'sqlalchemy": "Write the name that SQLAlchemy has today, or install the older SQLAlchemy.",
    "from 'sqlalchemy": "Write the name that SQLAlchemy has today, or install the older SQLAlchemy.",
}


def advice(error: str) -> list[str]:
    """Return what to do about an error of revisions, if that is known."""
    return [line for words, line in ADVICE.items() if re.search(words, error)]


def failures(old: Answers | None, new: Answers) -> list[str]:
    """Return what is wrong, a line each; nothing if the new environment is as good as the old."""
    found = []
    if "alone_error" in new:
        found.append(f"alembic cannot be run without flask: {new['alone_error']}")
    if "build_error" in new:
        found.append(f"An empty database cannot be migrated: {new['build_error']}")
        found += advice(new["build_error"])
    if "own_error" in new and "own_error" not in (old or {}):
        found.append(f"The app's database cannot be read: {new['own_error']}")
    error = new.get("compare_error", "")
    is_of_models = re.search("Compil|lacks the type", error)  # no tool can compare them
    if error and "compare_error" not in (old or new) and not is_of_models:
        found.append(f"Models cannot be compared any more: {error}")
    if old is None:
        return found
    for what, name in {"heads": "heads", "history": "revisions"}.items():
        if {*old[what]} != {*new[what]}:
            missing, more = {*old[what]} - {*new[what]}, {*new[what]} - {*old[what]}
            found.append(f"Other {name}: missing {sorted(missing)}, more {sorted(more)}")
    for what, where in {"built_at": "from empty", "current": "of the app's database"}.items():
        if what in old and what in new and old[what] != new[what]:
            found.append(f"Another revision {where}: {old[what]} before, {new[what]} now")
    return found + built(old, new)


def built(old: Answers, new: Answers) -> list[str]:
    """Return what differs between what the two have made of empty databases, a line each."""
    if "built" not in old or "built" not in new:
        return []
    logs = [log_of(table) for table in new["version_tables"].values()]
    return schema_differences(old["built"], new["built"], logs)


def log_of(version_table: str) -> str:
    """Return the name of the table that the kit keeps beside a version table."""
    name = version_table.replace("alembic_version", "alembic_log")
    return name if name != version_table else f"{version_table}_log"


def schema_differences(old: dict[str, Any], new: dict[str, Any], logs: list[str]) -> list[str]:
    """Return what differs between databases that the two have built from empty, a line each.

    :param logs: the kit's own tables
    """
    found = []
    for database in sorted({*old, *new}):
        before, after = old.get(database, {}), new.get(database, {})
        for table in sorted({*before, *after} - {*logs}):
            if table not in after or table not in before:
                found.append(
                    f"Table {table} is only there with the {'old' if table in before else 'new'}"
                )
            elif before[table] != after[table]:
                found.append(f"Table {table}: {table_difference(before[table], after[table])}")
    return found


def table_difference(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Return the parts of a table that differ."""
    if before["columns"] == after["columns"]:
        return f"{before['rows']} rows before, {after['rows']} now"
    names = {*before["columns"], *after["columns"]}
    parts = [n for n in names if before["columns"].get(n) != after["columns"].get(n)]
    shown = [f"{n} {before['columns'].get(n)} -> {after['columns'].get(n)}" for n in sorted(parts)]
    return "; ".join(shown)


def summary(old: Answers | None, new: Answers) -> list[str]:
    """Return what has been compared, for the reader."""
    lines = []
    if old:
        number = counted(len(new["history"]), "revision")
        lines.append(f"{number}, heads {', '.join(new['heads'])}: as before")
    if "built" in new:
        own = {*new["version_tables"].values(), *map(log_of, new["version_tables"].values())}
        migrated = (new["built"].get(name, ()) for name in new["version_tables"])
        tables = sum(len({*tables} - own) for tables in migrated)
        same = (
            "the same schema as with the old tool" if old and "built" in old else "without an error"
        )
        lines.append(f"{counted(tables, 'table')} made from empty: {same}")
    if error := new.get("known_error"):
        lines.append(f"An empty database cannot be migrated, nor can the old tool do it: {error}")
        lines += advice(error)
    if error := new.get("compare_error"):
        lines.append(f"alembic check and --autogenerate fail, mend the models first: {error}")
    if "import_error" in new:
        lines.append(
            "Plain alembic heads, show and branches start no app, so they cannot import the revisions. Use flask "
            f"db for them. The others can (revision_environment in alembic.ini): {new['import_error']}"
        )
    if "current" in new:
        shown = ", ".join(
            f"{name} {' '.join(at) or 'without a revision'}" for name, at in new["current"].items()
        )
        before = ": as before" if "current" in (old or {}) else ""
        lines.append(f"The app's database: {shown}{before}")
        if old and "own_error" in old:
            lines.append(f"There the old tool cannot run without a change: {old['own_error']}")
    else:
        makes = "" if "known_error" in new else ", alembic upgrade head makes it"
        why = new.get("own_error", f"it is not there{makes}")
        lines.append(f"The app's database was not compared: {why}")
    return lines


def counted(number: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def drift(old: Answers | None, new: Answers) -> dict[str, list[str]]:
    """Return how models and databases differ, a line each: what the old tool saw, and what it did not."""
    found: dict[str, list[str]] = {}
    current = new.get("current", {})
    # Where one head depends on another, a database is not at both.
    at_head = new.get("built_at") or {name: new["heads"] for name in current}
    what = "differs" if "differs" in new and current == at_head else "built_differs"
    for database, changes in new.get(what, {}).items():
        before = {*(old or {}).get(what, {}).get(database, [])}
        where = f"{database}: " if len(new[what]) > 1 else ""
        for change in changes:
            kind = BEFORE if change in before else UNSEEN if old else DIFFER
            found.setdefault(kind, []).append(where + change)
    return found
