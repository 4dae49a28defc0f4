"""The kit beside Flask-Migrate, Flask-Alembic and a plain env.py: ``python -m benchmarks --help``."""

import sys
from pathlib import Path

# The tests have what builds the same app for each of them (peers.py), and makes databases.
sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
