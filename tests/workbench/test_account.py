"""Accounts: no call, token or cent over a cap, and no faster than a provider allows."""

import asyncio
from random import Random

import pytest

from decomposition.actions import Ask, Reply
from decomposition.loop import Loop
from decomposition.spend import Estimate, Usage
from decomposition.view import View
from tests.decomposition.kit import FakeClock, MemoryStore, begun
from workbench.account import Account, Bucket, CallLimit
from workbench.config import Rate
from workbench.limits import Limits
from workbench.testing.paid import PaidDouble

SEEDS = 500
CAPS = ("calls", "tokens", "usd", "seconds")
MOST = Estimate(60, 40, 0.5)


class Ticking(FakeClock):
    """A clock that goes on by a millisecond a look, and by what is slept."""

    def __init__(self) -> None:
        super().__init__()
        self.now_us = 0

    def monotonic_us(self) -> int:
        """One millisecond more than at the last look."""
        self.now_us += 1000
        return self.now_us

    async def sleep(self, seconds: float) -> None:
        """Return at once, later."""
        self.slept.append(seconds)
        self.now_us += int(seconds * 1e6)


def always_asking(view: View) -> tuple[Ask]:
    """Never replies: only fuel or a cap ends it."""
    return (Ask(tuple(f"{view.question} {n}" for n in range(2)), eager=True),)


def limits(name: str, draw: Random) -> Limits:
    """A cap that a tree of some hundred calls passes."""
    drawn = {
        "calls": draw.randrange(40),
        "tokens": draw.randrange(12_000),
        "usd": draw.random() * 12,
        "seconds": draw.random() * 0.2,
    }
    return Limits(**{name: drawn[name]})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CAPS)
def test_a_model_that_always_asks_ends_below_every_cap(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """500 seeds, with faults that pass: over-limit calls 0, and every run ends."""
    over = ended = 0
    for seed in range(SEEDS):
        draw = Random(f"{name} {seed}")  # noqa: S311 - the same caps in every run
        clock, store = Ticking(), MemoryStore()
        account = Account(limits(name, draw), clock=clock)
        account.start()
        double = PaidDouble(always_asking, faults=["503:0.1x3"], seed=seed, usd_a_token=0.001)
        session = begun(f"q{seed}", double, fuel=60 + draw.randrange(200))
        loop = Loop(store, clock, account=account, concurrency=draw.choice((1, 4, 16)))
        asyncio.run(loop.run(iter([session])))
        ended += 1
        over += _over(account.limits, store, double.calls)
        assert len(store.intents) == len(store.receipts) == double.calls
    with capsys.disabled():
        said = f"cap on {name}: {SEEDS} seeds, over-limit calls {over}, ended {ended}"
        print(f"\n{said} (95 % bound of the rate over: {3 / SEEDS:.3f})")  # noqa: T201 - the result
    assert (over, ended) == (0, SEEDS)


def _over(cap: Limits, store: MemoryStore, calls: int) -> int:
    """Calls that stand over a cap, by what all calls used in the order of their receipts."""
    used = [each.usage for each in store.receipts]
    tokens = sum((each.tokens_in or 0) + (each.tokens_out or 0) for each in used)
    usd = sum(each.cost_usd or 0.0 for each in used)
    return sum(
        (
            cap.calls is not None and calls > cap.calls,
            cap.tokens is not None and tokens > cap.tokens,
            cap.usd is not None and usd > cap.usd + 1e-9,
        )
    )


@pytest.mark.parametrize(
    ("cap", "allowed"),
    [
        (Limits(), 5),
        (Limits(calls=2), 2),
        (Limits(tokens=299), 2),
        (Limits(tokens=300), 3),
        (Limits(usd=1.5), 3),
        (Limits(usd=1.4999), 2),
        (Limits(seconds=0), 0),
        (Limits(calls=0), 0),
    ],
)
def test_reserves_never_pass_a_cap(cap: Limits, allowed: int) -> None:
    """With five calls under way at once."""
    account = Account(cap, clock=Ticking())
    permits = [account.reserve(1, "p", MOST).kind for _ in range(5)]
    assert permits.count("go") == allowed
    assert set(permits[allowed:]) <= {"later", "run"}


def test_a_reserve_that_may_come_back_is_waited_for() -> None:
    """What is used is less than what was reserved; once it is not, there is no room."""
    account = Account(Limits(tokens=150), clock=Ticking())
    assert account.reserve(1, "p", MOST).kind == "go"
    assert account.reserve(1, "p", MOST).kind == "later"
    account.settle(1, MOST, Usage(30, 20, 0.1))
    assert account.reserve(1, "p", MOST).kind == "go"
    account.settle(1, MOST, None)
    assert account.reserve(1, "p", MOST).kind == "go"
    account.settle(1, MOST, Usage())
    assert account.reserve(1, "p", MOST).kind == "run"
    assert account.purse.calls == 2


def test_a_call_without_a_price_never_fits_a_cap_on_money() -> None:
    """Whatever the cap."""
    account = Account(Limits(usd=1e6), clock=Ticking())
    assert account.reserve(1, "p", Estimate(1, 1, None)).kind == "run"
    assert Account(Limits(), clock=Ticking()).reserve(1, "p", Estimate(1, 1, None)).kind == "go"


def test_a_session_has_a_cap_of_its_own() -> None:
    """The others go on."""
    account = Account(Limits(calls=3), per_session=Limits(calls=1), clock=Ticking())
    kinds = [account.reserve(session, "p", MOST).kind for session in (1, 1, 2, 3, 4)]
    assert kinds == ["go", "session", "go", "go", "run"]


def test_unpaid_calls_count_as_calls() -> None:
    """Both kinds share a cap."""
    account = CallLimit(5, made=1)
    assert account.allow(2) == 2
    assert account.reserve(1, "p", MOST).kind == "go"
    assert account.allow(9) == 1
    assert account.reserve(1, "p", MOST).kind == "run"
    assert CallLimit(None).allow(1_000) == 1_000


def test_time_runs_while_somebody_works() -> None:
    """And not in a pause; what was worked before counts."""
    clock = Ticking()
    account = Account(Limits(seconds=10), seconds=8.0, clock=clock)
    clock.now_us += 60_000_000
    assert not account.out_of_time
    account.start()
    clock.now_us += 1_500_000
    assert account.reserve(1, "p", MOST).kind == "go"
    clock.now_us += 1_000_000
    assert account.reserve(1, "p", MOST).kind == "run"
    assert account.allow(1) == 0
    account.pause()
    worked = account.seconds
    clock.now_us += 9_000_000
    assert account.seconds == worked
    assert 10.5 <= worked < 10.6


@pytest.mark.parametrize(("a_minute", "amount", "passes"), [(60, 1, 61), (6_000, 200, 31)])
def test_no_more_passes_in_a_minute_than_may(a_minute: int, amount: int, passes: int) -> None:
    """With what had gathered before: one second's worth."""
    bucket, now_s, passed = Bucket(a_minute), 0.0, 0
    while True:
        now_s += bucket.wait_s(amount, now_s)
        if now_s > 60.0001:
            break
        bucket.take(amount)
        passed += 1
    assert passed <= passes
    assert passed * amount >= a_minute - amount


def test_each_provider_has_a_rate_of_its_own() -> None:
    """Calls and tokens; one without a rate is never waited for."""
    clock = Ticking()
    rates = {"slow": Rate(60, None), "wordy": Rate(None, 600)}
    account = Account(rates=rates, clock=clock)
    assert account.reserve(1, "slow", MOST).kind == "go"
    permit = account.reserve(1, "slow", MOST)
    assert (permit.kind, round(permit.wait_s, 1)) == ("wait", 1.0)
    assert account.reserve(1, "wordy", MOST).kind == "go"
    assert 9 < account.reserve(1, "wordy", MOST).wait_s < 10
    assert [account.reserve(1, "other", MOST).kind for _ in range(9)] == ["go"] * 9
    clock.now_us += 1_000_000
    assert account.reserve(1, "slow", MOST).kind == "go"


def test_a_loop_waits_for_a_providers_rate() -> None:
    """Five calls at sixty a minute: four seconds."""
    clock = Ticking()
    account = Account(rates={"p": Rate(60, None)}, clock=clock)
    double = PaidDouble(_fan, provider="p")
    session = begun("root", double)
    asyncio.run(Loop(MemoryStore(), clock, account=account).run(iter([session])))
    assert double.calls == 5
    assert session.finished
    assert 3.9 <= sum(clock.slept) <= 4.1


def _fan(view: View) -> str | tuple[Ask, Reply]:
    if view.question != "root":
        return "so"
    return (Ask(("a", "b", "c", "d")), Reply("$a1 $a2 $a3 $a4"))
