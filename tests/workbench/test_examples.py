"""The examples of the documentation run as they stand there."""

import subprocess
import sys
from pathlib import Path

from tests.workbench.conftest import Run

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def own(tmp_path: Path, name: str) -> str:
    """A copy of an example that only this user can write, as a spec's file."""
    copy = tmp_path / name
    copy.write_bytes((EXAMPLES / name).read_bytes())
    copy.chmod(0o600)
    return str(copy)


def test_letters_are_counted_by_halves(run: Run, tmp_path: Path) -> None:
    """A decomposition of one's own is one generator in one file."""
    ran = run(
        "ask", "letters in: to be or not to be", "--by", f"{own(tmp_path, 'letters.py')}:decompose"
    )
    assert (ran.code, ran.out) == (0, "13\n"), ran.err


def test_a_document_is_read_section_by_section(run: Run, tmp_path: Path) -> None:
    """A sentence is found in a nested section, and its quotation is checked."""
    Path("doc.md").write_text(
        "# One\nNothing.\n## Two\nIt is durable. It is fast.\n# Three\nEnd.\n"
    )
    ran = run(
        "ask", "Which sentence says: durable", "--context", "doc.md",
        "--by", f"{own(tmp_path, 'reader.py')}:search",
    )  # fmt: skip
    assert (ran.code, ran.out) == (0, "It is durable.\n"), ran.err


def test_the_notebook_runs(tmp_path: Path) -> None:
    """Ten lines of Python ask a question and get the answer with its trace."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "notebook.py")],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("13 answered t-")
