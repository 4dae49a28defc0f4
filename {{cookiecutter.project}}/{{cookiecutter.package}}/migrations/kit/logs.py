"""Lets a command log, however the app has set up logging; the app's own loggers stay as they are."""

import logging
import sys
from logging.config import fileConfig

from alembic.config import Config

from .errors import running_command


def set_up(config: Config) -> None:
    """Log as alembic.ini says, where nobody has set up logging."""
    if running_command() and not sys.stdout:  # closed (>&-): Alembic prints its errors there
        sys.stdout, config.stdout = sys.stderr, config.stdout or sys.stderr
    has_logging = config.file_config.has_section("loggers")
    if running_command() and has_logging and not logging.root.handlers:
        fileConfig(str(config.config_file_name), disable_existing_loggers=False)
        # Alembic also prints what it logs there: the reader has seen it.
        logging.getLogger("alembic.util.messaging").setLevel(logging.CRITICAL)


def restore() -> None:
    """Undo what an app's ``dictConfig()`` does to all loggers that there were before it."""
    if not running_command():
        return
    for name, logger in logging.root.manager.loggerDict.items():
        if name.partition(".")[0] == "alembic" and isinstance(logger, logging.Logger):
            logger.disabled = False
    alembic = logging.getLogger("alembic")
    alembic.setLevel(min(alembic.getEffectiveLevel(), logging.INFO))
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    streams = (h for h in (*alembic.handlers, *logging.root.handlers) if hasattr(h, "stream"))
    if all(isinstance(h, logging.FileHandler) or h.level > logging.INFO for h in streams):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(levelname)-5.5s [%(name)s] %(message)s"))
        alembic.addHandler(handler)
