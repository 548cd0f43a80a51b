"""What goes wrong in `distill`.

DistillError
├── BadRecipe        a recipe's values do not hold together                  (exit 2)
├── BadStudent       a student folder does not hold together                 (exit 3)
├── UnsafeStudent    a student folder would run code                         (exit 8)
└── BadCheckpoint    a checkpoint does not hold together or fit its recipe   (exit 5)
"""

from pathlib import Path


class DistillError(Exception):
    """Everything that this package raises on purpose."""


class BadRecipe(DistillError):
    """A recipe's values do not hold together."""


class BadStudent(DistillError):
    """A student folder does not hold together.

    Attributes:
        path: The file or folder.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


class UnsafeStudent(BadStudent):
    """A student folder holds a file that would run code when it is read; it was not read."""


class BadCheckpoint(DistillError):
    """A checkpoint does not hold together, or belongs to another recipe.

    Attributes:
        path: The file or folder.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
