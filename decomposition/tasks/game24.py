"""Game of 24: reach 24 from up to four numbers with + - * /, each number used once.

The overseer combines two numbers and asks the smaller state, one candidate after another in a
fixed order, to the first that can be solved. Over the 1,362 solvable hands of 1 to 13 that is 717
workspaces a hand, 233 with joins inside a hand and 32 with joins over all, leaves included.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from math import comb
from typing import Final, cast

from decomposition.answerers.expert import Decomposition
from decomposition.errors import BadTask
from decomposition.tasks.base import FACTS_NAME, Facts, chance, fuel_in_turn, only, spelled
from decomposition.tasks.game24_closure import held_out
from decomposition.tasks.game24_draws import drawn
from decomposition.tasks.game24_expressions import (
    IMPOSSIBLE,
    NO,
    YES,
    evaluate,
    makes_24,
    normalised,
    spelled_out,
)
from decomposition.tasks.game24_looks import FEATURES, ROLES, SYMBOLS, looks
from decomposition.tasks.game24_rows import (
    MOST_MADE,
    candidate,
    candidate_counts,
    counted,
    numbers_of,
    row_of,
)
from decomposition.tasks.game24_solutions import solution, solvable
from decomposition.tasks.game24_states import (
    LONGEST,
    MOST_NUMBERS,
    TARGET,
    State,
    ascending,
    candidates,
    checked,
    checked_words,
    hands,
    recognised,
    written,
)
from decomposition.tasks.table import (
    DONT_KNOW,
    Array,
    Namespace,
    TableForm,
    TableStep,
    TableTask,
    TokenRows,
)

__all__ = ["IMPOSSIBLE", "Game24", "State", "candidates", "evaluate", "hands", "solvable"]

ALPHABET: Final = "0123456789/- ?"
_VERDICTS: Final = {NO: 0, YES: 1}


class Game24(TableTask[State]):
    """Questions "make 24 from 4 5 6 10"; the answer is an expression or "impossible".

    A student of this task is a judge: it learns the questions "can 24 be made from 4 5 6 10?",
    whose answer is "yes" or "no". For a state that is to be solved its "no" is "impossible", and
    its "yes" leaves the state to the overseer, since a judge cannot spell out an expression.
    """

    name = "game24"
    summary = "make 24 from four numbers, by combining two of them at a time"
    sizes = (1, MOST_NUMBERS)
    table_sizes = (2, MOST_NUMBERS)
    classes_differ = True

    # -- making ------------------------------------------------------------------------------

    def questions(self, facts: Facts, count: int, seed: int) -> Iterator[State]:
        """Hands of as many cards as the size says, solvable or not."""
        every = list(hands(facts.size))
        drawn = chance(self.name, facts.size, facts.seed, seed).sample(
            every, min(count, len(every))
        )
        return (ascending(hand) for hand in drawn)

    # -- text --------------------------------------------------------------------------------

    def render(self, question: State, facts_name: str = FACTS_NAME) -> str:
        """Such as "make 24 from -2 8/3 6", or "can 24 be made from -2 8/3 6?"."""
        del facts_name
        return written(question)

    def recognise(self, written: str) -> State | None:
        """The state; numbers may stand in any order, with commas between them."""
        return recognised(written) if len(written) <= LONGEST else None

    def parse_root(self, text: str) -> tuple[State, Facts] | None:
        """Such as "Make 24 with 4, 5, 6, 10".

        Raises:
            BadTask: There are too many numbers, or something is no number.
        """
        state = checked(text)
        return None if state is None else (state, Facts(0, len(state.numbers)))

    def of_fields(self, record: Mapping[str, object]) -> str | None:
        """The question of a puzzle's `numbers`, a list or a text.

        Raises:
            BadTask: They are not 1 to 4 numbers.
        """
        if "numbers" not in record:
            return None
        numbers = record["numbers"]
        if isinstance(numbers, str):
            return self.render(checked_words(numbers.replace(",", " ").split()))
        if not isinstance(numbers, list | tuple):
            raise BadTask("`numbers` is a list of numbers")
        return self.render(checked_words(list(map(str, cast("Sequence[object]", numbers)))))

    def normalise(self, answer: str) -> str:
        """The expression with one space between its pieces, or "impossible", "yes", "no".

        "Answer:" before it and "= 24" behind it are left out.
        """
        return normalised(answer)

    # -- deliberation ------------------------------------------------------------------------

    def is_primitive(self, question: State) -> bool:
        """Whether one number is left."""
        return len(question.numbers) == 1

    def environment(self, question: State, contents: Mapping[str, str], facts: Facts) -> str:
        """The number, if it is 24; of a judged state, whether it is."""
        del contents, facts
        found = question.numbers == (TARGET,)
        if question.judged:
            return YES if found else NO
        return str(TARGET) if found else IMPOSSIBLE

    def decompose(self, question: State, written: str) -> Decomposition:
        """One smaller state after another, to the first that is solved.

        Its solution's number is spelled out as what it was made from. A solution that does not
        use the combined number cannot be spelled out: it is passed over.
        """
        del written
        if self.is_primitive(question):
            raise BadTask("whether one number is 24 is for the environment")
        return _judging(question) if question.judged else _solving(question)

    def fuel(self, question: State, samples: int = 1) -> int:
        """What it takes to ask every candidate: 1, 19, 379 or 13,717 with one sample."""
        return _fuel(len(question.numbers), samples)

    # -- symbols -----------------------------------------------------------------------------

    def tokens(self, question: State, contents: Mapping[str, str]) -> tuple[int, ...] | None:
        """The numbers with spaces between them, as places in `ALPHABET`; "?" asks for a verdict."""
        del contents
        numbers = " ".join(map(str, question.numbers))
        return spelled(f"{numbers}?" if question.judged else numbers, ALPHABET)

    # -- evaluation only ---------------------------------------------------------------------

    def truth(self, question: State, facts: Facts) -> str:
        """One expression of those that are right, or "impossible"; "yes" or "no" where judged."""
        del facts
        found = solution(question.numbers)
        if question.judged:
            return NO if found is None else YES
        return found or IMPOSSIBLE

    def correct(self, question: State, facts: Facts, answer: str) -> bool:
        """Whether the expression comes to 24 and uses every number once, in exact arithmetic."""
        if question.judged or self.normalise(answer) == IMPOSSIBLE:
            return self.normalise(answer) == self.truth(question, facts)
        return makes_24(answer, question.numbers)

    def broken_invariants(self, question: State, facts: Facts, answer: str) -> tuple[str, ...]:
        """An answer that is not "impossible" proves itself."""
        del facts
        told = self.normalise(answer)
        if question.judged:
            return () if told in {YES, NO} else ("it is yes or no",)
        if told == IMPOSSIBLE or makes_24(answer, question.numbers):
            return ()
        return ("it makes 24 and uses every number once",)

    def difficulty(self, question: State, size: int) -> int:
        """How many numbers are left."""
        del size
        return len(question.numbers)

    def depth_class(self, question: State, facts: Facts) -> str:
        """How many numbers are left, and whether they can be solved."""
        del facts
        solved = solution(question.numbers) is not None
        if question.judged:
            return f"{len(question.numbers)} {YES if solved else NO}"
        return f"{len(question.numbers)} {'solvable' if solved else IMPOSSIBLE}"

    def trivial(self, question: State, facts: Facts) -> str:
        """Always "impossible": right for 458 of the 1,820 hands, for no solvable one."""
        del facts
        return NO if question.judged else IMPOSSIBLE

    # -- tables ------------------------------------------------------------------------------

    def table_form(self, size: int) -> TableForm:
        """A row has room for four numbers; the size is how many a state to be judged may have."""
        most = self.checked_size(size)
        return TableForm(
            fields=2 * MOST_NUMBERS,
            levels=(1, most),
            subquestions=MOST_MADE * comb(most, 2),
            symbols=SYMBOLS,
            tokens=MOST_NUMBERS * FEATURES,
            roles=ROLES,
            places=MOST_NUMBERS,
            answers=len(_VERDICTS),
        )

    def table_row(self, question: State, contents: Mapping[str, str]) -> tuple[int, ...] | None:
        """Numerators and denominators, for a state to be judged or solved."""
        del contents
        return row_of(question.numbers, MOST_NUMBERS)

    def table_question(self, row: Sequence[int]) -> State:
        """The state of a row, to be judged."""
        return State(numbers_of(row), judged=True)

    def table_answer(self, answer: str) -> int:
        """1 for "yes", 0 for "no"."""
        return _VERDICTS.get(self.normalise(answer), DONT_KNOW)

    def table_written(self, answer: int) -> str:
        """The verdict in a word."""
        return YES if answer == 1 else NO

    def table_reply(self, question: State, answer: int) -> str | None:
        """The verdict; for a state to be solved "no" is "impossible", and "yes" says nothing."""
        if question.judged:
            return self.table_written(answer)
        return None if answer == 1 else IMPOSSIBLE

    def table_draw(self, xp: Namespace, draws: Array, levels: Array, size: int) -> Array:
        """States that come up under a dealt hand, and some to which 24 was taken apart."""
        del size
        return drawn(xp, draws, levels)

    def table_held_out(self, xp: Namespace, questions: Array) -> Array:
        """Those of two numbers and more that come up under a hand that is held out."""
        return held_out(xp, questions)

    def table_levels(self, xp: Namespace, questions: Array) -> Array:
        """How many numbers are left."""
        del xp
        return counted(questions)

    def table_primitive(self, xp: Namespace, questions: Array) -> Array:
        """Whether one number is left."""
        del xp
        return counted(questions) == 1

    def table_environment(
        self, xp: Namespace, questions: Array, facts: Array, contexts: Array
    ) -> Array:
        """Whether the number is 24."""
        del facts, contexts
        return xp.where((questions[:, 0] == int(TARGET)) & (questions[:, 1] == 1), 1, 0)

    def table_step(self, xp: Namespace, questions: Array, answers: Array) -> TableStep:
        """One candidate after another; "yes" at the first yes, "no" after the last no."""
        told = answers.shape[1]
        said = answers[:, told - 1] if told else questions[:, 0] * 0
        which = questions[:, 0] * 0 + told
        asks = (said == 0) & (which < candidate_counts(xp, questions))
        asked = candidate(xp, questions, which)
        return TableStep(
            asks=asks,
            question=asked,
            primitive=self.table_primitive(xp, asked),
            replies=((said == 0) & ~asks) | (said == 1),
            reply=said,
        )

    def table_tokens(self, xp: Namespace, questions: Array, level: int) -> TokenRows:
        """What each number looks like: `FEATURES` symbols for each place."""
        del level
        room = questions.shape[1] // 2
        return TokenRows(
            symbols=looks(xp, questions),
            roles=tuple(range(FEATURES)) * room,
            places=tuple(place for place in range(room) for _ in range(FEATURES)),
            slot_roles=(FEATURES,),
            slot_places=(0,),
        )

    def table_spans(self, xp: Namespace, questions: Array) -> Array:
        """All places."""
        del xp
        return questions[:, 0] * 0 + MOST_NUMBERS

    def table_spelled(self, xp: Namespace, answers: Array, level: int) -> Array:
        """The verdict alone."""
        del xp, level
        return answers[:, None]

    def table_read(self, xp: Namespace, symbols: Array) -> Array:
        """The verdict alone; other symbols are none."""
        return xp.where(symbols[:, 0] <= 1, symbols[:, 0], DONT_KNOW)

    def table_truth(self, xp: Namespace, questions: Array, facts: Array, contexts: Array) -> Array:
        """Whether each state can be solved."""
        del facts, contexts
        rows: list[list[int]] = questions.tolist()
        return xp.asarray([int(solvable(numbers_of(row))) for row in rows])


def _judging(question: State) -> Decomposition:
    """A "yes" at the first candidate that can be solved; nothing where a verdict is none."""
    for each in candidates(question):
        verdict = normalised(only((yield each.question)))
        if verdict != NO:
            return YES if verdict == YES else None
    return NO


def _solving(question: State) -> Decomposition:
    """The solution of the first candidate that has one, spelled out."""
    for each in candidates(question):
        found = spelled_out(only((yield each.question)), each)
        if found is not None:
            return found
    return IMPOSSIBLE


@lru_cache(maxsize=256)
def _fuel(numbers: int, samples: int) -> int:
    if numbers == 1:
        return 1
    return fuel_in_turn([_fuel(numbers - 1, samples)] * (6 * comb(numbers, 2)), samples)
