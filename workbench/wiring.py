"""Wiring: names to objects. Joins tasks, answerers, policies and caps into a setting."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256 as hashed
from pathlib import Path
from typing import Final

from msgspec import Struct

from decomposition.answerers.base import Answerer
from decomposition.caps import Caps
from decomposition.comparison import COMPARISONS
from decomposition.consensus import comparable
from decomposition.document import MAX_DOCUMENT_BYTES, read_document, sections
from decomposition.errors import BadTask
from decomposition.hypertext import escape, parse
from decomposition.message import Message, Pointer
from decomposition.pieces import cut_title
from decomposition.room import piece_room, room_for
from decomposition.routing import Policy
from decomposition.setting import Environs, Setting
from decomposition.tasks import recognising, task_named
from decomposition.tasks.base import AnyTask
from workbench.exits import Complaint, Exit, stop
from workbench.files import read_capped
from workbench.options import Accepted, Options, check
from workbench.specs import NOTHING_RECORDED, Cast, absolute, cast, chats_in, trained

DEFAULT_FUEL: Final = 1_000
"""Fuel of a question that no task knows."""
FUEL_A_PIECE: Final = 16
"""Fuel for each piece of a document under a cap on views."""


class Nobody(Complaint):
    """No task knows a question, and nobody else was named to answer it."""


class Posed(Struct, frozen=True):
    """A question ready to be deliberated."""

    message: Message
    fuel: int
    task: str
    """Name of its task, empty for none."""
    sha256: str = ""
    """Of its document, empty for none."""


def setting_of(
    options: Options,
    task: AnyTask | None,
    own: Answerer | None = None,
    recorded: Mapping[str, Answerer] = NOTHING_RECORDED,
) -> tuple[Setting, Cast]:
    """The setting of a run, and how its roots are sampled.

    Args:
        options: Checked here.
        task: Whose expert and primitives act; None for a question that no task knows.
        own: The overseer in place of the one that the options name.
        recorded: Recorded answers by the specs that name them (`recorded_answers`).

    Raises:
        Complaint: The options do not fit together.
    """
    check(options)
    student, bound = _student_of(options, task)
    chosen = Cast((own,)) if own is not None else _overseer_of(options, task, recorded)
    environment = task.primitives() if task is not None else None
    setting = Setting(
        policy=Policy(options.policy, bound),  # type: ignore[arg-type]
        overseer=chosen.members,
        student=student,
        environs=_environs(task, environment) if task is not None and environment else None,
        caps=Caps(depth=options.depth, workspaces=options.workspaces, view_bytes=options.max_view),
        seed=options.seed,
        normalise=task.normalise if task is not None else comparison_of(options),
        memo=options.reuse == "memo",
        memo_choice=options.memo_choice,  # type: ignore[arg-type]
        audit=options.audit,
        joins={"joins": "session", "joins-shared": "shared"}.get(options.reuse, "none"),  # type: ignore[arg-type]
        node_samples=options.node_samples,
        node_rule=options.rule,
        share=options.share,  # type: ignore[arg-type]
        timeout_s=options.timeout_s,
        symbolise=task.symbols if task is not None else None,
    )
    samples = options.samples if options.samples > 1 else chosen.samples
    rule = chosen.rule if len(chosen.members) > 1 else options.rule
    return setting, Cast(chosen.members, samples, rule)


def _overseer_of(options: Options, task: AnyTask | None, recorded: Mapping[str, Answerer]) -> Cast:
    """Who oversees; what is capped in money has a price."""
    known = {**chats_of(options), **recorded}
    chosen = cast(options.by, _expert_of(task), options.seed, known)
    _check_prices(options, chosen.members)
    return chosen


def chats_of(options: Options) -> dict[str, Answerer]:
    """The chat models that options name, by their specs; only here is LangChain loaded.

    Raises:
        Complaint: One cannot be asked.
    """
    specs = chats_in(options.by)
    if not specs:
        return {}
    from workbench.chat import chat_answerer

    return {spec: chat_answerer(spec, options.configured) for spec in specs}


def _check_prices(options: Options, acting: Sequence[Answerer]) -> None:
    """Nothing, if what is capped in money has a price.

    Raises:
        Complaint: Something has none.
    """
    if options.max_usd is not None or options.per_question.usd is not None:
        from workbench.chat import require_prices

        of = options.prices or options.config or "no configuration (--config, --prices)"
        require_prices([options.limits, options.per_question], acting, of)


def comparison_of(options: Options) -> Callable[[str], str]:
    """The form in which answers are compared where no task says otherwise."""
    return COMPARISONS[options.compare] if options.compare else comparable


def identities(setting: Setting) -> list[str]:
    """Who acts in a setting; the identity of a user's own file holds a hash of it."""
    acting = [*setting.overseer, *([setting.environs.answerer] if setting.environs else [])]
    acting += [] if setting.student is None else [setting.student]
    return [answerer.identity for answerer in acting]


def accepted(
    options: Options, settings: dict[str, tuple[Setting, Cast]], out: Path | None = None
) -> Accepted:
    """What is kept of options, so that work goes on with the same answerers in any folder."""
    given = {name: getattr(options, name) for name in Options.__struct_fields__}
    given["by"] = absolute(options.by)
    given["student"] = str(Path(options.student).absolute()) if options.student else ""
    who = {task: identities(setting) for task, (setting, _) in settings.items()}
    return Accepted(**given, answerers=who, out="" if out is None else str(out.absolute()))


def setting_as_accepted(
    kept: Accepted, task: str, recorded: Mapping[str, Answerer] = NOTHING_RECORDED
) -> tuple[Setting, Cast]:
    """The setting in which accepted work goes on.

    Args:
        kept: As the work was accepted.
        task: By its name, empty for none.
        recorded: As in `setting_of`.

    Raises:
        Complaint: Whoever answers is no longer who it was.
    """
    found = setting_of(kept, named(task) if task else None, recorded=recorded)
    before, now = kept.answerers.get(task), identities(found[0])
    if before is not None and before != now:
        changed = [
            f"{old} is now {new}" for old, new in zip(before, now, strict=False) if old != new
        ]
        stop(
            f"--by {kept.by}: who answers has changed since this was accepted\n"
            + "\n".join(changed[:4] or ["another number of answerers"])
            + "\nput it back as it was, or begin anew",
            Exit.BAD_DATA,
        )
    return found


def named(task: str) -> AnyTask:
    """The task of this name.

    Raises:
        Complaint: There is none.
    """
    try:
        return task_named(task)
    except BadTask as error:
        stop(str(error))


def pose(question: str, options: Options, context: Path | None = None, sha256: str = "") -> Posed:
    """The root of a question, with its task's facts or a document behind a pointer.

    Args:
        question: As it was asked.
        options: Name the task and the fuel.
        context: The document.
        sha256: What its hash must be; empty for any.

    Raises:
        Complaint: The question is blank, the document cannot be read or is another one.
        BadTask: The question or its context does not hold together.
    """
    if not question.strip():
        stop("the question is empty")
    task = task_of(question, options)
    if context is not None:
        raw = document(context, sha256)
        asked_of_it = _with_document(question, raw, context.name, options.max_view)
        message = _in_sight(asked_of_it, options.max_view)
        fuel = options.fuel or _document_fuel(message, options.max_view)
        return Posed(message, fuel, "", hashed(raw).hexdigest())
    found = task.parse_root(question) if task is not None else None
    if task is None or found is None:
        message = _in_sight(Message.of(question), options.max_view)
        return Posed(message, options.fuel or DEFAULT_FUEL, "")
    asked, facts = found
    # What a cascade's student does not answer costs a step before the overseer takes it over.
    steps = 2 if options.policy == "cascade" else 1
    fuel = options.fuel or steps * task.fuel(asked, options.node_samples)
    return Posed(_in_sight(task.root(asked, facts), options.max_view), fuel, task.name)


def task_of(question: str, options: Options) -> AnyTask | None:
    """The task of a question: the one that was named, else the one that recognises it."""
    if options.task:
        task = named(options.task)
        if task.parse_root(question) is None:
            stop(
                f"this is not a question of the task {task.name}: {question[:80]!r}", Exit.BAD_DATA
            )
        return task
    return recognising(question)


def document(path: Path, sha256: str = "") -> bytes:
    """The bytes of a document.

    Raises:
        Complaint: It cannot be read, is too long, or is not the one with this hash.
    """
    raw = read_capped(path, MAX_DOCUMENT_BYTES, "the context")
    if sha256 and hashed(raw).hexdigest() != sha256:
        stop(
            f"the context {path} has changed since this was accepted\n"
            "put it back as it was, or begin anew",
            Exit.BAD_DATA,
        )
    return raw


def _document_fuel(message: Message, max_view: int | None) -> int:
    """Steps with which all of a document can be read: more where it is in many pieces."""
    return DEFAULT_FUEL if max_view is None else max(DEFAULT_FUEL, FUEL_A_PIECE * sections(message))


def _in_sight(message: Message, max_view: int | None) -> Message:
    """A root question of which a view has room for all that is not behind pointers.

    Raises:
        Complaint: It has not.
    """
    if max_view is not None and (needed := room_for(message)) > max_view:
        stop(
            f"the question needs a view of {needed} bytes, more than --max-view {max_view}\n"
            f"give --max-view {needed} or more, or put what it is about into a --context"
        )
    return message


def _with_document(question: str, raw: bytes, name: str, max_view: int | None) -> Message:
    nothing = parse(escape(question), lambda _: Pointer())
    if max_view is None:
        pointer = Pointer(message=read_document(raw, name), title=name)
    else:
        pieces = read_document(raw, name, piece_room(max_view))
        pointer = Pointer(message=pieces, title=cut_title(name))
    return Message((*nothing.parts, "\n\nContext: ", pointer))


def _environs(task: AnyTask, environment: Answerer) -> Environs:
    covers: Callable[[str], bool] = getattr(environment, "covers", lambda _: False)
    return Environs(environment, covers, lambda _: task.name)


def _student_of(options: Options, task: AnyTask | None) -> tuple[Answerer | None, float]:
    """The student of a policy that has one, and the confidence from which a cascade takes it."""
    if not options.student:
        return None, Policy("direct").bound
    student = trained(options.student, None if task is None else task.name)
    return student.answerer, student.bound


def _expert_of(task: AnyTask | None) -> Callable[[], Answerer]:
    def expert() -> Answerer:
        if task is None:
            raise Nobody(
                "no task knows this question, so there is no scripted expert for it\n"
                "give your own with --by FILE.py:NAME, or see `workbench tasks`"
            )
        return task.overseer()

    return expert
