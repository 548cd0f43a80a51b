"""The student X: a small transformer that answers many questions about shared facts at once.

Facts are encoded once and read by all questions about them. A question's tokens are memory, too;
what is worked on are the answer slots, all in parallel. An answer symbol is taken from the
vocabulary or copied from a fact, and "don't know" is one of the symbols.
"""

import math
from typing import Final

import torch
from msgspec import Struct
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that everybody reads

INITIAL_DONT_KNOW: Final = -4.0
"""Bias of "don't know" before training: an untrained student is wrong, not silent."""


class Architecture(Struct, frozen=True):
    """The sizes of a student; with the weights they are the whole of it."""

    symbols: int
    """V: the task's symbols, then blank, then "don't know"."""
    roles: int
    places: int
    """Places of the task and the spare ones over which an offset may move them."""
    facts: int = 0
    """N: facts in a context; 0 for a task without."""
    fact_symbols: int = 0
    """K: symbols in a fact."""
    copied: int = 0
    """Which symbol of a fact is copied."""
    width: int = 64
    """D: numbers in a vector."""
    heads: int = 4
    blocks: int = 3
    fact_blocks: int = 0
    widening: int = 2
    """The inner width of a block over D."""


class Reading(Struct, frozen=True):
    """Questions as a student takes them."""

    symbols: Tensor
    """(B, T) int64, in the student's vocabulary."""
    roles: Tensor
    """(T,) int64."""
    places: Tensor
    """(B, T) or (1, T) int64."""
    slot_roles: Tensor
    """(A,) int64."""
    slot_places: Tensor
    """(B, A) or (1, A) int64."""
    facts: Tensor
    """(C, N, K) int64; N = 0 for a task without."""
    contexts: Tensor
    """(B,) int64: which of the C contexts a question is about."""
    standing: Tensor | None = None
    """(B, T + A) bool: tokens that are no blank, then slots that the answer may fill; nothing
    else is read, so that a longer neighbour in the batch changes no answer. None for all."""


class Attention(nn.Module):
    """Multi-head attention of a stream over a memory and itself."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self,
        stream: Tensor,
        memory: Tensor,
        facts: tuple[Tensor, Tensor] | None,
        standing: Tensor | None,
    ) -> Tensor:
        """What each place of the stream read.

        Args:
            stream: (B, A, D), normalised.
            memory: (B, M, D), normalised; the stream may be part of it.
            facts: Keys and values of facts, each (B, H, N, D / H).
            standing: (B, 1, 1, M) bool: what of the memory is read; None for all.
        """
        query = self._parted(self.query(stream))  # (B, H, A, D/H)
        key, value = self.keys_and_values(memory)  # (B, H, M, D/H)
        if facts is not None:
            key = torch.cat((facts[0], key), 2)  # (B, H, N + M, D/H)
            value = torch.cat((facts[1], value), 2)
        read = F.scaled_dot_product_attention(query, key, value, standing)
        return self.out(read.transpose(1, 2).flatten(2))  # (B, A, D)

    def keys_and_values(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of a memory, each (B, H, M, D / H)."""
        key, value = self.key_value(memory).chunk(2, -1)
        return self._parted(key), self._parted(value)

    def _parted(self, vectors: Tensor) -> Tensor:
        batch, length, _ = vectors.shape
        return vectors.view(batch, length, self.heads, -1).transpose(1, 2)


class Block(nn.Module):
    """Attention, then a map of each place by itself, both with the norm before."""

    def __init__(self, width: int, heads: int, widening: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.map_norm = nn.LayerNorm(width)
        self.map = nn.Sequential(
            nn.Linear(width, widening * width), nn.GELU(), nn.Linear(widening * width, width)
        )

    def forward(
        self,
        stream: Tensor,
        memory: Tensor | None = None,
        facts: tuple[Tensor, Tensor] | None = None,
        standing: Tensor | None = None,
    ) -> Tensor:
        """The stream (B, A, D) after reading itself, a memory (B, M, D) and facts."""
        normed = self.norm(stream)
        seen = normed if memory is None else torch.cat((memory, normed), 1)  # (B, M + A, D)
        stream = stream + self.attention(normed, seen, facts, standing)
        return stream + self.map(self.map_norm(stream))


class Student(nn.Module):
    """Answers questions; equal weights, questions and facts give equal answers."""

    def __init__(self, architecture: Architecture, generator: torch.Generator) -> None:
        super().__init__()
        sizes = self.architecture = architecture
        width = sizes.width
        self.symbol = nn.Embedding(sizes.symbols, width)
        self.role = nn.Embedding(sizes.roles, width)
        self.place = nn.Embedding(sizes.places, width)
        self.fact_symbol = nn.Embedding(max(1, sizes.fact_symbols) * sizes.symbols, width)
        self.fact_blocks = nn.ModuleList(
            Block(width, sizes.heads, sizes.widening) for _ in range(sizes.fact_blocks)
        )
        self.memory_norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            Block(width, sizes.heads, sizes.widening) for _ in range(sizes.blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.answer = nn.Linear(width, sizes.symbols)
        self.copy = nn.Linear(width, width) if sizes.facts else None
        self._start(generator)

    def _start(self, generator: torch.Generator) -> None:
        """Initial weights, drawn from a generator of their own."""
        with torch.no_grad():
            for name, weight in self.named_parameters():
                if weight.dim() == 1:
                    weight.fill_(1.0 if name.endswith("norm.weight") else 0.0)
                else:
                    spread = weight.shape[1] ** -0.5
                    weight.normal_(0.0, spread, generator=generator)
            self.answer.bias[-1] = INITIAL_DONT_KNOW

    def forward(self, reading: Reading) -> Tensor:
        """Log probabilities of the answer symbols, (B, A, V) float."""
        memory = self._questions(reading)  # (B, T, D)
        stream = self.role(reading.slot_roles) + self.place(reading.slot_places)  # (B or 1, A, D)
        stream = stream.expand(memory.shape[0], -1, -1)  # (B, A, D)
        facts = self._facts(reading)  # (C, N, D)
        standing = None if reading.standing is None else reading.standing[:, None, None]
        for block in self.blocks:
            told = self._told(block, facts, reading.contexts)
            stream = block(stream, memory, told, standing)
        return self._symbols(self.norm(stream), facts, reading)

    def _questions(self, reading: Reading) -> Tensor:
        tokens = self.symbol(reading.symbols) + self.role(reading.roles)  # (B, T, D)
        return self.memory_norm(tokens + self.place(reading.places))

    def _facts(self, reading: Reading) -> Tensor | None:
        """The encoded facts, (C, N, D)."""
        if not self.architecture.facts:
            return None
        kinds = torch.arange(self.architecture.fact_symbols) * self.architecture.symbols
        facts = self.fact_symbol(reading.facts + kinds).sum(2)  # (C, N, D)
        for block in self.fact_blocks:
            facts = block(facts)
        return facts

    def _told(
        self, block: nn.Module, facts: Tensor | None, contexts: Tensor
    ) -> tuple[Tensor, Tensor] | None:
        if facts is None or not isinstance(block, Block):
            return None
        key, value = block.attention.keys_and_values(self.memory_norm(facts))  # (C, H, N, D/H)
        return key[contexts], value[contexts]  # (B, H, N, D/H)

    def _symbols(self, stream: Tensor, facts: Tensor | None, reading: Reading) -> Tensor:
        """Mass of each symbol: its own, and what points to facts that hold it."""
        own = self.answer(stream)  # (B, A, V)
        if facts is None or self.copy is None:
            return own.log_softmax(-1)
        pointers = torch.einsum("bad,bnd->ban", self.copy(stream), facts[reading.contexts])
        pointers = pointers / math.sqrt(self.architecture.width)
        mass = torch.cat((own, pointers), -1).softmax(-1)  # (B, A, V + N)
        own, copied = mass[..., : own.shape[-1]], mass[..., own.shape[-1] :]
        held = reading.facts[reading.contexts, :, self.architecture.copied]  # (B, N)
        held = held[:, None].expand_as(copied)  # (B, A, N)
        return own.scatter_add(-1, held, copied).clamp(min=1e-9).log()
