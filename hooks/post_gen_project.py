"""Write .env where there is none, and say what to do next. Runs in the new project's folder."""

import os
import secrets
from pathlib import Path

example = Path(".env.example").read_text(encoding="utf-8")
try:
    # Nobody else may read it, and one that exists already stays as it is.
    descriptor = os.open(".env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
except FileExistsError:
    pass
else:
    with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
        file.write(example.replace("SECRET_KEY=\n", f"SECRET_KEY={secrets.token_hex(32)}\n"))

server = "    docker compose up --detach --wait\n" if Path("compose.yaml").exists() else ""
print(
    f"""
Your project is in {Path.cwd()}. Next:

    cd {Path.cwd().name}
{server}    uv run alembic upgrade head
    uv run flask run

Without uv, see README.md there."""
)
