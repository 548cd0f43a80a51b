"""Migrations: the schema's revisions, from the first one on. Run from the installed package."""

from pathlib import Path
from typing import Final

from alembic.command import upgrade
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

REVISION: Final = "SELECT version_num FROM alembic_version"
SCRIPTS: Final = Path(__file__).parent
FAILURES: Final = (SQLAlchemyError, CommandError)
"""What a migration that cannot be done raises."""


def revisions(scripts: Path = SCRIPTS) -> tuple[str, ...]:
    """All revisions that this version knows, oldest first."""
    files = scripts.glob("versions/[0-9]*_*.py")
    return tuple(sorted(file.name.partition("_")[0] for file in files))


def migrate(connection: Connection, scripts: Path = SCRIPTS) -> None:
    """Bring a database to the newest revision, in the transaction that is open.

    Args:
        scripts: A folder with `env.py` and `versions`.
    """
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.attributes["connection"] = connection
    upgrade(config, ScriptDirectory.from_config(config).get_current_head() or "head")
