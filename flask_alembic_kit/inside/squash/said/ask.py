"""How a server is asked."""

import re
from typing import Any

import sqlalchemy as sa


def ask(connection: Any, statement: str) -> Any:
    """Return the result of a statement that is sent as it stands, whatever the driver."""
    return connection.execute(sa.text(escaped(statement)))


def escaped(statement: str) -> str:
    """Return a statement in which SQLAlchemy sees no parameter."""
    return re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", statement)
