"""One thing in a database."""

from dataclasses import dataclass


@dataclass
class Item:
    """One thing in a database, as the server describes it.

    :param kind: in words of the database
    :param name: unique among those of its kind, together with the table
    :param create: the statement that makes it; one without cannot be carried over, only named
    :param drop: the statement that drops it, if that does not go with its table
    :param table: what it belongs to
    :param when: ``before`` the tables; ``table``; ``with`` its table; ``index``: after the rows;
        ``after`` all. What is not reflected is before or after, the others are only used for a
        table that the operations of Alembic do not make the same.
    :param text: what is compared, if not the statement
    """

    kind: str
    name: str
    create: str = ""
    drop: str = ""
    table: str | None = None
    when: str = "after"
    text: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.kind, self.name, self.table or ""

    @property
    def says(self) -> str:
        return self.text or self.create

    def __str__(self) -> str:
        of = f" of {self.table}" if self.table not in (None, self.name) else ""
        return f"{self.kind} {self.name}{of}"
