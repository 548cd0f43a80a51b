"""Looks: a state's numbers as the symbols that a student reads.

Each number is told by what is left of it after division by some primes, a fraction by its numerator
times the inverse of its denominator. Sums, products and quotients of numbers are told by those of
their rests, so that what is learnt about some numbers holds for all; nothing here says what numbers
come to together. Size and name of a number are left out: they let a student tell the numbers that
it has seen from others, and it then says "no" to all others (docs/log.md).
"""

from typing import Final

from decomposition.tasks.game24_rows import parts
from decomposition.tasks.table import Array, Namespace

PRIMES: Final = (5, 7, 11, 13)
"""Their product is 5,005: so many numbers look different."""
SYMBOLS: Final = (
    "no",
    "yes",
    "nothing",
    *(f"{rest} mod {prime}" for prime in PRIMES for rest in (*range(prime), "none")),
)
ROLES: Final = (*(f"mod {prime}" for prime in PRIMES), "answer")
FEATURES: Final = len(PRIMES)
"""Symbols of one number."""
_NOTHING: Final = SYMBOLS.index("nothing")


def looks(xp: Namespace, questions: Array) -> Array:
    """(B, N * FEATURES) int64: the symbols of each number, place by place."""
    told = parts(questions)
    first = _NOTHING + 1
    seen: list[Array] = []
    for prime in PRIMES:
        inverses = xp.asarray([pow(rest, prime - 2, prime) for rest in range(prime)])
        under = told.under % prime
        rest = told.over % prime * inverses[under] % prime
        seen.append(first + xp.where(under == 0, prime, rest))
        first += prime + 1
    symbols = xp.where(told.under[:, :, None] > 0, xp.stack(seen, 2), _NOTHING)
    return symbols.reshape(len(questions), -1)
