"""The migrations: revisions in versions/, and env.py, which says how they run."""

from pathlib import Path

from alembic.config import Config

FOLDER = Path(__file__).parent


def alembic_config() -> Config:
    """Return the configuration that every function in ``alembic.command`` takes.

    Call them in an app context: they migrate the databases of the current app.
    """
    config = Config(FOLDER.parents[1] / "alembic.ini")
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config
