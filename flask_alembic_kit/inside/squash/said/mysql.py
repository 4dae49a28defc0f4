"""What MySQL and MariaDB say, with ``SHOW CREATE``."""

import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from typing import Any

from . import Item, ask


def items(connection: Any, own: set[str]) -> Iterator[Item]:
    database = ask(connection, "SELECT DATABASE()").scalar()
    usual = ask(
        connection,
        "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata"
        " WHERE schema_name = DATABASE()",
    ).one()

    yield Item("character set", "of the database", text=" ".join(usual))

    def shown(kind: str, name: str, column: int) -> str:
        row = ask(connection, f"SHOW CREATE {kind} {quoted(name)}").one()
        text = re.sub(r" DEFINER=`[^`]*`@`[^`]*`", "", row[column])
        return text.replace(f"`{database}`.", "").replace(f"{database}.", "")

    mode = ask(connection, "SELECT @@sql_mode").scalar()

    def in_mode(item: Item, its: str) -> Iterator[Item]:
        """Yield what runs in the mode that it was made in: where that is another, it is set and reset."""
        if its == mode:
            yield item
        else:
            set_ = f"SET @usual_mode = @@sql_mode, sql_mode = '{its}'"
            yield Item("sql_mode", f"of {item}", set_, when=item.when)
            yield item
            yield Item("sql_mode", f"after {item}", "SET sql_mode = @usual_mode", when=item.when)

    found = ask(connection, "SHOW FULL TABLES").all()
    views = {}
    for name, kind in found:
        if name in own:
            continue
        if kind == "VIEW":
            views[name] = shown("VIEW", name, 1)
        elif kind == "SEQUENCE":
            number = ask(connection, f"SELECT next_not_cached_value FROM {quoted(name)}").scalar()
            drop, set_ = f"DROP SEQUENCE {quoted(name)}", f"DO SETVAL({quoted(name)}, {number}, 0)"
            yield Item("sequence", name, shown("SEQUENCE", name, 1), drop, when="before")
            yield Item("next number", name, set_, when="before")
        else:
            text = without_usual(shown("TABLE", name, 1), *usual)
            body, end, options = text.rpartition("\n)")
            number = re.search(r" AUTO_INCREMENT=(\d+)", options)
            text = body + end + (options.replace(number[0], "") if number else options)
            yield Item("table", name, text, table=name, when="table", text=sorted_keys(text))
            if number:
                set_ = f"ALTER TABLE {quoted(name)} AUTO_INCREMENT = {number[1]}"
                yield Item("next number", name, set_, table=name)
    for kind, name, its in ask(
        connection,
        "SELECT routine_type, routine_name, sql_mode FROM information_schema.routines"
        " WHERE routine_schema = DATABASE() ORDER BY created, routine_name",
    ).all():
        if kind not in ("FUNCTION", "PROCEDURE"):
            yield Item(kind.lower(), name)
            continue
        drop = f"DROP {kind} {quoted(name)}"
        item = Item(kind.lower(), name, shown(kind, name, 2), drop, when="before")
        yield from in_mode(item, its)
    for name in in_order(views):
        yield Item("view", name, views[name], f"DROP VIEW {quoted(name)}")
    for row in ask(connection, "SHOW TRIGGERS").mappings().all():
        name, drop = row["Trigger"], f"DROP TRIGGER {quoted(row['Trigger'])}"
        item = Item("trigger", name, shown("TRIGGER", name, 2), drop, row["Table"])
        yield from in_mode(item, row["sql_mode"])
    for name, its in ask(
        connection,
        "SELECT event_name, sql_mode FROM information_schema.events"
        " WHERE event_schema = DATABASE() ORDER BY event_name",
    ).all():
        item = Item("event", name, shown("EVENT", name, 3), f"DROP EVENT {quoted(name)}")
        yield from in_mode(item, its)


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def without_usual(sql: str, charset: str, collation: str) -> str:
    """Return a CREATE TABLE without the character set of its database: another one has its own."""
    head, end, options = sql.rpartition("\n)")
    if f" COLLATE={collation}" in options or "COLLATE" not in options:
        options = options.replace(f" COLLATE={collation}", "")
        options = re.sub(rf" DEFAULT CHARSET={charset}\b", "", options)
    return head + end + options


def sorted_keys(sql: str) -> str:
    """Return a CREATE TABLE with its keys sorted: their order means nothing."""
    head, *lines, tail = sql.split("\n")
    lines = [line.rstrip(",") for line in lines]
    columns = [line for line in lines if line.startswith("  `")]
    return "\n".join([head, *columns, *sorted(line for line in lines if line not in columns), tail])


def in_order(views: dict[str, str]) -> list[str]:
    """Return the names of views, each after those that it reads."""
    reads = {
        name: {other for other in views if other != name and quoted(other) in text}
        for name, text in views.items()
    }
    return [*TopologicalSorter(reads).static_order()]
