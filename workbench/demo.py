"""The demo: a student learns long sums from an overseer that can do short ones, in one go."""

import shlex
import shutil
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from rich.text import Text

from distill.recipe import Arm
from workbench import ask as asking
from workbench.demo_text import Shown, closing, line, opening, picture, status
from workbench.exits import Exit, Interrupted, stop
from workbench.options import Options
from workbench.rounds.arm_run import ArmRun
from workbench.rounds.iterate import Ended, Wanted, iterate
from workbench.rounds.reports import write_report
from workbench.rounds.rounds_progress import Progress
from workbench.rounds.run_folder import Plan, RunFolder, read_as
from workbench.rounds.twin_process import ARM, TwinProcess, cores
from workbench.trace_views import Look, shown_tree, verified

TASK: Final = "arithmetic"
PRESET: Final = "demo"
ADDENDS: Final = ("48213907", "5530142")
"""The question is asked with as many digits as the student learns."""
FOLDER: Final = "workbench-demo"
LINES: Final = 40
"""Of a drawn tree, at most."""


class Wish(Struct, frozen=True):
    """What the demo is asked to be; None is the preset's own."""

    out: Path | None = None
    seed: int | None = None
    size: int | None = None
    most_steps: int | None = None
    per_level: int | None = None
    resume: bool = False
    ascii_only: bool = False


def run_demo(wish: Wish, say: Callable[[str], None], *, beside: bool | None = None) -> Shown:
    """Asks, trains a student and its twin, asks again; what came of it.

    Args:
        wish: What it is asked to be.
        say: Takes the text for people, part by part.
        beside: Train the twin at the same time; None for wherever there is a second core.

    Raises:
        Complaint: The folder is another run's, or the record does not verify.
        Interrupted: Ctrl-C was pressed; the message says how to go on.
    """
    began = time.monotonic()
    if wish.resume and wish.out is None:
        stop("--resume needs the folder of the demo: --out DIR")
    together = cores() > 1 if beside is None else beside
    demo = Demo(wish.out or _free_folder(), wish, say, beside=together)
    try:
        return demo.run(began)
    except (KeyboardInterrupt, Interrupted) as error:
        raise Interrupted(*demo.how_to_go_on()) from error
    finally:
        demo.close()


def as_json(shown: Shown) -> str:
    """What came of it as one JSON object."""
    return msgspec.json.encode(shown).decode()


class Demo:
    """One demo under way."""

    def __init__(self, out: Path, wish: Wish, say: Callable[[str], None], *, beside: bool) -> None:
        self._folder, self._wish, self._say = RunFolder(out), wish, say
        self._beside = beside
        self._store = str(out / "traces.db")
        self._progress = Progress(transient=True)
        self._twin: TwinProcess | None = None
        self._student: ArmRun | None = None
        """The amplified arm, once it is done."""
        self._began = 0.0

    def run(self, began: float) -> Shown:
        """The whole demo.

        Args:
            began: When, on the monotonic clock.
        """
        self._began = began
        ended = self._trained()
        self._progress.close()
        report = write_report(ended.folder)
        size, student = ended.summary.size, self._folder.student("final")
        options = Options(policy="amplify", student=str(student))
        asked = self._asked(size, options)
        sound = verified(self._store, [], anchor="", json=False)[1]
        shown = Shown(
            folder=str(ended.folder),
            report=str(report),
            student=str(student),
            store=self._store,
            question=asked.question,
            answer=asked.ending.answer,
            trace=asked.row.trace,
            verified=sound,
            seconds=time.monotonic() - began,
            try_next=self._try_next(asked.question, asked.row.trace),
            other_arms=self._other_arms(ended),
            summary=ended.summary,
        )
        rounds = [told for told in self._folder.read_rounds() if told.arm == "amplified"]
        self._say(closing(shown, rounds, self._drawn(asked.row.trace)))
        if not sound:
            stop(f"{self._store} does not verify; look: {program()} trace verify", Exit.DIVERGED)
        return shown

    def how_to_go_on(self) -> list[str]:
        """After Ctrl-C, if there is anything to go on with."""
        if not self._folder.plan.exists():
            return []
        return [f"go on with: {_command('demo', '--out', self._folder.path, '--resume')}"]

    def close(self) -> None:
        """Ends what is under way."""
        self._progress.close()
        if self._twin is not None:
            self._twin.leave()

    # -- training ----------------------------------------------------------------------------

    def _trained(self) -> Ended:
        wish = self._wish
        wanted = Wanted(
            TASK,
            preset=PRESET,
            arms=ARM,
            seed=wish.seed,
            size=wish.size,
            most_steps=wish.most_steps,
            per_level=wish.per_level,
        )
        return iterate(
            wanted,
            self._folder.path,
            resume=wish.resume,
            tell=self._stepped,
            before_arm=self._before_arm,
        )

    def _before_arm(self, folder: RunFolder, arm: Arm, like: ArmRun | None) -> None:
        """Starts the twin beside the amplified arm, and waits for it before its own turn."""
        del arm
        if like is None:
            if self._beside and not folder.checkpoint(ARM).exists():
                self._twin = TwinProcess(folder)
            self._open(read_as(folder.plan, Plan).recipe.size)
            return
        self._student = like
        if self._twin is not None:
            self._twin.end(like, lambda: self._waited(like))

    def _open(self, size: int) -> None:
        asked = self._asked(size, Options())
        tree = self._drawn(asked.row.trace)
        self._say(opening(asked.question, size, self._store, asked.ending.calls, tree))

    def _stepped(self, run: ArmRun) -> None:
        if self._twin is not None and run.arm == "amplified":
            self._twin.tell(run)
        # The table is the student's, also while its twin is trained here.
        rounds = (self._student or run).rounds
        seconds = time.monotonic() - self._began
        self._progress.say(
            lambda: line(run, seconds), lambda: Text(picture(rounds, status(run, seconds)))
        )

    def _waited(self, run: ArmRun) -> None:
        """While the twin alone is at work."""
        seconds = time.monotonic() - self._began
        said = f"{seconds:.0f} s: X is done; its twin takes its last steps"
        self._progress.say(lambda: said, lambda: Text(picture(run.rounds, said)))

    # -- the question ------------------------------------------------------------------------

    def _asked(self, size: int, options: Options) -> asking.Asked:
        """The question with as many digits, deliberated and recorded."""
        left, right = (each[: size - place] for place, each in enumerate(ADDENDS))
        ascii_only = self._wish.ascii_only
        return asking.ask(f"{left} + {right}", options, None, self._store, ascii_only=ascii_only)

    def _drawn(self, trace: str) -> str:
        look = Look(None, None, LINES, self._wish.ascii_only)
        return shown_tree(self._store, trace, look, path="", json=False)

    # -- commands ----------------------------------------------------------------------------

    def _try_next(self, question: str, trace: str) -> tuple[str, ...]:
        student = self._folder.student("final")
        return (
            _command("ask", question, "--policy", "cascade", "--student", student),
            _command("evaluate", student, "--task", TASK),
            _command("trace", "replay", trace, "--store", self._store),
        )

    def _other_arms(self, ended: Ended) -> str:
        out = self._folder.path.with_name(f"{self._folder.path.name}-arms")
        summary = ended.summary
        chosen = ["--preset", PRESET, "--seed", summary.seed, "--size", summary.size]
        return _command("iterate", TASK, *chosen, "--out", out)


def program() -> str:
    """The command line as it was called, such as `workbench` or `.venv/bin/workbench`."""
    called = sys.argv[0]
    name = Path(called).name
    found = shutil.which(name)
    return name if found and Path(found).absolute() == Path(called).absolute() else called


def _command(*words: object) -> str:
    return shlex.join([program(), *map(str, words)])


def _free_folder() -> Path:
    """The first folder of the demo's name that is not there yet."""
    paths = (Path(FOLDER if number == 1 else f"{FOLDER}-{number}") for number in count(1))
    return next(path for path in paths if not path.exists())
