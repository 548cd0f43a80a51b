"""Ensemble view: the report of a run's votes, printed, as JSON, and as a picture."""

from pathlib import Path

import msgspec

from workbench.ballots import ensemble_of
from workbench.ensemble_text import in_full
from workbench.ensembles import Report, report
from workbench.exits import Exit, stop
from workbench.places import open_store


def ensemble_report(store_at: str, wanted: str) -> Report:
    """What voting was worth in a run.

    Raises:
        Complaint: There are no votes in it, or no labels.
    """
    with open_store(store_at, readonly=True) as store:
        run = store.register.find_run(wanted)
        if run.kind != "amplify":
            stop(f"{run.name} is a run of `workbench {run.kind}`; votes are those of `amplify`")
        found = ensemble_of(store, run)
    if found is None:
        stop(
            f"{run.name} has no votes to report: its questions need an `expected` answer and "
            "several answers each\n"
            "as with --by RULE[SPEC, SPEC], --by vote:K:SPEC or --samples K",
            Exit.BAD_DATA,
        )
    return report(found)


def printed(found: Report, *, json: bool) -> str:
    """A report in words, or as one JSON object."""
    return msgspec.json.encode(found).decode() if json else in_full(found)


def draw(found: Report, file: Path, *, force: bool) -> None:
    """Draw the risk-coverage curve into an SVG or PNG.

    Raises:
        Complaint: The file may not be written, or there is nothing to draw with.
    """
    from importlib.util import find_spec

    from workbench.files import check_output

    if file.suffix.lower() not in (".svg", ".png"):
        stop(f"--figure {file}: name a file that ends in .svg or .png")
    if find_spec("matplotlib") is None:
        stop("figures need matplotlib, which the extra `distill` installs")
    check_output(file, force=force)
    from workbench.risk_curve import caption, drawing
    from workbench.rounds.figures import save_figure

    save_figure(file, drawing(found), "Risk and coverage of agreement", caption(found))
