"""A provider on loopback that speaks OpenAI's protocol, counts every request and plays faults.

    python -m workbench.testing.provider --port 0 --model tree --latency 0.1 --fault 429:0.1

It prints its address and serves until Ctrl-C. Everything that it replies is a function of the
request, the seed, and how often that request was made. `docs/testing.md` says what it can do.
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Final

import msgspec
from msgspec import Struct

from workbench.testing.completion import Asked, Model, asked
from workbench.testing.faults import (
    PLAYS,
    BadFault,
    Fault,
    Scene,
    Wired,
    drawn,
    drawn_latency,
    fault,
    packed_bomb,
    play,
)
from workbench.testing.faults import latency as parsed_latency
from workbench.testing.faults import refused as error
from workbench.testing.models import MODELS
from workbench.testing.tally import CALL_HEADER, Counted, Tally, read
from workbench.testing.wire import HOST, Request, listen

COUNTS: Final = "requests.jsonl"
STRAYED: Final = "strayed.jsonl"
END: Final = "/v1"
PATIENCE_S: Final = 30.0


class Script(Struct, frozen=True):
    """What a provider does: a function of the requests."""

    model: str = "tree"
    """For requests whose model is none of those that ship."""
    latency_s: tuple[float, float] = (0.0, 0.0)
    """Least and most; drawn by hash between them."""
    faults: tuple[Fault, ...] = ()
    plan: tuple[str, ...] = ()
    """Kinds of faults of the first requests, in the order of arrival; empty for none."""
    seed: int = 0


class Desk:
    """Answers requests by a script, and counts them first."""

    def __init__(self, script: Script, tally: Tally, model: Model | None = None) -> None:
        self._script = script
        self._tally = tally
        self._own = model
        self._plan = [fault(kind) if kind else None for kind in script.plan]
        self._before: Counter[tuple[str, str]] = Counter()
        self.elsewhere = ""
        if "bomb" in {*script.plan, *(each.kind for each in script.faults)}:
            packed_bomb()

    def serve(self, request: Request) -> Wired:
        """The reply to a request."""
        place, end, path = request.path.partition(f"{END}/")
        if request.method == "GET" and end and path == "models":
            return Wired(_listed())
        if request.method != "POST" or not end or path != "chat/completions":
            return error(404, "not_found", f"Nothing is at {request.method} {request.path[:200]}.")
        try:
            ask = asked(request.body)
        except msgspec.DecodeError as wrong:
            return error(400, "invalid_request_error", f"The body is no chat request: {wrong}")
        return self._completed(ask, request, place.strip("/"))

    def _completed(self, ask: Asked, request: Request, place: str) -> Wired:
        before = self._before[place, ask.digest]
        self._before[place, ask.digest] += 1
        wrong = self._wrong(ask, before)
        call = request.headers.get(CALL_HEADER, "")
        self._tally.count(call, ask.digest, place, wrong.kind if wrong else "", ask.model)
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        said = (self._own or MODELS.get(ask.model) or MODELS[self._script.model])(ask)
        name = ask.model or self._script.model
        reply = play(wrong, Scene(ask, said, name, key, self.elsewhere))
        bounds, seed = self._script.latency_s, self._script.seed
        return _later(reply, drawn_latency(bounds, ask.digest, before, seed))

    def _wrong(self, ask: Asked, before: int) -> Fault | None:
        if self._plan:
            planned = self._plan.pop(0)
            if planned is not None:
                return planned
        return drawn(self._script.faults, ask.digest, before, self._script.seed)


def _later(reply: Wired, seconds: float) -> Wired:
    if not seconds or reply.ending == "never":
        return reply
    return msgspec.structs.replace(reply, delay_s=reply.delay_s + seconds)


def _listed() -> bytes:
    listed = [{"id": name, "object": "model", "owned_by": "testing"} for name in MODELS]
    return msgspec.json.encode({"object": "list", "data": listed})


class Elsewhere:
    """Another host, to which a redirect leads: it notes what arrives there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def serve(self, request: Request) -> Wired:
        """Note a request with its headers, and answer it as if all was well."""
        line = msgspec.json.encode(request) + b"\n"
        to = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(to, line)
        os.close(to)
        choice = {"message": {"content": "you have been led astray"}, "finish_reason": "stop"}
        return Wired(msgspec.json.encode({"choices": [choice]}))


class Provider:
    """A provider under way.

    Attributes:
        url: Its base URL, which ends in `/v1`.
        folder: Where its counts are.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder

    @classmethod
    @contextmanager
    def start(
        cls,
        model: str = "tree",
        *,
        latency: str | float = "0",
        faults: Sequence[str] = (),
        plan: Sequence[str] = (),
        seed: int = 0,
        folder: Path | None = None,
    ) -> "Generator[Provider]":
        """A provider in a process of its own, which ends with the context.

        Args:
            model: For requests whose model is none of `MODELS`.
            latency: Seconds, or `LEAST-MOST`.
            faults: Named as in `faults`.
            plan: Kinds of faults of the first requests, in the order of arrival.
            seed: Of all draws.
            folder: Where its counts go; None for a folder that ends with the context.
        """
        script = scripted(model, latency, faults, plan, seed)
        with _folder(folder) as place:
            command = [sys.executable, "-m", "workbench.testing.provider", "--folder", str(place)]
            server = _started([*command, *_flags(script)])
            try:
                yield cls(_first_line(server), place)
            finally:
                _ended(server)

    @classmethod
    @contextmanager
    def here(
        cls,
        model: str | Model = "tree",
        *,
        latency: str | float = "0",
        faults: Sequence[str] = (),
        plan: Sequence[str] = (),
        seed: int = 0,
        folder: Path | None = None,
    ) -> "Generator[Provider]":
        """A provider in a thread of this process: its model may be a function of one's own.

        Args:
            model: A name, or a function from `Asked` to `Completion`.
            latency, faults, plan, seed, folder: As for `start`.
        """
        own = None if isinstance(model, str) else model
        script = scripted(model if isinstance(model, str) else "echo", latency, faults, plan, seed)
        with _folder(folder) as place, _thread(script, place, own) as url:
            yield cls(url, place)

    def base(self, place: str) -> str:
        """A base URL of one's own: what comes in through it is counted under the place."""
        return self.url.removesuffix(END) + f"/{place}{END}"

    @property
    def counts(self) -> Path:
        """The file in which every request is noted."""
        return self.folder / COUNTS

    def requests(self, place: str | None = None) -> list[Counted]:
        """The requests so far; only those of a place, if one is given."""
        return read(self.counts, place)

    def strayed(self) -> list[Request]:
        """What arrived where a redirect led."""
        path = self.folder / STRAYED
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [msgspec.json.decode(line, type=Request) for line in lines]


def scripted(
    model: str, latency: str | float, faults: Sequence[str], plan: Sequence[str], seed: int
) -> Script:
    """A script from the words of a command line.

    Raises:
        BadFault: A fault or the model does not exist, or the latency is none.
    """
    if model not in MODELS:
        raise BadFault(f"no model is called {model[:60]!r}; there are {', '.join(MODELS)}")
    bounds = parsed_latency(latency)
    for kind in filter(None, plan):
        fault(kind)
    return Script(model, bounds, tuple(map(fault, faults)), tuple(plan), seed)


@contextmanager
def _folder(given: Path | None) -> Generator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="provider-") as made:
        yield Path(made)


async def _serving(
    script: Script, folder: Path, port: int, own: Model | None
) -> tuple[str, AsyncExitStack]:
    """A provider that listens, and what ends it.

    Raises:
        OSError: The port is taken.
    """
    stack = AsyncExitStack()
    desk = Desk(script, stack.enter_context(Tally(folder / COUNTS)), own)
    server, at = await listen(desk.serve, port)
    other, its_port = await listen(Elsewhere(folder / STRAYED).serve)
    # Another name is another host, although both lead to this machine.
    desk.elsewhere = f"http://localhost:{its_port}"
    for each in (server, other):
        stack.callback(each.close)
    return f"http://{HOST}:{at}{END}", stack


@contextmanager
def _thread(script: Script, folder: Path, own: Model | None) -> Generator[str]:
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="provider", daemon=True)
    thread.start()
    serving = asyncio.run_coroutine_threadsafe(_serving(script, folder, 0, own), loop)
    url, stack = serving.result(PATIENCE_S)
    try:
        yield url
    finally:
        asyncio.run_coroutine_threadsafe(_closed(stack), loop).result(PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()


async def _closed(stack: AsyncExitStack) -> None:
    await stack.aclose()


# -- in a process of its own -----------------------------------------------------------------


def _flags(script: Script) -> list[str]:
    least, most = script.latency_s
    flags = ["--model", script.model, "--latency", f"{least}-{most}", "--seed", str(script.seed)]
    for each in script.faults:
        flags += ["--fault", _named(each)]
    return flags + [f"--plan={','.join(script.plan)}"] * bool(script.plan)


def _named(each: Fault) -> str:
    value = "" if each.value is None else f"={each.value}"
    times = "" if each.times is None else f"x{each.times}"
    return f"{each.kind}{value}:{each.chance:.6f}{times}"


def _started(command: list[str]) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(  # noqa: S603 - our own command line
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )


def _first_line(server: "subprocess.Popen[str]") -> str:
    url = (server.stdout.readline() if server.stdout else "").strip()
    if not url:
        raise RuntimeError(f"the provider did not begin: it ended with {server.wait()}")
    return url


def _ended(server: "subprocess.Popen[str]") -> None:
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    if server.stdout is not None:
        server.stdout.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m workbench.testing.provider",
        description="A provider on loopback that counts every request and plays faults.",
        epilog="example: python -m workbench.testing.provider --model sum --latency 0.1 "
        f"--fault 429=0.2:0.1 --fault cut-bodyx1\n\nmodels: {', '.join(MODELS)}\n"
        f"faults, as KIND[=SECONDS][:CHANCE][xTIMES]: {', '.join(PLAYS)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="0 for any that is free")
    parser.add_argument("--model", default="tree", help="for requests that name another model")
    parser.add_argument("--latency", default="0", help="seconds, or LEAST-MOST")
    parser.add_argument("--fault", action="append", default=[], help="may be given several times")
    parser.add_argument("--plan", default="", help="faults of the first requests, with commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the counts go")
    return parser


async def _until_signal(script: Script, folder: Path, port: int) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    url, stack = await _serving(script, folder, port, None)
    async with stack:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        await over.wait()


def main() -> int:
    """Serve until Ctrl-C."""
    parser = _parser()
    options = parser.parse_args()
    plan = str(options.plan).split(",") if options.plan else []
    try:
        script = scripted(options.model, options.latency, options.fault, plan, options.seed)
        with _folder(options.folder) as folder:
            asyncio.run(_until_signal(script, folder, options.port))
    except BadFault as wrong:
        parser.error(str(wrong))
    except OSError as wrong:
        sys.stderr.write(f"nobody can listen on port {options.port}: {wrong.strerror}\n")
        return 5
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
