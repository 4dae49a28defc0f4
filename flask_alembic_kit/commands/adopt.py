"""``flask-alembic-kit adopt``: an app that exists gets the kit's migrations, with no edit."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from .. import environment, proof, usage, versions
from ..layout import Layout, layout_of
from ..place import alone, place, replace
from ..plan import Plan, plan_for
from ..process import ask

SHOWN = 20  # differences of each kind
MIGRATES = (
    "or a plugin does. Several processes that start at the same time then disturb each other. "
    "Let it import the new migrations"
)
DONE = """
Done. From now on, when you have changed a model, run this here:
    alembic revision --autogenerate -m "what changed"
    alembic upgrade head"""


@click.command("adopt")
@click.option("--app", help="The app, as for flask --app.")
@click.option(
    "--db", metavar="MODULE:NAME", help="The object with the app's engine, if it is no extension."
)
@click.option(
    "--into", metavar="FOLDER", help="The folder for the migrations; default: PACKAGE/migrations."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--no-compare-server-default",
    "no_defaults",
    is_flag=True,
    help="Do not compare server defaults yet.",
)
def command(
    app: str | None, db: str | None, into: str | None, yes: bool, no_defaults: bool
) -> None:
    """Add the kit's migrations to an existing app, and keep its revisions.

    It shows a plan, then adds files. It changes and deletes none of yours. Then it proves, with empty
    scratch databases, that the new environment makes the same as the old one.
    """
    root = Path.cwd().resolve()
    versions.check()
    alone(root)
    arguments: dict[str, Any] = {"app": app, "db": db}
    found = ask("inspect", may_prompt=not yes, **arguments)
    arguments = {**arguments, **found["said"], "ini": str(root / "alembic.ini")}
    layout = layout_of(found, root, found["adopted"] or into)
    plan = Plan(root)
    if not found["adopted"]:
        plan = plan_for(environment.files(found, layout, not no_defaults), found, layout)
    show(plan, found, layout)
    if plan.collisions:
        raise click.ClickException(
            f"In the way: {', '.join(plan.collisions)}. Nothing has been changed. "
            "Choose another folder with --into, or give another name to what is in the way."
        )
    if plan.add:
        if not yes:
            click.confirm("Add these files?", abort=True)
        place(plan)
    if is_new(found):
        made = ask("baseline", **arguments)["written"]
        folder = os.path.relpath(layout.locations[0], root)
        place(Plan(root, {f"{folder}/{name}": text for name, text in made.items()}))
        click.echo(f"\nThe first revision creates the tables of the models: {', '.join(made)}")
    new = prove(found, arguments)
    if "current" in new and not any(new["current"].values()):
        begin(arguments)
    show_makers(new, is_new(found))
    click.echo(DONE)


def show(plan: Plan, found: dict[str, Any], layout: Layout) -> None:
    """Show what has been found, and what is to be done."""
    old = found["old"]
    folder = "".join(f", in {os.path.relpath(path, layout.root)}" for path in layout.paths)
    click.echo(
        f"App: {found['app']['module']}:{found['app']['call'] or found['app']['name']}{folder}"
    )
    for name, database in found["databases"].items():
        click.echo(f"Database {name}: {database['url']}")
    if number := len(revisions(old)):
        click.echo(f"Revisions: {number} of {old['kind']}. They stay where they are.")
    if not plan.add:
        click.echo(
            "Nothing to add: everything is there. It is not compared with the old tool again."
        )
        return
    click.echo("\nTo add:")
    for path in summarized([*plan.add]):
        click.echo(f"    {path}")
    for path, kept in plan.rename.items():
        click.echo(f"    {path}: what is there now is kept as {kept}")
    if is_new(found):
        click.echo(
            "    the first revision, from the models; a database that has their tables is stamped"
        )
    for option in (old or {}).get("options", []):
        if option["code"] is None:
            click.echo(f"Not taken over from env.py: {option['name']}={option['shown']}")
    for line in (old or {}).get("beside", []):
        click.echo(f"Not taken over from env.py, line {line}")
    if others := (old or {}).get("others"):
        click.echo(
            f"Not taken over: the revisions in {', '.join(others)}. Keep the old tool for them."
        )
    ignored = layout.root / ".gitignore"
    known = ignored.read_text(encoding="utf-8", errors="replace") if ignored.exists() else ""
    if "-migrating" not in known and any(each["file"] for each in found["databases"].values()):
        click.echo(
            "\nAdd *-migrating to .gitignore: it is the lock file beside an SQLite database."
        )
    if unseen := ignored_by_git(layout.root, [*plan.add]):
        rule, path = unseen
        click.echo(f"\nGit ignores {path} ({rule}). Remove that rule, or use git add --force.")
    if found["app"]["runs"]:
        click.echo(
            f"\nThe module {found['app']['module']} calls app.run() when it is imported, which starts no server under "
            'alembic, as under flask. Better put the call under if __name__ == "__main__".'
        )
    if {*found["migrated"]} - {str(layout.target)}:
        click.echo(f"\nThe app itself migrates with the old tool, {MIGRATES}, see below.")
    show_lines(found, layout)


def show_lines(found: dict[str, Any], layout: Layout) -> None:
    """Show the lines of the app that use the old tool, and the one that adds ``flask db``."""
    package = usage.in_front()
    name = f'"{usage.OTHER_NAME}"' if package or found["has_db"] else None
    todo = usage.lines(layout.root, layout.module, name)
    if todo:
        click.echo("\nThe app still uses the old tool. Change these lines when you have time:")
    for line in todo:
        click.echo(f"    {line}")
    if not any("add_command" in line for line in todo):
        line = usage.command_line(layout.module, name=name)
        click.echo(f"\nFor the command flask db, add this where the app is made:\n    {line}")
    if name:
        whose = f"{package} has a command flask db, which comes before that of any app"
        click.echo(
            f"\n{whose if package else 'The app has a command flask db of its own'}. So that line calls the new "
            f"one flask {usage.OTHER_NAME}. If you remove {package or 'the other'}, you can call it db."
        )


def ignored_by_git(root: Path, paths: list[str]) -> list[str]:
    """Return the rule by which git ignores one of several files, and that file; nothing if it ignores none."""
    command = ("git", "-C", str(root), "check-ignore", "--verbose", *paths)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # there is no git
        return []
    return next((line.split("\t") for line in done.stdout.splitlines()), [])


def summarized(paths: list[str]) -> list[str]:
    """Return paths, with those of the kit's folder as one."""
    folders = {path.partition("/kit/")[0] + "/kit/" for path in paths if "/kit/" in path}
    return sorted([*folders, *(path for path in paths if "/kit/" not in path)])


def prove(found: dict[str, Any], arguments: dict[str, Any]) -> proof.Answers:
    """Compare old and new, say what was found, and end with status 1 if anything is wrong.

    :return: what the new environment says and makes
    """
    click.echo("\nProof:")  # which takes a while
    old = found["old"] if revisions(found["old"]) else None
    old = old and made(old, arguments, is_old=True)
    new = answers(arguments)
    if old and is_worse(old, new):
        new = apart(old, arguments) or new
    if "import_error" in new:
        set_in(Path(arguments["ini"]), "revision_environment", "true")
    if "build_error" in new:
        before = old or ask("rebuild", **arguments, is_old=True, is_made=False)
        if "build_error" in before:
            new["known_error"] = new.pop("build_error")
    for line in proof.summary(old, new):
        click.echo(f"    {line}")
    for what, lines in proof.drift(old, new).items():
        if lines:
            click.echo(f"\n{what}:")
        for line in lines[:SHOWN]:
            click.echo(f"    {line}")
        if more := lines[SHOWN:]:
            click.echo(f"    and {len(more)} more: see alembic check")
    if new["migrated"] and not found["migrated"]:
        click.echo(
            f"\nOn an empty database, the app itself migrates with the old tool, {MIGRATES}."
        )
    wrong = proof.failures(old, new)
    if wrong:
        show_makers(new, is_new(found))
    for line in wrong:
        click.echo(f"    {line}", err=True)
    if wrong:
        click.echo(
            "\nNot proven, see above. The new files are there. Nothing of the app has been changed.",
            err=True,
        )
        sys.exit(1)
    return new


def show_makers(new: proof.Answers, is_first: bool) -> None:
    """Say that the app makes the tables itself, so that the revisions cannot.

    :param is_first: whether there was no revision: then all that makes tables did it
    """
    lines = usage.makers(Path.cwd())
    if error := new.get("makes_error"):
        shown = ", ".join([*new["makes"][:3], *(["..."] if new["makes"][3:] else [])])
        click.echo(
            f"\nOn an empty database, the app itself makes tables when it is made ({shown}), and the revisions, "
            f"which make them too, fail: {error.partition('. Nothing of this run')[0]}"
        )
        if not lines:
            click.echo(
                "No line of the app does it, so a package does, as Flask-AppBuilder. For a new database, use "
                "alembic stamp head, where you would use alembic upgrade head."
            )
            return
        click.echo(
            "Remove what makes them: else it also makes the table of a new model before Alembic sees it, and "
            "no revision has that. These lines may do it:"
        )
    elif is_first and lines:
        click.echo(
            "\nThese lines make tables without a revision. Remove them, and use alembic upgrade head instead:"
        )
    else:
        return
    for line in lines:
        click.echo(f"    {line}")


def answers(arguments: dict[str, Any]) -> proof.Answers:
    """Return what the new environment says and makes, as ``alembic`` and as ``flask db`` run it."""
    # In a process each: many a factory can make one app only.
    ini = arguments["ini"]
    alone = ask("alone", ini=ini)
    if "alone_error" in alone:
        alone = ask("alone", ini=ini, is_own=True) | {"makes": []}
    if alone["makes"]:
        alone["makes_error"] = ask("rebuild", **arguments, is_old=False).get("build_error")
    proved = made(ask("prove", **arguments), arguments, is_old=False)
    return {**ask("imported", ini=ini), **alone, **proved}


def made(found: proof.Answers, arguments: dict[str, Any], is_old: bool) -> proof.Answers:
    """Return answers with what is built if the databases are not quite empty, and only then.

    A factory may make tables that revisions need, as Flask-AppBuilder does; an admin may make extensions.
    """
    if "build_error" not in found:
        return found
    again = ask("rebuild", **arguments, is_old=is_old)
    if "build_error" in again:
        return found
    return {**{name: found[name] for name in found if name != "build_error"}, **again}


def is_worse(old: proof.Answers, new: proof.Answers) -> bool:
    """Say whether the new environment makes less of empty databases, or something else."""
    return "build_error" not in old and ("build_error" in new or bool(proof.built(old, new)))


def apart(old: proof.Answers, arguments: dict[str, Any]) -> proof.Answers | None:
    """Let revisions open connections of their own, as with the old tool, if they need that.

    :return: what the new environment says then; None if that does not help
    """
    ini = Path(arguments["ini"])
    before = set_in(ini, "share_connection", "false")
    new = answers(arguments)
    if is_worse(old, new):
        replace(ini, before)
        return None
    click.echo(
        "\nSome revisions open a connection of their own, and make the same as before only if it does not see "
        "what the run has done so far. So alembic.ini has share_connection = false."
    )
    return new


def set_in(ini: Path, name: str, value: str) -> str:
    """Write a setting into an alembic.ini, and return the text that it had before."""
    before = ini.read_text(encoding="utf-8")
    after = environment.with_setting(before, name, value)
    if after != before:
        replace(ini, after)
    return before


def is_new(found: dict[str, Any]) -> bool:
    """Say whether the app has no revision yet."""
    return not revisions(found["old"]) and not found.get("history")


def revisions(old: dict[str, Any] | None) -> list[str]:
    """Return the revisions of the old tool, which may have been set up and not used."""
    return old["history"] if old else []


def begin(arguments: dict[str, Any]) -> None:
    """Let the app's own databases begin at the first revision, if they have its tables and no revision."""
    done = ask("stamp", **arguments)
    if done["stamped"]:
        click.echo(
            "    The app's database has all tables of the models: now it is stamped with the revision."
        )
    elif done["unstamped"]:
        click.echo(
            "\nThe app's database has all tables of the models, but no revision. If db.create_all() has made them, run "
            "alembic stamp heads: alembic upgrade would make them again, and fail."
        )
    elif done["missing"]:
        missing = ", ".join(done["missing"])
        click.echo(
            f"    The app's database lacks {missing}: run alembic upgrade head if it is empty."
        )
