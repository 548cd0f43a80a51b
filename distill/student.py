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

INITIAL_SILENCE: Final = -4.0
"""Bias of blank and "don't know" before training: an untrained student is wrong, not silent."""


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
    joined: int = 0
    """T: where questions have so few tokens, they are joined into one vector that every answer
    slot begins with, instead of being read as memory. The slots then read facts alone, not each
    other. 0 for memory."""


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
    per_context: int = 0
    """Questions of each context, which follow each other in order; 0 for any other order."""
    encoded: Tensor | None = None
    """(C, N, D): the facts, if the same student has encoded them already."""
    standing: Tensor | None = None
    """(B, T + A) bool: tokens that are no blank, then slots that the answer may fill; nothing
    else is read, so that a longer neighbour in the batch changes no answer. None for all."""


class Told(Struct, frozen=True):
    """Facts as one block reads them."""

    key: Tensor
    """(C, H, N, D / H)."""
    value: Tensor
    """(C, H, N, D / H)."""
    contexts: Tensor
    """(B,) int64."""
    per_context: int
    """As in `Reading`."""


class Attention(nn.Module):
    """Multi-head attention of a stream over facts, a memory and itself."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self, stream: Tensor, memory: Tensor | None, told: Told | None, standing: Tensor | None
    ) -> Tensor:
        """What each place of the stream read.

        Args:
            stream: (B, A, D), normalised.
            memory: (B, M, D), normalised; the stream may be part of it. None for facts alone.
            told: Facts; None for a task without.
            standing: (B, 1, 1, M) bool: what of the memory is read; None for all.
        """
        query = self._parted(self.query(stream))  # (B, H, A, D/H)
        if memory is None:
            read = _read_facts(query, told)  # (B, H, A, D/H)
        else:
            key, value = self.keys_and_values(memory)  # (B, H, M, D/H)
            if told is not None:
                key = torch.cat((told.key[told.contexts], key), 2)  # (B, H, N + M, D/H)
                value = torch.cat((told.value[told.contexts], value), 2)
            read = F.scaled_dot_product_attention(query, key, value, standing)
        return self.out(read.transpose(1, 2).flatten(2))  # (B, A, D)

    def keys_and_values(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of a memory, each (B, H, M, D / H)."""
        key, value = self.key_value(memory).chunk(2, -1)
        return self._parted(key), self._parted(value)

    def _parted(self, vectors: Tensor) -> Tensor:
        batch, length, _ = vectors.shape
        return vectors.view(batch, length, self.heads, -1).transpose(1, 2)


def _read_facts(query: Tensor, told: Told | None) -> Tensor:
    """What queries (B, H, A, D / H) read in the facts of their contexts."""
    if told is None:
        return torch.zeros_like(query)
    if not told.per_context:
        key, value = told.key[told.contexts], told.value[told.contexts]  # (B, H, N, D/H)
        return F.scaled_dot_product_attention(query, key, value)
    batch, heads, slots, _ = query.shape
    groups = query.view(-1, told.per_context, heads, slots, query.shape[-1])  # (C, Q, H, A, D/H)
    asked = groups.transpose(1, 2).flatten(2, 3)  # (C, H, Q * A, D/H)
    read = F.scaled_dot_product_attention(asked, told.key, told.value)
    parted = read.view(-1, heads, told.per_context, slots, query.shape[-1])
    return parted.transpose(1, 2).reshape(batch, heads, slots, -1)  # (B, H, A, D/H)


class Block(nn.Module):
    """Attention, then a map of each place by itself, both with the norm before."""

    def __init__(self, width: int, heads: int, widening: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.map_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, widening * width)
        self.narrow = nn.Linear(widening * width, width)

    def forward(
        self,
        stream: Tensor,
        memory: Tensor | None = None,
        told: Told | None = None,
        standing: Tensor | None = None,
    ) -> Tensor:
        """The stream (B, A, D) after reading a memory (B, M, D) and itself, or facts, or both.

        Without a memory, what is told is all it reads; with neither, it reads itself.
        """
        normed = self.norm(stream)
        seen = normed if told is None else None
        if memory is not None:
            seen = torch.cat((memory, normed), 1)  # (B, M + A, D)
        stream = stream + self.attention(normed, seen, told, standing)
        return stream + self.narrow(F.gelu(self.widen(self.map_norm(stream))))


class Student(nn.Module):
    """Answers questions; equal weights, questions and facts give equal answers."""

    def __init__(self, architecture: Architecture, generator: torch.Generator) -> None:
        super().__init__()
        sizes = self.architecture = architecture
        width = sizes.width
        self.symbol = nn.Embedding(sizes.symbols, width)
        self.role = nn.Embedding(sizes.roles, width)
        self.place = nn.Embedding(sizes.places, width)
        self.joined = nn.Linear(sizes.joined * width, width) if sizes.joined else None
        self.fact = nn.Linear(sizes.fact_symbols * width, width) if sizes.facts else None
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
            self.answer.bias[-2:] = INITIAL_SILENCE
            self._begin_with_look_ups()

    def _begin_with_look_ups(self) -> None:
        """With facts, attention starts as a look-up, and facts start as they are.

        A slot finds the fact that begins with the symbol that its question begins with, and what it
        reads arrives as it was; blocks over facts add nothing yet. Otherwise most seeds never find
        the first composition of two facts.
        """
        width = self.architecture.width
        for joining in (self.joined, self.fact):
            if joining is not None:
                joining.weight[:, :width] = torch.eye(width)
        for block in self.blocks if self.fact is not None else ():
            if isinstance(block, Block):
                attention = block.attention
                attention.key_value.weight[:width] = attention.query.weight
                attention.out.weight.copy_(attention.key_value.weight[width:].T)
        for block in self.fact_blocks:
            if isinstance(block, Block):
                block.attention.out.weight.zero_()
                block.narrow.weight.zero_()

    def forward(self, reading: Reading) -> Tensor:
        """Log probabilities of the answer symbols, (B, A, V) float."""
        stream = self.role(reading.slot_roles) + self.place(reading.slot_places)  # (B or 1, A, D)
        if self.joined is not None:
            memory = None
            tokens = self.symbol(reading.symbols).flatten(1)  # (B, T * D)
            stream = stream + self.joined(tokens)[:, None]  # (B, A, D)
        else:
            memory = self._questions(reading)  # (B, T, D)
            stream = stream.expand(memory.shape[0], -1, -1)  # (B, A, D)
        facts = self.encode(reading.facts) if reading.encoded is None else reading.encoded
        standing = None if reading.standing is None else reading.standing[:, None, None]
        for block in self.blocks:
            told = self._told(block, facts, reading)
            stream = block(stream, memory, told, standing)
        return self._symbols(self.norm(stream), facts, reading)

    def _questions(self, reading: Reading) -> Tensor:
        tokens = self.symbol(reading.symbols) + self.role(reading.roles)  # (B, T, D)
        return self.memory_norm(tokens + self.place(reading.places))

    def encode(self, facts: Tensor) -> Tensor | None:
        """Facts (C, N, K) int64 as all questions about them read them: (C, N, D), or None."""
        if self.fact is None:
            return None
        encoded = self.fact(self.symbol(facts).flatten(2))  # (C, N, D)
        for block in self.fact_blocks:
            encoded = block(encoded)
        return encoded

    def _told(self, block: nn.Module, facts: Tensor | None, reading: Reading) -> Told | None:
        if facts is None or not isinstance(block, Block):
            return None
        key, value = block.attention.keys_and_values(self.memory_norm(facts))  # (C, H, N, D/H)
        return Told(key, value, reading.contexts, reading.per_context)

    def _symbols(self, stream: Tensor, facts: Tensor | None, reading: Reading) -> Tensor:
        """Mass of each symbol: its own, and what points to facts that hold it."""
        own = self.answer(stream)  # (B, A, V)
        if facts is None or self.copy is None:
            return own.log_softmax(-1)
        pointers = self._pointers(self.copy(stream), facts, reading)  # (B, A, N)
        mass = torch.cat((own, pointers), -1).softmax(-1)  # (B, A, V + N)
        own, copied = mass[..., : own.shape[-1]], mass[..., own.shape[-1] :]
        held = reading.facts[reading.contexts, :, self.architecture.copied]  # (B, N)
        held = held[:, None].expand_as(copied)  # (B, A, N)
        return own.scatter_add(-1, held, copied).clamp(min=1e-9).log()

    def _pointers(self, asking: Tensor, facts: Tensor, reading: Reading) -> Tensor:
        """How much each slot (B, A, D) points to each fact (C, N, D): (B, A, N)."""
        asking = asking / math.sqrt(self.architecture.width)
        if not reading.per_context:
            return asking @ facts[reading.contexts].transpose(1, 2)
        batch, slots, width = asking.shape
        groups = asking.view(-1, reading.per_context * slots, width)  # (C, Q * A, D)
        return (groups @ facts.transpose(1, 2)).view(batch, slots, -1)
