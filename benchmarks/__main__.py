"""The recorder's benchmark: this engine, raw sqlite3, ICE and LangGraph, interleaved in one run.

    python -m benchmarks [--runs 5] [--large] [--peers FOLDER] [--training] [--json]

Medians over the runs, CPU and wall. `--large` adds a tree of 1,048,575 workspaces; `--peers`
makes the peers' environments in a folder (about 900 MB, needs a package index) and runs them;
`--training` measures training and answering, too (`benchmarks.training`).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.peers import environments

SMALL, PEER, LARGE = 13, 10, 19
"""Heights of the trees: 16,383, 2,047 and 1,048,575 workspaces."""
PEERS = {"ice": "ice_peer.py", "langgraph": "langgraph_peer.py"}

Row = dict[str, float]


def run(command: list[str]) -> Row:
    """One measurement in a process of its own."""
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def engine(height: int, *more: str) -> Row:
    """This engine on a tree."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        return run([sys.executable, "-m", "benchmarks.engine", str(height), folder, *more])


def raw(workspaces: int) -> Row:
    """Raw sqlite3: four rows a workspace, batches of a hundred."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        inner = str(Path(folder) / "raw")
        script = str(environments.HERE / "raw_sqlite.py")
        return run([sys.executable, script, str(workspaces), inner])


def peer(python: Path, script: str, workspaces: int) -> Row:
    """A peer in its own environment."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        inner = str(Path(folder) / "peer")
        return run([str(python), str(environments.HERE / script), str(workspaces), inner])


def micros(row: Row, which: str) -> float:
    """Microseconds a workspace."""
    return row[which] / row["workspaces"] * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--training", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    arms: dict[str, list[Row]] = {}
    pythons = {
        name: environments.ensure(options.peers, environments.HERE / f"requirements-{name}.txt")
        for name in (PEERS if options.peers else ())
    }
    for _ in range(options.runs):
        arms.setdefault("engine 16,383", []).append(engine(SMALL))
        arms.setdefault("engine 16,383, no memo", []).append(engine(SMALL, "--no-memo"))
        arms.setdefault("raw sqlite 16,383", []).append(raw(2 ** (SMALL + 1) - 1))
        if pythons:
            arms.setdefault("engine 2,047", []).append(engine(PEER))
        for name, python in pythons.items():
            arms.setdefault(f"{name} 2,047", []).append(peer(python, PEERS[name], 2**11 - 1))
        if options.large:
            arms.setdefault("engine 1,048,575", []).append(engine(LARGE))
    report(arms, as_json=options.json)
    if options.training:
        more = ["--runs", str(options.runs), *(["--json"] if options.json else [])]
        subprocess.run([sys.executable, "-m", "benchmarks.training", *more], check=True)


def report(arms: dict[str, list[Row]], *, as_json: bool) -> None:
    """Print medians and the ratios that matter."""
    table = {
        name: {
            "runs": len(rows),
            "cpu_us": median(micros(row, "cpu_s") for row in rows),
            "wall_us": median(micros(row, "wall_s") for row in rows),
            "bytes": median(row["bytes_on_disk"] / row["workspaces"] for row in rows),
            "peak_mb": median(row.get("peak_mb", 0.0) for row in rows),
        }
        for name, rows in arms.items()
    }
    if as_json:
        print(json.dumps(table))
        return
    for name, row in table.items():
        print(
            f"{name:<24} {row['cpu_us']:8.1f} us CPU {row['wall_us']:8.1f} us wall "
            f"{1e6 / row['wall_us']:9,.0f}/s {row['bytes']:6.0f} B each "
            f"{row['peak_mb']:6.0f} MB peak  (median of {row['runs']})"
        )
    small, limit = table["engine 16,383"], table["raw sqlite 16,383"]
    print(f"CPU over raw sqlite3: {small['cpu_us'] / limit['cpu_us']:.2f}")
    for name in PEERS:
        if f"{name} 2,047" in table:
            ratio = table[f"{name} 2,047"]["wall_us"] / table["engine 2,047"]["wall_us"]
            print(f"{name} over engine, wall at 2,047: {ratio:.1f}")
    if "engine 1,048,575" in table:
        large = table["engine 1,048,575"]
        print(f"cost at 1,048,575 over 16,383: CPU {large['cpu_us'] / small['cpu_us']:.2f}")
        print(f"peak memory at 1,048,575 over 16,383: {large['peak_mb'] / small['peak_mb']:.2f}")


if __name__ == "__main__":
    main()
