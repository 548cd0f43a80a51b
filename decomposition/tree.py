"""The tree: folding events gives the state of a whole deliberation.

`fold` is pure; the live session applies the same events to its own tree, so a replay cannot
differ from what happened. What is settled (closed, with nothing below it that may still be
demanded) is evicted to its answer and digest, unless the tree was asked to keep everything.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from decomposition import merkle
from decomposition.actions import MAX_SAMPLES
from decomposition.advance import ANSWER_NUMBERS, advance, resolve, show, unshown, woken
from decomposition.consensus import first_samples, verification
from decomposition.errors import EngineBug
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
    Noted,
    Opened,
    Refused,
    Replied,
    Sampled,
    Unlocked,
    Withdrawn,
    Woken,
)
from decomposition.hypertext import (
    PLACE_BOUND,
    Failure,
    Message,
    Outcome,
    addresses,
    content_hash,
    failure_hash,
    is_plain,
    write,
)
from decomposition.node import Node, Slot
from decomposition.standing import standing
from decomposition.workspace import Shown, Workspace

NOTHING: Final[set[str]] = set()
STARVED: Final = Failure("fuel", "too little fuel was left to ask this")
DISAGREED: Final = Failure("abstained", "the samples did not agree")


class Tree:
    """The state of one session, and the lists of what its loop has to look at next."""

    def __init__(self, *, keep: bool = False) -> None:
        self.keep = keep
        self.nodes: dict[str, Node] = {}
        self.slots: dict[str, Slot] = {}
        self.live = 0
        """Open workspaces."""
        self.workspaces = 0
        """Workspaces so far, joins not counted."""
        self.joins = 0
        self.asked = 0
        """Samples of subquestions that were asked for, worked or not."""
        self.askers: dict[str, int] = {}
        """Questions of unsettled workspaces that asked something, and how many there are."""
        self.fresh: list[Node] = []
        """Demanded and not yet opened."""
        self.awake: list[Node] = []
        """May act, because what they waited for is there."""
        self.roused: list[Node] = []
        """Wait for any of several pointers, of which some are there."""
        self.undecided: list[Slot] = []
        """All samples drawn so far have arrived."""
        self.settled: list[Node] = []
        """Settled since the loop looked last, if it collects them."""
        self.collect = False
        self.overrun: Failure | None = None
        """What the session came to as a whole, where it ended at its cap of workspaces."""
        self._handlers: dict[type[Event], Callable[[str, Any], None]] = {
            Opened: self._opened,
            Asked: self._asked,
            Unlocked: self._unlocked,
            Woken: self._woken,
            Combined: self._combined,
            Sampled: self._sampled,
            Replied: self._closed,
            Abstained: self._closed,
            Failed: self._closed,
            Joined: self._closed,
            Noted: self._own,
            Refused: self._own,
            Deferred: self._own,
            Audited: self._nothing,
            Demanded: self._demanded,
            Withdrawn: self._withdrawn,
        }

    @property
    def root(self) -> Slot:
        """The slot of the root question."""
        return self.slots[ROOT]

    @property
    def finished(self) -> bool:
        """Whether the root is answered and nothing demanded is open."""
        return not self.live and self.root.outcome is not None

    def apply(self, path: str, event: Event) -> None:
        """Take over what happened.

        Raises:
            EngineBug: The event fits no workspace of this tree.
        """
        self._handlers[type(event)](path, event)

    # -- questions ---------------------------------------------------------------------------

    def _opened(self, path: str, event: Opened) -> None:
        del path
        root = Slot(ROOT, None, event.question, event.fuel, event)
        root.deep = True
        self.slots[ROOT] = root
        self.demand(root)

    def _asked(self, path: str, event: Asked) -> None:
        node = self._node(path)
        node.workspace = workspace = advance(node.workspace, event)
        node.trail.append(merkle.asked(event))
        samples, fuel = event.samples, event.fuel
        self.asked += len(fuel)
        number = len(node.slots)
        if not number and node.fold:
            self.askers[node.fold] = self.askers.get(node.fold, 0) + 1
        new: list[Slot] = []
        for place, ask in enumerate(workspace.asks[number:]):
            number += 1
            address = f"{path}.{number}"
            share = fuel[place * samples : (place + 1) * samples]
            slot = self.slots[address] = Slot(address, node, ask.question, share, event, number)
            new.append(slot)
        node.slots = [*node.slots, *new] if node.slots else new
        if event.eager:
            for slot in new:
                self.demand(slot)

    def demand(self, slot: Slot) -> None:
        """Have a subquestion worked, if it is not already."""
        if slot.demanded:
            return
        slot.demanded = True
        if slot.asker is not None:
            slot.asker.unsettled += 1
        if len(slot.fuel) == 1:
            self._draw(slot, 0, slot.question)
            return
        for sample in range(first_samples(slot.asked.rule, slot.samples)):
            self._draw(slot, sample, slot.question)
        if slot.arrived == len(slot.results):
            self.undecided.append(slot)

    def _draw(self, slot: Slot, sample: int, question: Message) -> None:
        """Open one more sample of a subquestion."""
        fuel = slot.fuel[sample]
        slot.digests += (b"",)
        if fuel < 1:
            self._starve(slot)
            return
        slot.results += (None,)
        asker = slot.asker
        if asker is None:
            above: tuple[int, ...] = ()
            key: tuple[int, ...] = (sample,)
        else:
            above = asker.heritage
            key = (*asker.key, slot.number * MAX_SAMPLES + sample)
        path = slot.address
        own = heritage = above
        if len(slot.fuel) > 1:
            path, own = f"{path}:{sample}", (*above, sample)
            heritage = above if slot.asked.share == "children" else own
        node = Node(Workspace(path, question, own, fuel), slot, sample, key, heritage)
        self.nodes[path] = node
        self.fresh.append(node)
        self.live += 1
        self.workspaces += 1

    def _starve(self, slot: Slot) -> None:
        slot.results += (STARVED,)
        slot.tainted = True
        slot.arrived += 1
        slot.settled += 1
        if slot.samples == 1:
            self._arrive(slot, STARVED)
            self._settle(self._after(slot))

    def _sampled(self, path: str, event: Sampled) -> None:
        slot = self.slots[path]
        question = slot.question
        if event.verify:
            question = verification(question, [r for r in slot.results if r is not None])
        self._draw(slot, len(slot.results), question)
        if slot.arrived == len(slot.results):
            self.undecided.append(slot)

    def _combined(self, path: str, event: Combined) -> None:
        slot = self.slots[path]
        slot.verdict = event
        winner = None if event.winner is None else slot.results[event.winner]
        slot.unspent += sum(slot.fuel[len(slot.results) :])
        if self.overrun is not None and slot.asker is None:
            winner = self.overrun
        self._arrive(slot, DISAGREED if winner is None else winner)
        self._settle(self._after(slot))

    # -- unlocking ---------------------------------------------------------------------------

    def _unlocked(self, path: str, event: Unlocked) -> None:
        node = self._node(path)
        node.workspace = workspace = advance(node.workspace, event)
        node.trail.append(merkle.unlocked(event))
        node.sights = len(node.trail)
        node.epoch += 1
        node.missing = 0
        for name in event.pointers:
            slot = self._slot_behind(node, workspace, name)
            if slot is None:
                continue
            if not slot.demanded:
                self.demand(slot)
            if slot.outcome is None:
                slot.waiters += ((node, node.epoch),)
                node.missing += 1
        if event.wait == "any":
            if node.missing < len(event.pointers):
                self.roused.append(node)
        elif not node.missing:
            self._all_there(node)

    def _all_there(self, node: Node) -> None:
        """Show what an unlock waited for; whether there is room for it the session tells."""
        if node.workspace.wait == "fits":
            self.roused.append(node)
        else:
            self._wake(node, node.workspace.waiting)

    def _slot_behind(self, node: Node, workspace: Workspace, name: str) -> Slot | None:
        """The slot whose answer a name means; None where it means content that stands fast."""
        number = ANSWER_NUMBERS.get(name, 0)
        if number:
            return node.slots[number - 1]
        pointer = resolve(workspace, name)
        return self.slots[pointer.answer] if pointer.answer else None

    def there(self, node: Node) -> tuple[str, ...]:
        """The pointers that a waiting workspace could be shown now."""
        workspace = node.workspace
        return tuple(name for name in workspace.waiting if self.content(node, name) is not None)

    def content(self, node: Node, name: str) -> Outcome | None:
        """What a pointer of a workspace leads to; None while it is pending."""
        slot = self._slot_behind(node, node.workspace, name)
        return slot.outcome if slot is not None else resolve(node.workspace, name).message

    def contents(self, node: Node, names: tuple[str, ...]) -> tuple[Shown, ...]:
        """What pointers of a workspace lead to, as they would be shown."""
        pairs = [(name, self.content(node, name)) for name in names]
        return tuple([show(name, outcome) for name, outcome in pairs if outcome is not None])

    def _woken(self, path: str, event: Woken) -> None:
        node = self._node(path)
        node.epoch += 1
        if event.refused:
            self._withhold(node, event.refused)
        else:
            self._wake(node, event.pointers)

    def _withhold(self, node: Node, reason: str) -> None:
        """Refuse an unlock of what is there; unspent fuel comes back as if it was shown."""
        fuel = 0
        for name in self.there(node):
            slot = self._slot_behind(node, node.workspace, name)
            if slot is not None and slot.asker is node and "." not in name:
                fuel += slot.unspent
                slot.unspent = 0
        node.workspace = unshown(node.workspace, reason, fuel)
        node.trail.append(merkle.mark(Refused(reason)))

    def _wake(self, node: Node, names: tuple[str, ...]) -> None:
        """Show content to a workspace; unspent fuel comes back with an answer.

        It comes back under the answer's own name alone, so that nobody can tell by its fuel
        whether two pointers lead to the same content.
        """
        workspace = node.workspace
        new: list[Shown] = []
        fuel = 0
        for name in names:
            slot = self._slot_behind(node, workspace, name)
            if slot is None:
                outcome: Outcome | None = resolve(workspace, name).message
            else:
                outcome = slot.outcome
                if slot.unspent and slot.asker is node and "." not in name:
                    fuel += slot.unspent
                    slot.unspent = 0
            if outcome is None:
                raise EngineBug(f"{name} of {node.path} is shown before it has arrived")
            piece = show(name, outcome)
            new.append(piece)
            node.trail.append(merkle.sight_of(name, piece[2]))
        node.workspace = woken(workspace, tuple(new), fuel)
        self.rouse(node)

    # -- answers -----------------------------------------------------------------------------

    def _closed(self, path: str, event: Event) -> None:
        node = self._node(path)
        node.workspace = workspace = advance(node.workspace, event)
        outcome = workspace.outcome
        if outcome is None:
            raise EngineBug(f"{path} did not close")
        self.live -= 1
        node.epoch += 1
        if type(event) is Replied:
            node.trail.append("R" + event.message)
        else:
            self._closed_otherwise(node, event)
        slot = node.slot
        slot.unspent += workspace.fuel
        slot.arrived += 1
        if len(slot.fuel) == 1:
            slot.results = (outcome,)
            self._arrive(slot, outcome)
        else:
            slot.put(node.sample, outcome)
            if type(outcome) is Message:
                self.demand_within(outcome)
            if slot.arrived == len(slot.results):
                self.undecided.append(slot)
        if not node.unsettled:
            self._settle(node)

    def _closed_otherwise(self, node: Node, event: Event) -> None:
        """What an abstention, a failure or a join does beyond a reply."""
        if isinstance(event, Joined):
            node.digest = bytes.fromhex(event.digest)
            self.workspaces -= 1
            self.joins += 1
        else:
            node.trail.append(merkle.mark(event))
            if isinstance(event, Failed) and event.whole:
                self._end(event.failure)
        outcome = node.workspace.outcome
        if isinstance(outcome, Failure) and outcome.kind in PLACE_BOUND:
            node.tainted = True

    def _end(self, failure: Failure) -> None:
        """Fail the session as a whole, though its root may have been answered."""
        self.overrun = failure
        if self.root.outcome is not None:
            self.root.outcome = failure

    def rouse(self, node: Node) -> None:
        """Let a workspace act, once."""
        if not node.queued:
            node.queued = True
            self.awake.append(node)

    def _own(self, path: str, event: Event) -> None:
        node = self.nodes.get(path)
        if node is None or node.workspace.outcome is not None:
            return  # refused after its own closing: recorded, without effect
        node.workspace = advance(node.workspace, event)
        place = len(node.trail)
        if type(event) is Refused:
            if event.bound:
                node.tainted = True
            if event.late:
                place = node.sights
        node.trail.insert(place, merkle.mark(event))

    def _nothing(self, path: str, event: Event) -> None:
        """An event that changes no state."""

    def _withdrawn(self, path: str, event: Withdrawn) -> None:
        raise EngineBug(f"the turn of {event.event} at {path} is taken back by folding anew")

    def _arrive(self, slot: Slot, outcome: Outcome) -> None:
        slot.outcome = outcome
        if slot.waiters:
            waiters, slot.waiters = slot.waiters, ()
            for node, epoch in waiters:
                if node.epoch == epoch:
                    self._notify(node)
        if slot.deep and isinstance(outcome, Message):
            self.demand_within(outcome)
        if slot.combiners:
            self.undecided += slot.combiners

    def _notify(self, node: Node) -> None:
        node.missing -= 1
        if node.reading:
            if not node.missing:
                self._await_reading(node)
        elif node.workspace.wait == "any":
            self.roused.append(node)
        elif not node.missing:
            self._all_there(node)

    # -- pointers that are read through ------------------------------------------------------

    def demand_within(self, message: Message) -> list[Slot]:
        """Demand all that a message leads to; returns the slots that are still pending."""
        return self.pending_within(message, demand=True)

    def pending_within(self, message: Message, *, demand: bool = False) -> list[Slot]:
        """The slots that a message leads to and that have no answer yet."""
        if is_plain(message):
            return []
        pending: list[Slot] = []
        seen: set[str] = set()
        todo = list(addresses(message))
        while todo:
            address = todo.pop()
            if address in seen:
                continue
            seen.add(address)
            slot = self.slots[address]
            if demand:
                slot.deep = True
                self.demand(slot)
            if slot.outcome is None:
                pending.append(slot)
            elif isinstance(slot.outcome, Message):
                todo.extend(addresses(slot.outcome))
        return pending

    def _demanded(self, path: str, event: Demanded) -> None:
        del event
        node = self._node(path)
        node.read = True
        self._await_reading(node)

    def _await_reading(self, node: Node) -> None:
        """Let a workspace act once everything behind its question has arrived."""
        node.reading = True
        node.epoch += 1
        pending = self.demand_within(node.workspace.question)
        node.missing = len(pending)
        for slot in pending:
            slot.waiters += ((node, node.epoch),)
        if not pending:
            node.reading = False
            read = self.read_through(node)
            node.trail += [merkle.sight_of(name, seen) for name, _, seen in read]
            node.workspace = woken(node.workspace, read, 0)
            self.rouse(node)

    def read_through(self, node: Node, limit: int = 10_000) -> tuple[Shown, ...]:
        """Content behind a question's pointers, by name, at most `limit` pieces."""
        read: list[Shown] = []
        todo: list[tuple[str, Message]] = [("$q", node.workspace.question)]
        while todo and len(read) < limit:
            name, message = todo.pop()
            for place, pointer in enumerate(message.pointers(), 1):
                inner = f"{name}.{place}"
                content = pointer.message or self.slots[pointer.answer].outcome
                if content is None:
                    raise EngineBug(f"{inner} of {node.path} is read before it has arrived")
                read.append(show(inner, content))
                if isinstance(content, Message):
                    todo.append((inner, content))
        return tuple(read)

    def rendered(self, outcome: Outcome, limit: int) -> str:
        """An answer with everything it points to in its place, cut at `limit` characters."""
        return self.rendering(outcome, limit)[0]

    def rendering(self, outcome: Outcome, limit: int) -> tuple[str, bool]:
        """What `rendered` gives, and whether it is cut."""
        pieces: list[str] = []
        size = 0
        todo: list[str | Outcome] = [outcome]
        while todo and size <= limit:
            piece = todo.pop()
            size += 1
            if isinstance(piece, str):
                pieces.append(piece)
                size += len(piece)
            elif isinstance(piece, Failure):
                todo.append(f"({piece.kind}{': ' if piece.reason else ''}{piece.reason})")
            else:
                todo.extend(reversed([self._inlined(part) for part in piece.parts]))
        text = "".join(pieces)
        return text[:limit], bool(todo) or len(text) > limit

    def _inlined(self, part: object) -> str | Outcome:
        if isinstance(part, str):
            return part
        message = getattr(part, "message", None)
        if isinstance(message, Message):
            return message
        outcome = self.slots[getattr(part, "answer", "")].outcome
        return Failure("pending") if outcome is None else outcome

    def hash_of_answer(self, address: str) -> str:
        """The content hash behind an address, or the address while something is pending."""
        todo = [address]
        while todo:
            slot = self.slots[todo[-1]]
            inner = list(addresses(slot.outcome)) if isinstance(slot.outcome, Message) else []
            if slot.outcome is None or any(self.slots[each].hash == each for each in inner):
                slot.hash = slot.address
            ahead = [each for each in inner if not self.slots[each].hash]
            if ahead and not slot.hash:
                todo.extend(ahead)
                continue
            if not slot.hash:
                slot.hash = self._hash_of(slot)
            todo.pop()
        found = self.slots[address].hash
        if found == address:
            self._forget_pending(address)
        return found

    def _hash_of(self, slot: Slot) -> str:
        if isinstance(slot.outcome, Message):
            return content_hash(slot.outcome, lambda each: self.slots[each].hash)
        return failure_hash(slot.outcome or Failure("pending"))

    def _forget_pending(self, address: str) -> None:
        """Hashes that stand for something pending are not kept: it may arrive."""
        todo = [address]
        while todo:
            slot = self.slots[todo.pop()]
            if slot.hash == slot.address:
                slot.hash = ""
                if isinstance(slot.outcome, Message):
                    todo.extend(addresses(slot.outcome))

    # -- settling ----------------------------------------------------------------------------

    def _settle(self, node: Node | None, *, force: bool = False) -> None:
        """Digest and evict what is closed with nothing below it that may still be demanded."""
        while node is not None and not node.settled:
            workspace = node.workspace
            outcome = workspace.outcome
            if outcome is None or node.unsettled:
                return
            reachable: set[str] | None = NOTHING
            if type(outcome) is Message and not is_plain(outcome):
                reachable = self._reachable(workspace.path, outcome)
                if reachable is None and not force:
                    return
            node.settled = True
            if not node.digest:
                self._digest(node)
            slot = node.slot
            slot.settled += 1
            if len(slot.fuel) == 1:
                slot.digests = (node.digest,)
            else:
                slot.settle(node.sample, node.digest)
            if node.tainted:
                slot.tainted = True
            if self.collect:
                self.settled.append(node)
            if node.slots and node.fold:
                self._asks_no_more(node.fold)
            if not self.keep and reachable is not None:
                self._evict(node, reachable)
            node = self._after(slot)

    def folds_as(self, node: Node, fold: str) -> None:
        """Note a question as the cycle check compares it."""
        node.fold = fold
        if node.slots:
            self.askers[fold] = self.askers.get(fold, 0) + 1

    def _asks_no_more(self, fold: str) -> None:
        left = self.askers.get(fold, 0) - 1
        if left > 0:
            self.askers[fold] = left
        else:
            self.askers.pop(fold, None)

    def _after(self, slot: Slot) -> Node | None:
        """The asker that may be settled now that one of its subquestions is."""
        asker = slot.asker
        if asker is None or slot.outcome is None or slot.settled < len(slot.results):
            return None
        asker.unsettled -= 1
        if slot.tainted:
            asker.tainted = True
        return asker

    def _reachable(self, path: str, outcome: Message) -> set[str] | None:
        """Addresses below a workspace that its answer leads to; None if one is pending."""
        below = path + "."
        found: set[str] = set()
        todo = list(addresses(outcome))
        while todo:
            address = todo.pop()
            if not address.startswith(below) or address in found:
                continue
            answer = self.slots[address].outcome
            if answer is None:
                return None
            found.add(address)
            if isinstance(answer, Message):
                todo.extend(addresses(answer))
        return found

    def _digest(self, node: Node) -> None:
        question = node.workspace.question
        seen = write(question, "$q")
        if node.slot.asker is None and not is_plain(question):
            seen += content_hash(question, self.hash_of_answer)
        children = [part for slot in node.slots for part in slot.digests or (merkle.UNWORKED,)]
        node.digest = merkle.digest(seen, node.trail, children)

    def _evict(self, node: Node, reachable: set[str]) -> None:
        """Forget what is below a settled workspace, but for what its answer leads to."""
        self.nodes.pop(node.workspace.path, None)
        slots = self.slots
        if node.slots:
            for slot in node.slots:
                if slot.address in reachable:
                    node.kept += (slot.address,)
                else:
                    del slots[slot.address]
            node.slots = ()
        if node.kept:
            for address in node.kept:
                if address not in reachable:
                    slots.pop(address, None)
            asker = node.slot.asker
            if asker is not None:
                asker.kept += tuple(each for each in node.kept if each in reachable)

    def finish(self) -> str:
        """Settle what is left once the session is over; the digest of the whole, `b2:` first.

        A session that reached its cap of workspaces has a digest without its subtrees, since
        what was worked before it did depends on the order (docs/decisions/0013).
        """
        while True:
            left = [node for node in self.nodes.values() if not node.settled]
            left = [node for node in left if node.workspace.closed and not node.unsettled]
            if not left:
                break
            for node in sorted(left, key=lambda each: -len(each.key)):
                self._settle(node, force=True)
        root = self.root
        if self.overrun is not None:
            asked = content_hash(root.question, str)
            return "b2:" + merkle.digest("session over its cap", (asked,), ()).hex()
        votes: tuple[str, ...] = ()
        if len(root.fuel) > 1 and isinstance(root.asked, Opened):
            votes = (merkle.combined(root.asked, root.verdict),)
        return "b2:" + merkle.digest("session", votes, root.digests).hex()

    # -- going on ----------------------------------------------------------------------------

    def resume(self) -> None:
        """Fill the loop's lists from the state, for a session that goes on after a fold."""
        self.awake, self.roused, self.settled = [], [], []
        for node in self.nodes.values():
            node.queued = False
        self.fresh = [node for node in self.nodes.values() if not node.workspace.closed]
        self.undecided = [
            slot
            for slot in self.slots.values()
            if slot.outcome is None and slot.results and slot.arrived == len(slot.results)
        ]

    def reinstate(self, node: Node) -> None:
        """Have a node of the tree before a fold in the place of the one that the fold made.

        Whoever is being asked for a turn holds the node, and the turn is for this tree.
        """
        fresh = self.nodes[node.path]
        fresh.opened = True  # so that nobody opens it again
        node.take_over(fresh)
        self.nodes[node.path] = node
        for slot in node.slots:
            slot.asker = node
        if node.fold:
            self.folds_as(node, node.fold)

    def state(self) -> Iterator[tuple[str, Workspace | Outcome | None]]:
        """Every workspace and every slot's answer, for comparing two trees."""
        for path, node in self.nodes.items():
            yield path, node.workspace
        for address, slot in self.slots.items():
            yield f"${address}", slot.outcome

    def _node(self, path: str) -> Node:
        try:
            return self.nodes[path]
        except KeyError:
            raise EngineBug(f"no open workspace at {path}") from None


def fold(entries: Iterable[Entry], *, keep: bool = True) -> Tree:
    """The tree after these events, in their order; turns that were taken back do not count.

    Args:
        entries: Events of one session from its first on.
        keep: Keep settled workspaces, for looking at them; a session that goes on needs none.

    Raises:
        EngineBug: The events do not belong together.
        IllegalAction: A text names a pointer that was not visible.
    """
    tree = Tree(keep=keep)
    for path, event in standing(entries):
        tree.apply(path, event)
    return tree
