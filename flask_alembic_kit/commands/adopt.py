"""``flask-alembic-kit adopt``: an app that exists gets the kit's migrations, with no edit."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from .. import environment, proof, usage, versions
from ..layout import Layout, layout_of
from ..place import place
from ..plan import Plan, plan_for
from ..process import ask

SHOWN = 20  # differences of each kind


@click.command("adopt")
@click.option("--app", help="The app, as for flask --app.")
@click.option("--db", metavar="MODULE:NAME", help="What has the app's engine, if not an extension.")
@click.option("--into", metavar="FOLDER", help="Where the migrations go: PACKAGE/migrations.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--no-compare-server-default", "no_defaults", is_flag=True, help="Leave that for later."
)
def command(
    app: str | None, db: str | None, into: str | None, yes: bool, no_defaults: bool
) -> None:
    """Give an app that exists the kit's migrations, with the revisions that it has.

    Shows a plan, adds files, changes and deletes none, and proves that the new environment says and
    makes what the old one did, with empty scratch databases beside the app's.
    """
    root = Path.cwd().resolve()
    versions.check()
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
            "Choose another folder with --into."
        )
    if plan.add:
        if not yes:
            click.confirm("Add these files?", abort=True)
        place(plan)
    if is_new(found):
        made = ask("baseline", **arguments)["written"]
        folder = os.path.relpath(layout.locations[0], root)
        place(Plan(root, {f"{folder}/{name}": text for name, text in made.items()}))
        click.echo(f"\nThe first revision makes what the models say: {', '.join(made)}")
    prove(found, arguments)
    if not found["old"]:
        begin(arguments)
    click.echo("\nDone. From now on, use the command alembic in this folder.")


def show(plan: Plan, found: dict[str, Any], layout: Layout) -> None:
    """Show what has been found, and what is to be done."""
    old = found["old"]
    click.echo(f"App: {found['app']['module']}:{found['app']['call'] or found['app']['name']}")
    for name, database in found["databases"].items():
        click.echo(f"Database {name}: {database['url']}")
    if old:
        click.echo(f"Revisions: {len(old['history'])} of {old['kind']}. They stay where they are.")
    if not plan.add:
        click.echo("Nothing to add: everything is there. The old tool is not compared with again.")
        return
    click.echo("\nTo add:")
    for path in summarized(plan.add):
        click.echo(f"    {path}")
    for path, kept in plan.rename.items():
        click.echo(f"    {path} of today is kept as {kept}")
    for option in (old or {}).get("options", []):
        if option["code"] is None:
            click.echo(f"Not taken over from env.py: {option['name']}={option['shown']}")
    for line in (old or {}).get("beside", []):
        click.echo(f"Not taken over from env.py, line {line}")
    if is_new(found):
        click.echo(
            "    the first revision, from the models; a database that has their tables is stamped"
        )
    ignored = layout.root / ".gitignore"
    known = ignored.read_text(encoding="utf-8") if ignored.exists() else ""
    if "-migrating" not in known and any(each["file"] for each in found["databases"].values()):
        click.echo("\nAdd *-migrating to .gitignore: lock files are beside a database of SQLite.")
    if {*found["migrated"]} - {str(layout.target)}:
        click.echo(
            "\nThe app itself runs the old tool when it is made, or a plugin does. Several processes that start "
            "at the same time then disturb each other. Let it import the new migrations, see below."
        )
    todo = usage.lines(layout.root, layout.module)
    if todo:
        click.echo("\nThe app still uses the old tool. Change these lines when you have time:")
    for line in todo:
        click.echo(f"    {line}")
    if not any("add_command" in line for line in todo):
        line = usage.command_line(layout.module)
        click.echo(f"\nFor the command flask db, add this where the app is made:\n    {line}")
    if package := usage.in_front():
        click.echo(
            f"\n{package} has a command flask db that comes before that of any app. So the kit's is called "
            f"flask {usage.OTHER_NAME} in that line. Without {package}, it can be db."
        )


def summarized(paths: Any) -> list[str]:
    """Return paths, with those of the kit's folder as one."""
    folders = {path.partition("/kit/")[0] + "/kit/" for path in paths if "/kit/" in path}
    return sorted([*folders, *(path for path in paths if "/kit/" not in path)])


def prove(found: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Compare old and new, say what was found, and end with status 1 if anything is wrong."""
    old = found["old"]
    new = answers(arguments)
    if old and "build_error" in new and "build_error" not in old:
        new = apart(arguments) or new
    if "import_error" in new:
        set_in(Path(arguments["ini"]), "revision_environment", "true")
    if "build_error" in new:
        before = old or ask("rebuild", **arguments)
        if "build_error" in before:
            new["known_error"] = new.pop("build_error")
    click.echo("\nProof:")
    for line in proof.summary(old, new):
        click.echo(f"    {line}")
    for what, lines in proof.drift(old, new).items():
        if lines:
            click.echo(f"\n{what}:")
        for line in lines[:SHOWN]:
            click.echo(f"    {line}")
        if more := lines[SHOWN:]:
            click.echo(f"    and {len(more)} more: see alembic check")
    wrong = proof.failures(old, new)
    for line in wrong:
        click.echo(f"    {line}", err=True)
    if wrong:
        click.echo(
            "\nNot proven, see above. The new files are there. Nothing of the app has been changed.",
            err=True,
        )
        sys.exit(1)


def answers(arguments: dict[str, Any]) -> proof.Answers:
    """Return what the new environment says and makes, as ``alembic`` and as ``flask db`` run it."""
    # In a process each: many a factory can make one app only.
    ini = arguments["ini"]
    alone = ask("alone", ini=ini)
    if "alone_error" in alone:
        alone = ask("alone", ini=ini, is_own=True)
    return {**ask("imported", ini=ini), **alone, **ask("prove", **arguments)}


def apart(arguments: dict[str, Any]) -> proof.Answers | None:
    """Let revisions open connections of their own, as with the old tool, if they only run so.

    :return: what the new environment says then; None if that does not help
    """
    ini = Path(arguments["ini"])
    before = set_in(ini, "share_connection", "false")
    new = answers(arguments)
    if "build_error" in new:
        ini.write_text(before, encoding="utf-8")
        return None
    click.echo(
        "\nRevisions open connections of their own, and run only if these do not see what the run has "
        "done so far. So alembic.ini has share_connection = false."
    )
    return new


def set_in(ini: Path, name: str, value: str) -> str:
    """Write a setting into an alembic.ini, and return the text that it had before."""
    text = ini.read_text(encoding="utf-8")
    ini.write_text(environment.with_setting(text, name, value), encoding="utf-8")
    return text


def is_new(found: dict[str, Any]) -> bool:
    """Say whether the app has no revision yet."""
    return not found["old"] and not found.get("history")


def begin(arguments: dict[str, Any]) -> None:
    """Let the app's own databases begin at the first revision, if they have its tables."""
    done = ask("stamp", **arguments)
    if done["stamped"]:
        click.echo(
            "    The app's database has all tables of the models: it is stamped with the revision."
        )
    elif done["missing"]:
        missing = ", ".join(done["missing"])
        click.echo(
            f"    The app's database lacks {missing}: run alembic upgrade head if it is empty."
        )
