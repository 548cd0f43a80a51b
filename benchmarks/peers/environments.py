"""Environments of the peers: one virtual environment for each pinned list of packages.

The peers need packages that exclude each other (ICE wants pydantic 1) and that the project itself
does not want. Where packages come from is the installer's own configuration.
"""

import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent

REQUIREMENTS: Final = (HERE / "requirements-ice.txt", HERE / "requirements-langgraph.txt")

INSTALLED: Final = "installed.txt"
"""A copy of the requirements, written last: an environment without it is not complete."""


def ensure(folder: Path, requirements: Path) -> Path:
    """The Python of an environment with exactly these packages, made under the folder if absent.

    An environment that is incomplete or of other requirements is made anew.

    Raises:
        subprocess.CalledProcessError: The packages could not be installed; stderr says why.
    """
    environment = folder.resolve() / requirements.stem.removeprefix("requirements-")
    python = environment / "bin" / "python"
    wanted = requirements.read_text()
    mark = environment / INSTALLED
    if not mark.is_file() or mark.read_text() != wanted:
        venv.create(environment, clear=True, with_pip=True)
        install(python, requirements)
        mark.write_text(wanted)
    return python


def install(python: Path, requirements: Path) -> None:
    """Install the pinned packages, and none besides, with pip's messages on stderr."""
    command = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--requirement"]
    subprocess.run([*command, requirements], check=True, stdout=sys.stderr)


if __name__ == "__main__":
    for pinned in REQUIREMENTS:
        print(ensure(Path(sys.argv[1]), pinned))
