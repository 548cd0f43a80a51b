"""Distilling: one student fitted to recorded runs, in a folder that other commands load."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from distill.checkpoint import load_checkpoint, save_checkpoint
from distill.errors import BadCheckpoint
from distill.fit import Sorted, agreement, as_learnt, fit, levels, recipe_of, sort
from distill.folder import described, save_student
from distill.threads import set_threads
from distill.training import Trainer
from workbench.exits import Exit, Interrupted, complain, stop
from workbench.places import open_store
from workbench.rounds.recorded_examples import gathered, task_of_runs
from workbench.safe_output import many

CHECKPOINT: Final = "checkpoint"
SAVE_EVERY_S: Final = 5.0
TELL_EVERY_S: Final = 3.0
ARM: Final = "recorded"
"""What the record of a fitted student says where one of a run names its arm."""


class Distilled(Struct, frozen=True):
    """A student that was fitted to recorded runs."""

    student: str
    """Its identity."""
    folder: str
    task: str
    size: int
    runs: tuple[str, ...]
    sessions: int
    examples: int
    """Trained on."""
    held_out: int
    levels: dict[int, int]
    """Examples that were trained on, by level."""
    left_out: dict[str, int]
    """Workspaces that are no examples, by why."""
    steps: int
    loss_nats: float
    """Of the last step, per answer symbol."""
    agreement: float | None
    """With the recorded answers that were trained on."""
    held_out_agreement: float | None
    """With those that were not; None where there are none."""
    rows_digest: str
    seed: int


def distill(
    runs: Sequence[str],
    out: Path,
    store_at: str,
    *,
    task: str = "",
    seed: int = 0,
    steps: int = 1000,
    resume: bool = False,
    save_every_s: float = SAVE_EVERY_S,
) -> Distilled:
    """Fits a student to runs.

    Args:
        runs: Names in the store.
        out: The student's folder.
        store_at: Where the store is.
        task: Of the student; empty for the one of the runs' questions.
        seed: Of weights and draws.
        steps: Of the optimiser.
        resume: Go on where an earlier call was stopped.
        save_every_s: Seconds between two checkpoints.

    Raises:
        Complaint: Nothing in the runs fits, or the folder is not free.
        UnknownId: There is no such run.
        Interrupted: Ctrl-C was pressed; the message says how to go on.
    """
    set_threads()
    _check_folder(out, resume=resume)
    with open_store(store_at, readonly=True) as store:
        found = [store.register.find_run(name) for name in dict.fromkeys(runs)]
        known = as_learnt(task_of_runs(store, found, task))
        material = gathered(store, found, known)
    told = sort(known, material.examples)
    left_out = dict(material.left_out)
    if told.unfit:
        left_out["of another size or out of reach"] = told.unfit
    if not told.train:
        why = "".join(f"\n{count} {reason}" for reason, count in left_out.items())
        stop(f"no workspace of these runs can train a student of {known.name}{why}", Exit.BAD_DATA)
    trainer = _trainer(out, told, Trainer(recipe_of(known, told.size, steps), seed), resume=resume)
    progress = _Progress(out, save_every_s)
    try:
        out.mkdir(parents=True, exist_ok=True)
        fit(trainer, told.train, progress.stepped)
    except KeyboardInterrupt as error:
        save_checkpoint(trainer, out / CHECKPOINT)
        raise Interrupted(f"go on with the same command and --resume ({out})") from error
    names = tuple(run.name for run in found)
    return _kept(trainer, told, out, names, material.sessions, left_out, progress.loss_nats)


def _check_folder(out: Path, *, resume: bool) -> None:
    if out.exists() and not out.is_dir():
        stop(f"--out {out} is no folder")
    if resume and not (out / CHECKPOINT).is_file():
        stop(f"{out} holds no fit to go on with", Exit.BAD_DATA)
    if not resume and out.exists() and any(out.iterdir()):
        stop(f"{out} exists; go on with --resume or name another with --out", Exit.STORAGE)


def _trainer(out: Path, told: Sorted, new: Trainer, *, resume: bool) -> Trainer:
    """The fit at its beginning, or as it was stopped.

    Raises:
        BadCheckpoint: It was begun with other examples or options.
    """
    new.rows_digest = told.digest
    if not resume:
        return new
    kept = load_checkpoint(out / CHECKPOINT)
    before = (kept.recipe, kept.seed, kept.rows_digest)
    if before != (new.recipe, new.seed, new.rows_digest):
        raise BadCheckpoint(out / CHECKPOINT, "was begun with other examples, steps or seed")
    return kept


def _kept(
    trainer: Trainer,
    told: Sorted,
    out: Path,
    runs: tuple[str, ...],
    sessions: int,
    left_out: dict[str, int],
    loss_nats: float,
) -> Distilled:
    """Writes the student; what is told of it."""
    held = agreement(trainer, told.held_out)
    by_level = levels(trainer.task, told.train)
    metrics = {} if held is None else {"held-out agreement": held}
    record = replace(described(trainer, 0, metrics), arm=ARM, highest_label=max(by_level))
    record = save_student(out, trainer.average, record)
    (out / CHECKPOINT).unlink(missing_ok=True)
    return Distilled(
        student=f"student:{record.task}@{record.sha256}",
        folder=str(out),
        task=record.task,
        size=record.size,
        runs=runs,
        sessions=sessions,
        examples=len(told.train),
        held_out=len(told.held_out),
        levels=by_level,
        left_out=left_out,
        steps=trainer.step,
        loss_nats=loss_nats,
        agreement=agreement(trainer, told.train),
        held_out_agreement=held,
        rows_digest=record.rows_digest,
        seed=trainer.seed,
    )


def as_text(fitted: Distilled) -> str:
    """A fit for people."""
    spread = ", ".join(f"level {level}: {count}" for level, count in fitted.levels.items())
    lines = [
        fitted.student,
        f"examples: {fitted.examples} trained on, {fitted.held_out} held out; {spread}",
        f"from {many(fitted.sessions, 'session')} of {', '.join(fitted.runs)}",
    ]
    if fitted.left_out:
        reasons = ", ".join(f"{count} {why}" for why, count in fitted.left_out.items())
        lines.append(f"left out: {reasons}")
    lines.append(
        f"agreement with the recorded answers: {_share(fitted.agreement)} trained on, "
        f"{_share(fitted.held_out_agreement)} held out"
    )
    lines.append(f"try it: workbench evaluate {fitted.folder} --task {fitted.task}")
    return "\n".join(lines)


def _share(share: float | None) -> str:
    return "none" if share is None else f"{share:.1%}"


class _Progress:
    """Checkpoints and says how far a fit is, every few seconds."""

    def __init__(self, out: Path, save_every_s: float) -> None:
        self.loss_nats = 0.0
        self._out = out
        self._save_every_s = save_every_s
        self._saved = self._told = time.monotonic()

    def stepped(self, trainer: Trainer, loss: float) -> None:
        """Called after each step."""
        self.loss_nats = loss
        now = time.monotonic()
        if now - self._told >= TELL_EVERY_S:
            complain(f"step {trainer.step} of {trainer.recipe.most_steps}, loss {loss:.3f} nats")
            self._told = now
        if now - self._saved >= self._save_every_s:
            save_checkpoint(trainer, self._out / CHECKPOINT)
            self._saved = time.monotonic()
