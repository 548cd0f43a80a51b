"""A session: one root question, its live tree, and what is decided without an answerer.

Everything that happens is staged as an event and folded into the tree; nothing is shown to an
answerer before the loop has committed what is staged.
"""

from collections.abc import Sequence
from hashlib import blake2b
from operator import attrgetter
from typing import Final, TypeGuard, cast

from msgspec.structs import replace

from decomposition.actions import UNREAD, Abstain, Ask, Given, Reply, Turn, Unreadable
from decomposition.consensus import comparable, decide
from decomposition.errors import CapReached, EngineBug, IllegalAction, NotWithdrawable
from decomposition.events import (
    ROOT,
    Abstained,
    Asked,
    Audited,
    Combined,
    Deferred,
    Demanded,
    Entry,
    Event,
    Failed,
    Joined,
    Opened,
    Refused,
    Replied,
    Sampled,
    Unlocked,
    Withdrawn,
    Woken,
)
from decomposition.hypertext import addresses, content_hash, folded_hash, is_plain, storable, write
from decomposition.memo import same
from decomposition.message import FAILURE_KINDS, PLACE_BOUND, Broke, Failure, Message, Outcome
from decomposition.node import Node, Slot
from decomposition.ports import Authorship, JoinStore, MemoTurn
from decomposition.rendering import view
from decomposition.room import over, within, woken_by
from decomposition.routing import route
from decomposition.setting import Counts, Outlook, Seat, Setting, Status, check_votes
from decomposition.standing import standing
from decomposition.step import asked, overdue, step
from decomposition.tree import Tree, fold
from decomposition.view import View
from decomposition.withdrawal import Signed, Withdrawal, withdrawal
from decomposition.workspace import Workspace

QUESTION_KEY_BYTES: Final = 20
_CLOSING: Final = frozenset({Replied, Abstained, Failed, Joined})
_place = attrgetter("key")
_BOTH: Final = 2
"""Fuel of an unlock and of the refusal of what stands behind it."""
_ENDED: Final = "an unlock ends the turn; later actions in it are refused"


class Session:
    """One deliberation under way. Built by `begin` or `resume`, stepped by the loop."""

    def __init__(
        self,
        number: int,
        setting: Setting,
        engine: Authorship,
        joinable: JoinStore | None = None,
        *,
        keep: bool = False,
    ) -> None:
        self.number = number
        self.setting = setting
        self.tree = Tree(keep=keep)
        self._keep = keep
        self.counts = Counts()
        self.staged: list[tuple[str, Event, Authorship]] = []
        self.reusable_turns: list[tuple[bytes, int, int]] = []
        self.reusable_answers: list[tuple[bytes, int, int, bytes]] = []
        self.committed = 0
        """Events that the store has."""
        self._engine = engine
        self._joinable = joinable
        self._closed: dict[bytes, tuple[str, Outcome, bytes]] = {}
        self._closing: dict[str, int] = {}
        self._found_open: set[str] = set()
        """Workspaces that were open when a fold ended: what could be joined had been by then."""
        self._ready: list[Node] = []
        self._sorted = True
        self._waiting: list[Node] = []
        """Workspaces that are ready, and whose answerers wait."""
        self._waits = False
        """Whether some of its answerers do."""
        self._joins = setting.joins != "none"
        self.tree.collect = self._joins
        self._caps = setting.caps
        self._capped = setting.caps.view_bytes is not None
        self._seats: dict[tuple[str, int], Seat] = {}
        self._rules = setting.identity().encode() + b"\0"
        constant = setting.environs is None and len(setting.overseer) == 1
        uniform = setting.policy.kind in ("direct", "recurse")
        self._only_seat = (
            setting.seat(route(setting.policy, 0, ""), 0) if constant and uniform else None
        )
        if self._only_seat is not None:
            self._waits = not self._only_seat.answerer.instant

    # -- beginning ---------------------------------------------------------------------------

    def begin(self, question: Message, fuel: int, samples: int = 1, rule: str = "majority") -> None:
        """Stage the root question; each sample gets the whole of `fuel`.

        Raises:
            BadPolicy: The rule can come to nothing with so many samples.
        """
        members = len(self.setting.overseer)
        if members > 1:
            samples = members
        if samples > 1:
            check_votes(rule, samples)
        self.note(ROOT, Opened(question, (fuel,) * samples, rule, self.setting.share))

    def resume(self, entries: Sequence[Entry]) -> None:
        """Go on where these committed events end."""
        if not entries:
            raise EngineBug("a session without events cannot be resumed")
        self._refold(entries)
        self.committed = len(entries)

    def _refold(self, entries: Sequence[Entry]) -> None:
        """Take on the state after these events."""
        self.tree = self._refolded(entries) if self._joins else fold(entries, keep=self._keep)
        self.tree.resume()
        if self._joins:
            self._found_open = {node.path for node in self.tree.fresh}
        for node in self.tree.nodes.values():
            if node.workspace.closed and self._seat(self._role(node), node.workspace).overseer:
                self.tree.folds_as(node, folded_hash(node.workspace.question))

    def _refolded(self, entries: Sequence[Entry]) -> Tree:
        """The tree after these events; what they closed can be joined as before."""
        self.tree = tree = Tree(keep=self._keep)
        tree.collect = True
        for path, event in standing(entries):
            tree.apply(path, event)
            for node in tree.fresh:
                seat = self._seat(self._role(node), node.workspace)
                node.tainted = node.tainted or seat.looking.sees_fuel
                node.tag = self._question_key(node, seat)
            tree.fresh = []
            if tree.settled:
                self._remember_answers()
        return tree

    # -- what needs no answerer --------------------------------------------------------------

    def absorb(self, engine: Authorship) -> None:
        """Decide everything that needs no answerer, until only answerers can go on.

        Args:
            engine: Stands with the events that are decided from now on.
        """
        self._engine = engine
        tree = self.tree
        while tree.fresh or tree.undecided or tree.roused:
            fresh, tree.fresh = tree.fresh, []
            for node in fresh:
                self._open(node)
            undecided, tree.undecided = tree.undecided, []
            for slot in undecided:
                self._combine(slot)
            roused, tree.roused = tree.roused, []
            for node in roused:
                self._rouse(node)
        if tree.awake:
            if self._capped:
                self._drop_unreadable()
            self._queue(tree.awake)
            tree.awake = []
        if tree.settled:
            self._remember_answers()

    def _open(self, node: Node) -> None:
        """Decide who works a demanded question, or that nobody needs to."""
        workspace = node.workspace
        if node.opened or workspace.outcome is not None:
            return
        node.opened = True
        if self.tree.overrun is not None:
            self._stop(node)
            return
        acted = bool(node.trail)
        if self._capped and not acted and self._over(node):
            return
        node.seat = seat = self._only_seat or self._seat(self._role(node), workspace)
        fresh = not acted and workspace.path not in self._found_open
        if self._joins and fresh and self._join(node, seat):
            return
        if seat.overseer and self._is_cycle(node, acted=acted):
            return
        if workspace.waiting:
            self._await_again(node)
        elif acted:
            self._go_on(node, workspace)
        else:
            self._let_act(node)

    def _role(self, node: Node) -> str:
        environs = self.setting.environs
        workspace = node.workspace
        kind = ""
        if environs is not None:
            written = write(workspace.question, "$q")
            if environs.covers(written):
                return "primitive"
            kind = environs.question_type(written)
        role = route(self.setting.policy, workspace.depth, kind)
        if role == "cascade" and any(mark[:1] == "D" for mark in node.trail):
            return "overseer"
        return role

    def _seat(self, role: str, workspace: Workspace) -> Seat:
        """Who acts in a role; the members of an ensemble each below one sample of the root."""
        member = 0
        if len(self.setting.overseer) > 1 and ":" in workspace.path:
            member = int(workspace.path.partition(".")[0].partition(":")[2])
        known = self._seats.get((role, member))
        if known is None:
            known = self._seats[(role, member)] = self.setting.seat(role, member)
            self._waits = self._waits or not known.answerer.instant
        return known

    def _await_again(self, node: Node) -> None:
        """After a fold the tree has the waiters already; `any` may have been interrupted."""
        wait = node.workspace.wait
        if (wait == "any" and self.tree.there(node)) or (wait == "fits" and not node.missing):
            self.tree.roused.append(node)

    def _is_cycle(self, node: Node, *, acted: bool = False) -> bool:
        """Fail a question that equals one on its own path of overseers."""
        mine = folded_hash(node.workspace.question)
        self.tree.folds_as(node, mine)
        if acted or mine not in self.tree.askers:
            return False
        above = node.slot.asker
        while above is not None:
            if above.fold == mine:
                failure = Failure("cycle", "this question is already being worked above")
                detail = f"{node.path} asks again what {above.path} asks"
                self._stage(node.path, Failed(failure, detail), self._engine)
                return True
            above = above.slot.asker
        return False

    def _combine(self, slot: Slot) -> None:
        """Combine the samples of a subquestion, or draw one more."""
        if slot.outcome is not None or slot.arrived < len(slot.results):
            return
        pending = self._pending(slot)
        if pending:
            for each in pending:
                if slot not in each.combiners:
                    each.combiners += (slot,)
            return
        answers = [self._comparable(slot, place) for place in range(len(slot.results))]
        verdict = decide(slot.asked.rule, answers, slot.samples)
        if verdict.more and len(slot.results) < slot.samples and self.tree.overrun is None:
            last = len(slot.results) == slot.samples - 1
            self.note(slot.address, Sampled(verify=last and slot.asked.rule == "verify"))
            return
        shared = slot.asked.share == "children"
        self.note(
            slot.address,
            Combined(verdict.winner, slot.asked.rule, verdict.votes, verdict.agreement, shared),
        )

    def _pending(self, slot: Slot) -> list[Slot]:
        """What the samples' answers point to and is not there yet."""
        pending: list[Slot] = []
        for result in slot.results:
            if isinstance(result, Message) and not is_plain(result):
                pending += self.tree.pending_within(result)
        return pending

    def _comparable(self, slot: Slot, sample: int) -> str | None:
        """A sample's answer as votes compare it; a judge's verdict stays as it is."""
        result = slot.results[sample]
        if not isinstance(result, Message):
            return None
        text = self.tree.rendered(result, self.setting.caps.answer_bytes)
        judges = slot.asked.rule == "verify" and sample == slot.samples - 1
        return comparable(text) if judges else self.setting.normalise(text)

    def _rouse(self, node: Node) -> None:
        """Go on with what has arrived of an unlock that waits for any, or for room."""
        there = self.tree.there(node)
        if not there or node.workspace.closed:
            return
        if not self._capped:
            self.note(node.path, Woken(there))
            return
        event = woken_by(node.workspace, self.tree.contents(node, there), self._caps)
        self.note(node.path, event)
        if event.refused:
            self._go_on(node, node.workspace)

    def _over(self, node: Node) -> bool:
        """Fail a workspace whose view would be over the cap on views."""
        failure = over(node.workspace, self._caps)
        if failure is not None:
            self.note(node.path, Failed(failure))
        return failure is not None

    def _drop_unreadable(self) -> None:
        """Fail those who were shown all that their question leads to, where that is too much."""
        tree = self.tree
        readable: list[Node] = []
        while tree.awake:
            awake, tree.awake = tree.awake, []
            readable += [node for node in awake if not (self._reads_all(node) and self._over(node))]
        tree.awake = readable

    def _reads_all(self, node: Node) -> bool:
        """Whether somebody reads a view with all that its question leads to.

        Whoever looks up facts or reads symbols does not read the text.
        """
        seat: Seat = node.seat
        if not node.read or node.workspace.outcome is not None:
            return False
        return seat.role != "primitive" and not seat.answerer.reads_symbols

    # -- joins -------------------------------------------------------------------------------

    def _join(self, node: Node, seat: Seat) -> bool:
        """Take the answer of an equal question that was closed cleanly, if there is one."""
        if seat.looking.sees_fuel:
            node.tainted = True  # what its fuel told it belongs to its place
        key = self._question_key(node, seat)
        if not key:
            return False
        node.tag = key
        found = self._closed.get(key)
        if found is None and self.setting.joins == "shared" and self._joinable is not None:
            closed = self._joinable.closed(key)
            if closed is not None:
                origin = closed.origin
                event = Joined(origin, closed.digest, closed.message, closed.failure)
                self.note(node.path, event)
                return True
        if found is None:
            return False
        path, outcome, digest = found
        message = outcome if isinstance(outcome, Message) else None
        failure = outcome if isinstance(outcome, Failure) else None
        self.note(node.path, Joined(path, digest.hex(), message, failure))
        return True

    def _question_key(self, node: Node, seat: Seat) -> bytes:
        """Key of a question for joining; empty for none.

        None has a question that points to something pending, one whose answerer sees its fuel,
        and one of an environment about a context, which costs more to hash than to read again.
        """
        workspace = node.workspace
        looking = seat.looking
        if looking.sees_fuel or (seat.role == "primitive" and not is_plain(workspace.question)):
            return b""
        tree = self.tree
        for address in addresses(workspace.question):
            if tree.hash_of_answer(address) == address:
                return b""
        state = blake2b(looking.prefix, digest_size=QUESTION_KEY_BYTES)
        state.update(self._rules)
        # Unlike in a view's key every index counts: the subtree of a sample 0 has draws of its
        # own, so its answer is not that of an unsampled question.
        state.update(f"{workspace.sample_path} {node.heritage}\0".encode())
        if self.setting.policy.kind in ("amplify", "table"):
            state.update(f"{workspace.depth}\0".encode())
        state.update(content_hash(workspace.question, tree.hash_of_answer).encode())
        return state.digest()

    def _remember_answers(self) -> None:
        """Make the clean workspaces that settled joinable."""
        settled, self.tree.settled = self.tree.settled, []
        for node in settled:
            closing = self._closing.pop(node.path, None)
            outcome = node.workspace.outcome
            if not node.tag or node.tainted or outcome is None or node.tag in self._closed:
                continue
            if isinstance(outcome, Failure):
                if outcome.kind in PLACE_BOUND:
                    continue
            elif not is_plain(outcome):
                continue
            self._closed[node.tag] = (node.path, outcome, node.digest)
            if closing is not None and self.setting.joins == "shared":
                self.reusable_answers.append((node.tag, self.number, closing, node.digest))

    # -- turns -------------------------------------------------------------------------------

    def take(self, limit: int) -> list[Node]:
        """The next workspaces to act in, depth first."""
        ready = self._ready
        if not self._sorted:
            ready.sort(key=_place, reverse=True)
            self._sorted = True
        taken = ready[-limit:]
        del ready[-limit:]
        taken.reverse()
        for node in taken:
            node.queued = False
        return taken

    def take_waiting(self, limit: int) -> list[Node]:
        """The next workspaces whose answerers wait, depth first."""
        waiting = self._waiting
        if not waiting:
            return waiting
        waiting.sort(key=_place, reverse=True)
        taken = waiting[-limit:]
        del waiting[-limit:]
        taken.reverse()
        for node in taken:
            node.queued = False
        return taken

    def drop_waiting(self) -> None:
        """Leave all workspaces whose answerers wait undone."""
        self._waiting = []

    def put_back(self, node: Node) -> None:
        """Leave a workspace that was taken for a later turn of the loop."""
        node.queued = True
        self._queue([node])

    def _queue(self, nodes: list[Node]) -> None:
        """Have workspaces stand in line for their answerers."""
        if self._waits:
            for node in nodes:
                (self._ready if node.seat.answerer.instant else self._waiting).append(node)
        else:
            self._ready += nodes
        self._sorted = False

    @property
    def moving(self) -> bool:
        """Whether something can happen without an answerer that waits."""
        ready = self._ready or self._waiting
        return bool(ready or self.staged or self.tree.awake or self.tree.fresh)

    def note(self, path: str, event: Event) -> None:
        """Stage an event that the engine decided."""
        self._stage(path, event, self._engine)

    def audit(self, path: str, recorded: MemoTurn, fresh: Sequence[Entry]) -> None:
        """Stage whether a recorded turn and a fresh one, both as events, agree."""
        agreed = same(recorded.entries, fresh)
        self.counts.audits += 1
        self.counts.audits_agreed += agreed
        self.note(path, Audited(recorded.origin, agreed))

    def view_of(self, node: Node) -> View:
        """What the answerer of a workspace sees."""
        return view(node.workspace, node.seat.looking)

    def act(self, node: Node, given: Given, authorship: Authorship, key: bytes = b"") -> None:
        """Stage a turn; with a key it is remembered, unless an action was refused."""
        workspace = node.workspace
        if workspace.outcome is not None:
            return
        first = self.committed + len(self.staged)
        if node.seat.role != "cascade" and type(given) is not tuple and is_failure(given):
            self._stage(node.path, _failed(given), authorship)
        elif self._taken(node, given, authorship) and key:
            self.reusable_turns.append((key, self.number, first))
        workspace = node.workspace
        if workspace.outcome is None:
            self._go_on(node, workspace)

    def _taken(self, node: Node, given: Given, authorship: Authorship) -> bool:
        """Stage a turn as its role has it; whether it may be remembered."""
        if node.seat.role == "cascade":
            return self._cascade(node, given, authorship)
        return self._turn(node, given, authorship)

    def _go_on(self, node: Node, workspace: Workspace) -> None:
        """Let a workspace that is still open act again, if it neither waits nor is overdue."""
        late = overdue(workspace)
        if late is not None:
            self._stage(workspace.path, late, self._engine)
        elif not workspace.waiting:
            self._let_act(node)

    def _let_act(self, node: Node) -> None:
        """Show a workspace to its answerer; who reads through waits until all is there."""
        seat: Seat = node.seat
        if node.reading:
            return
        if seat.answerer.reads_through and not node.read and not is_plain(node.workspace.question):
            self.note(node.path, Demanded())
        else:
            self.tree.rouse(node)

    def _turn(self, node: Node, given: object, authorship: Authorship) -> bool:
        """Stage the actions up to the first illegal one; whether all were legal.

        What stands behind an unlock is refused before the unlock shows anything: both are paid
        first, or the unlock is dropped where the fuel is too little for both. So it is no matter
        what is there already.
        """
        path = node.path
        if type(given) is Unreadable:
            kind = given.kind if given.kind in UNREAD else "bad_output"
            self._stage(path, Refused(storable(given.reason), kind=kind), authorship)
            return False
        if type(given) is not tuple or not given:
            self._stage(path, Refused("a turn is a non-empty tuple of actions"), authorship)
            return False
        turn = cast("Turn", given)
        left = len(turn)
        try:
            for action in turn:
                event: Event = (
                    self._ask(node, action)
                    if type(action) is Ask
                    else step(node.workspace, action, self._caps)
                )
                left -= 1
                if left and type(event) is Unlocked:
                    if node.workspace.fuel > _BOTH:
                        self._stage(path, event, authorship)
                    self._stage(path, Refused(_ENDED, late=True), authorship)
                    return False
                self._stage(path, event, authorship)
        except IllegalAction as refusal:
            self._stage(path, Refused(str(refusal), refusal.bound), authorship)
            return False
        except CapReached:
            self._overrun()
            return False
        return True

    def _overrun(self) -> None:
        """End the session as a whole: all that is open fails, from the root on."""
        tree = self.tree
        still_open = [node for node in tree.nodes.values() if node.workspace.outcome is None]
        for node in sorted(still_open, key=_place):
            self._stop(node)
        self._ready, self._waiting, tree.awake, tree.roused = [], [], [], []

    def _stop(self, node: Node) -> None:
        """End a workspace of a session that has reached its cap."""
        failure = Failure("spend", f"the cap of {self._caps.workspaces} workspaces was reached")
        self._stage(node.path, Failed(failure, whole=True), self._engine)

    def _ask(self, node: Node, ask: Ask) -> Asked:
        """The event of an ask, with the setting's samples and within the session's caps.

        Raises:
            IllegalAction: As `step`.
            CapReached: The session would have more workspaces than it may.
        """
        setting = self.setting
        if node.seat.direct:
            raise IllegalAction("this question is answered directly, without subquestions")
        if setting.node_samples > 1 and type(ask.samples) is int and ask.samples == 1:
            votes = replace(
                ask, samples=setting.node_samples, rule=setting.node_rule, share=setting.share
            )
            event = replace(asked(node.workspace, votes, self._caps), voted=True)
        else:
            event = asked(node.workspace, ask, self._caps)
        if self.tree.asked + len(event.fuel) >= self._caps.workspaces:
            raise CapReached(f"the cap of {self._caps.workspaces} workspaces is reached")
        self.counts.dropped += event.dropped
        return event

    def _cascade(self, node: Node, given: Given, authorship: Authorship) -> bool:
        """Take a sure student's answer; give the workspace to the overseer otherwise."""
        if type(given) is not tuple and is_failure(given):
            failed = _failed(given)
            if failed.failure.kind == "spend":
                self._stage(node.path, failed, authorship)
                return False
        action = given[0] if type(given) is tuple and given else None
        said = self._said(node, action)
        confidence = said.confidence if said is not None and said.confidence is not None else 0.0
        if said is not None and said.confidence is not None and self._sure(confidence):
            return self._turn(node, given, authorship)
        if node.workspace.fuel <= 1:
            failure = Failure("fuel", "no fuel was left to take over what nobody was sure of")
            self._stage(node.path, Failed(failure), authorship)
            return False
        draft = said.message if said is not None else ""
        self._stage(node.path, Deferred(draft, float(confidence)), authorship)
        node.seat = self._seat("overseer", node.workspace)
        self._is_cycle(node)
        return said is not None or type(action) is Abstain

    def _said(self, node: Node, action: object) -> Replied | None:
        """What a student's reply comes to; None for anything that is no legal reply."""
        if type(action) is not Reply:
            return None
        try:
            event = step(node.workspace, action, self._caps)
        except IllegalAction:
            return None
        return event if isinstance(event, Replied) else None

    def _sure(self, confidence: float) -> bool:
        return confidence >= self.setting.policy.bound

    def _stage(self, path: str, event: Event, authorship: Authorship) -> None:
        if self._joins and type(event) in _CLOSING:
            self._closing[path] = self.committed + len(self.staged)
        if self._capped:
            event = within(event, self._caps)
        self.tree.apply(path, event)
        self.staged.append((path, event, authorship))

    def fail(self, path: str, failed: Failed) -> None:
        """End a workspace that would be shown to its answerer next; any other is left as it is.

        To be called after `resume`, before anything of it is shown.
        """
        node = self.tree.nodes.get(path)
        if node is not None and not (node.workspace.closed or node.workspace.waiting):
            self._stage(path, failed, self._engine)

    # -- taking back -------------------------------------------------------------------------

    def withdraw(self, number: int, committed: Sequence[Signed], by: Authorship) -> Withdrawal:
        """Take a person's turn back: stage that, and go on as if it had not been given.

        To be called where nothing is staged, as in the loop's `on_commit`. A call for the
        workspace's next turn that is under way counts no more: its view was of the turn.

        Args:
            number: Of the turn's first event.
            committed: All events of this session that the store has.
            by: Who takes it back.

        Raises:
            NotWithdrawable: Something was made of the turn, or events wait for their commit.
        """
        if self.staged or len(committed) != self.committed:
            raise NotWithdrawable("events are on their way to the store; try again after that")
        taken = withdrawal(committed, number, by)
        under_way = self._under_way()
        shown = [node.path for node in under_way if node.path in taken.vanishing]
        if shown:
            raise NotWithdrawable(f"what it opened was shown at {shown[0]}")
        event = Withdrawn(number)
        self._closed, self._ready, self._waiting = {}, [], []
        self._closing.pop(taken.path, None)
        self._refold([*((path, each) for path, each, _ in committed), (taken.path, event)])
        for node in under_way:
            self._take_over(node, again=node.path == taken.path)
        self.staged.append((taken.path, event, by))
        unusable = set(taken.unusable)
        answers = self.reusable_answers
        self.reusable_answers = [each for each in answers if each[2] not in unusable]
        return taken

    def _under_way(self) -> list[Node]:
        """Open workspaces whose views an answerer has."""
        return [
            node
            for node in self.tree.nodes.values()
            if node.opened and not (node.workspace.closed or node.workspace.waiting)
            if not (node.queued or node.reading)
        ]

    def _take_over(self, node: Node, *, again: bool) -> None:
        """Have a call under way go on in the tree that was folded anew.

        Args:
            again: Its workspace is to be shown anew; what comes of the call is left.
        """
        if again:
            node.workspace = replace(node.workspace, outcome=Failure("answerer", "taken back"))
            return
        self.tree.reinstate(node)

    # -- ending ------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether the root is answered and nothing demanded is open."""
        return self.tree.finished

    def outlook(self) -> Outlook:
        """How the session ended.

        Raises:
            EngineBug: It has not.
        """
        outcome = self.tree.root.outcome
        if outcome is None:
            raise EngineBug("the session has no answer yet")
        if isinstance(outcome, Failure):
            status: Status = "abstained" if outcome.kind == "abstained" else "failed"
            cut = False
            answer = f"{outcome.kind}: {outcome.reason}" if outcome.reason else outcome.kind
        else:
            status = "answered"
            answer, cut = self.tree.rendering(outcome, self._caps.answer_bytes)
        digest = self.tree.finish()
        return Outlook(status, answer, digest, self.tree.workspaces, self.tree.joins, cut)


def is_failure(given: object) -> TypeGuard[Failure]:
    """Whether what an answerer gave is a failure; nothing that it gave is asked for that."""
    return type(given) is Failure or type(given) is Broke


def _failed(given: Failure) -> Failed:
    """The event of a failure that an answerer gave: of a known kind, and storable."""
    kind, reason = given.kind, given.reason
    detail = given.detail if type(given) is Broke else ""
    if type(kind) is not str or kind not in FAILURE_KINDS:
        what = storable(kind) if type(kind) is str else type(kind).__name__
        return Failed(Failure("answerer", "a failure of no known kind"), what)
    if type(reason) is not str:
        reason = f"a reason that is no text but {type(reason).__name__}"
    if type(detail) is not str:
        detail = ""
    return Failed(Failure(kind, storable(reason)), storable(detail))
