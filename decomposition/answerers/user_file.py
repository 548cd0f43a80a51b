"""User files: an answerer that somebody wrote in a Python file of their own, `FILE.py:NAME`.

The file is run as code, so it is refused where others could have written it. What is hashed is
what runs: the source is read once, and no compiled copy of it is read or left behind.
"""

import inspect
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from traceback import extract_tb
from types import FunctionType, ModuleType
from typing import Final, NamedTuple, cast

from decomposition.actions import Abstain, Given, Reply
from decomposition.answerers.base import Answerer
from decomposition.answerers.expert import Decomposition, Expert
from decomposition.errors import BadAnswerer, UnsafeFile
from decomposition.hypertext import Message
from decomposition.view import View

MAX_BYTES: Final = 1 << 20
"""Longest source that is run."""

_ROOT_UID: Final = 0


class Named(NamedTuple):
    """What a file's own code made."""

    value: object
    identity: str
    """Of the file's content and the name."""
    path: Path


class Function(Answerer):
    """Answers with what a plain function returns; it never asks."""

    def __init__(self, identity: str, function: Callable[[View], object]) -> None:
        self.identity = identity
        self._function = function

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """One closing action for each view; what the function raises comes out as it is."""
        return [(_closing(self._function(view)),) for view in views]


def load(spec: str) -> Answerer:
    """The answerer that `FILE.py:NAME` names.

    NAME is an answerer, a class of answerers that needs no arguments, a generator function
    `def decompose(question): a = yield "…"; return f"…"`, or a plain function from question to
    answer. Functions get the question in written form, or the whole view if their parameter is
    annotated `View` or called `view`; what they return is in written form too.

    Raises:
        BadAnswerer: There is no such file or name, the file does not run, or the name stands
            for something else.
        UnsafeFile: Others than its owner may change the file or a folder on the way to it.
    """
    found = named(spec)
    answerer = _answerer(found.value, found.identity, found.path)
    answerer.file = str(found.path)
    return answerer


def named(spec: str) -> Named:
    """Whatever stands behind `FILE.py:NAME`, once the file has run.

    Raises:
        BadAnswerer: There is no such file or name, or the file does not run.
        UnsafeFile: Others than its owner may change the file or a folder on the way to it.
    """
    file, _, name = spec.rpartition(":")
    if not file.endswith(".py") or not name.isidentifier():
        raise BadAnswerer(f"an answerer of your own is FILE.py:NAME, not {spec[:200]!r}")
    path = Path(file).absolute()
    source = _source(path)
    digest = sha256(source).hexdigest()[:16]
    module = _run(source, path, digest)
    if name not in vars(module):
        raise BadAnswerer(f"nothing there is called {name}", f"{path}:1")
    return Named(vars(module)[name], f"file:{path.name}:{name}@{digest}", path)


def of_value(value: object) -> Answerer:
    """The answerer that a value of this process stands for, as `load` reads one from a file.

    Its identity holds a digest of its source, or of its code where there is no source.

    Raises:
        BadAnswerer: It is no answerer, generator function or plain function.
    """
    if isinstance(value, Answerer):
        return value
    name = getattr(value, "__qualname__", value.__class__.__name__)
    try:
        source = inspect.getsource(cast("FunctionType", value)).encode()
    except (OSError, TypeError):
        source = getattr(getattr(value, "__code__", None), "co_code", b"")
    identity = f"python:{name}@{sha256(source).hexdigest()[:16]}"
    return _answerer(value, identity, Path("<python>"))


def check_safe(path: Path) -> None:
    """Nothing, if only the owner of a file and of the folders above it can change what runs.

    A shared folder with the sticky bit, such as /tmp, may be on the way; a file right inside
    it must then belong to this user or to root. Only POSIX systems have such modes.

    Raises:
        UnsafeFile: Anybody may change the file or a folder on the way, or replace the file.
    """
    if os.name != "posix":
        return
    for place in _chain(path):
        status = place.stat()
        sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
        if status.st_mode & stat.S_IWOTH and not sticky:
            raise UnsafeFile(
                f"{place} can be written by everybody, so {path.name} is not run; "
                f"take that right away (chmod o-w) and check what the file holds",
                str(place),
            )
    folder, owner = path.resolve().parent.stat(), path.stat().st_uid
    if folder.st_mode & stat.S_IWOTH and owner not in (_ROOT_UID, os.geteuid()):
        raise UnsafeFile(f"{path} lies in a shared folder and belongs to somebody else", str(path))


def _chain(path: Path) -> Iterator[Path]:
    """The file and every folder on the way to it, by its name and by where links lead."""
    real = path.resolve()
    yield from dict.fromkeys((real, *path.parents, *real.parents))


def _source(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BadAnswerer("this is no file", str(path))
        check_safe(path)
        if status.st_size > MAX_BYTES:
            raise BadAnswerer(f"{status.st_size} bytes are more than {MAX_BYTES}", str(path))
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise BadAnswerer(f"the file cannot be read ({error})", str(path)) from error


def _run(source: bytes, path: Path, digest: str) -> ModuleType:
    """The module that the source makes; it is known to `sys.modules` under a name of its own."""
    module = ModuleType(f"workbench_user_file_{digest}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
        exec(code, vars(module))  # noqa: S102 - the user named this file to be run
    # The user's code may raise anything, and what it raises is the answer to "why not".
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise BadAnswerer(f"{type(error).__name__}: {error}", _where(error, path)) from error
    return module


def _where(error: BaseException, path: Path) -> str:
    """`FILE:LINE` at which the file failed: the innermost of its own lines."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}:{error.lineno or 1}"
    own = [each.lineno for each in extract_tb(error.__traceback__) if each.filename == str(path)]
    return f"{path}:{(own and own[-1]) or 1}"


def _answerer(value: object, identity: str, path: Path) -> Answerer:
    if inspect.isclass(value) and issubclass(value, Answerer):
        return _identified(_made(value, path), identity, path)
    if isinstance(value, Answerer):
        return _identified(value, identity, path)
    if not isinstance(value, FunctionType):
        kind = value.__class__.__name__
        raise BadAnswerer(f"a {kind} is no answerer, no generator and no function", f"{path}:1")
    where = f"{path}:{value.__code__.co_firstlineno}"
    if inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value):
        raise BadAnswerer(f"{value.__name__} must be a plain function, not an async one", where)
    function = _of_view(value, where)
    if inspect.isgeneratorfunction(value):
        return Expert(identity, cast("Callable[[View], Decomposition]", function))
    return Function(identity, function)


def _made(kind: type[Answerer], path: Path) -> Answerer:
    try:
        return kind()
    # The user's own constructor; see `_run`.
    except Exception as error:
        message = f"{kind.__name__}() failed, {type(error).__name__}: {error}"
        raise BadAnswerer(message, _where(error, path)) from error


def _identified(answerer: Answerer, identity: str, path: Path) -> Answerer:
    """The answerer, its own identity behind that of its file."""
    own = getattr(answerer, "identity", "")
    try:
        answerer.identity = f"{identity}:{own}" if own else identity
    except AttributeError as error:
        raise BadAnswerer("its identity cannot be set", f"{path}:1") from error
    return answerer


def _of_view(function: FunctionType, where: str) -> Callable[[View], object]:
    """The function as one of the view.

    Raises:
        BadAnswerer: It does not take exactly one argument.
    """
    parameters = list(inspect.signature(function).parameters.values())
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [each for each in parameters if each.default is inspect.Parameter.empty]
    if not parameters or parameters[0].kind not in kinds or len(needed) > 1:
        raise BadAnswerer(f"{function.__name__} must take one argument, the question", where)
    first = parameters[0]
    if first.name == "view" or _is_view(first.annotation):
        return function
    return lambda view: function(view.question)


def _is_view(annotation: object) -> bool:
    if isinstance(annotation, str):
        return annotation.strip("\"' ").rpartition(".")[2] == "View"
    return annotation is View


def _closing(value: object) -> Reply | Abstain:
    if isinstance(value, Reply | Abstain):
        return value
    if value is None:
        return Abstain("no answer was found")
    return Reply(value if isinstance(value, Message) else str(value))
