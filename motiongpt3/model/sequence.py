"""Questions and answers, in which text and motion take turns, as batches of tokens.

A sequence is a question, a separator (`model.conventions`), an answer and `<eos>`; a motion in it
is `<som>`, K slots, `<eom>`. Text and control tokens are encoded apart and joined as ids, so that
no text can become a control token.

Shapes: B sequences, T tokens, r of the sequences.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, TypeGuard

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from motiongpt3.data.tasks import Field
from motiongpt3.model.conventions import OURS, Conventions
from motiongpt3.model.gpt import MOTION, TEXT
from motiongpt3.model.tokenizer import Tokenizer

IGNORE = -100
Parts = Sequence[str | Field]
"""Text, and the places of motions."""


@dataclass(frozen=True)
class Turn:
    """A question and its answer, or a question alone, or one that a motion is to answer."""

    question: Parts
    answer: Parts | Literal["text", "motion"]
    """"text": the model is to answer; "motion": it has begun to, with `<som>`."""
    frames: Mapping[Field, int] = field(default_factory=dict)
    """Length of each motion, where the number of its slots depends on it."""

    def lasting(self, frames: Sequence[int]) -> "Turn":
        """The same turn, the motions in its question lasting so many frames, in their order."""
        fields = [part for part in self.question if _is_told(part)]
        return replace(self, frames=dict(zip(fields, frames, strict=True)))


Learned = Literal["answer", "all", "nothing"]
"""Which text of a turn is predicted."""
Encode = Callable[[int, str], list[int]]
"""Ids of a text that stands in the turn of this number."""
Slots = Callable[[int, bool], int]
"""Slots of a motion of so many frames, which is told to the model (False) or asked of it (True)."""


@dataclass(frozen=True)
class Tokens:
    """A batch of sequences, padded on the right."""

    ids: Int[Tensor, "B T"]
    """Text ids; 0 at slots and padding, where they are not read."""
    targets: Int[Tensor, "B T"]
    """The id to predict at each place, IGNORE where nothing is learned."""
    told: Bool[Tensor, "B T"]
    """Slots of motions the model is given."""
    masked: Bool[Tensor, "B T"]
    """Slots that show where a motion is missing."""
    asked: Bool[Tensor, "B T"]
    """Slots of motions it is to make."""
    valid: Bool[Tensor, "B T"]
    told_fields: tuple[tuple[int, Field], ...]
    """Row and name of each given motion, in the order their slots appear."""
    asked_fields: tuple[tuple[int, Field], ...]

    @property
    def modality(self) -> Int[Tensor, "B T"]:
        """Which branch each token belongs to."""
        return torch.where(self.told | self.asked | self.masked, MOTION, TEXT)

    def to(self, device: torch.device) -> "Tokens":
        """The same tokens on a device."""
        return self._with(lambda x: x.to(device))

    @property
    def needed(self) -> Bool[Tensor, "B T"]:
        """Tokens that a loss hangs on: in each sequence, all up to the last that is learned."""
        learned = self.asked | (self.targets != IGNORE)
        return learned.flip(1).cumsum(1).flip(1) > 0

    def take(self, rows: Int[Tensor, " r"]) -> "Tokens":
        """These sequences, padded no further than they need, to at least one place."""
        width = max([1, *self.valid[rows].sum(1).tolist()])
        number = {row: n for n, row in enumerate(rows.tolist())}
        told, asked = (
            tuple((number[row], field) for row, field in fields if row in number)
            for fields in (self.told_fields, self.asked_fields)
        )
        taken = self._with(lambda x: x[rows, :width])
        return replace(taken, told_fields=told, asked_fields=asked)

    def _with(self, change: Callable[[Tensor], Tensor]) -> "Tokens":
        """The same, with a change to all that is kept of each place."""
        tensors = {name: x for name, x in vars(self).items() if isinstance(x, Tensor)}
        changed: dict[str, Any] = {name: change(x) for name, x in tensors.items()}
        return replace(self, **changed)

    def split(self, at: Int[Tensor, "B"]) -> tuple["Tokens", "Tokens"]:
        """The first `at` tokens of each sequence, which hold no motion, and those that follow.

        Both are padded on the right to at least one place, whatever the batch holds.
        """
        first = self._window(torch.zeros_like(at), at)
        rest = self._window(at, self.valid.sum(1) - at)
        return replace(first, told_fields=(), asked_fields=()), rest

    def _window(self, start: Int[Tensor, "B"], number: Int[Tensor, "B"]) -> "Tokens":
        """So many tokens of each sequence, from its place `start` on."""
        offsets = torch.arange(max(1, int(number.max())), device=self.ids.device)
        inside = offsets < number[:, None]
        places = (start[:, None] + offsets).clamp(max=self.ids.shape[1] - 1)

        def cut(x: Tensor, fill: int | bool) -> Tensor:
            return x.gather(1, places).masked_fill(~inside, fill)

        return replace(
            self,
            ids=cut(self.ids, 0),
            targets=cut(self.targets, IGNORE),
            told=cut(self.told, False),
            masked=cut(self.masked, False),
            asked=cut(self.asked, False),
            valid=cut(self.valid, False),
        )


class _Row:
    """One sequence under construction."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.learned: list[bool] = []
        self.told: list[bool] = []
        self.asked: list[bool] = []
        self.masked: list[bool] = []

    def text(self, ids: Sequence[int], learned: bool) -> None:
        self._add(ids, learned, None)

    def slots(self, number: int, kind: list[bool]) -> None:
        """`kind` is one of the row's own lists: told, asked or masked."""
        self._add([0] * number, False, kind)

    def _add(self, ids: Sequence[int], learned: bool, kind: list[bool] | None) -> None:
        self.ids += ids
        self.learned += [learned] * len(ids)
        for own in (self.told, self.asked, self.masked):
            own += [own is kind] * len(ids)


class Packer:
    """Turns into tokens on a device, for one tokenizer and one way to give motions slots."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        slots: Slots,
        device: torch.device | None = None,
        conventions: Conventions = OURS,
    ):
        self.tokenizer, self.slots, self.device = tokenizer, slots, device
        self.conventions = conventions
        self.before_text = tokenizer.encode(conventions.before_text)
        self.before_motion = tokenizer.encode(conventions.before_motion)

    def pack(
        self,
        turns: Sequence[Turn],
        learn: Learned = "answer",
        encode: Encode | None = None,
    ) -> Tokens:
        """Tokens of several turns.

        Args:
            learn: which text is predicted: answers, questions too, or none.
            encode: another way from the text of a turn, given its number, to ids.
        """
        rows: list[_Row] = []
        told: list[tuple[int, Field]] = []
        asked: list[tuple[int, Field]] = []
        for at, turn in enumerate(turns):
            row, own = _Row(), partial(encode, at) if encode else self.tokenizer.encode
            told += [(at, part) for part in turn.question if _is_told(part)]
            question, separator = self._ending(turn)
            self._parts(row, question, turn.frames, own, learn == "all", asked=False)
            row.text(separator, learn == "all")
            if turn.answer == "motion":
                row.text([self.tokenizer.som], learn == "all")
            elif not isinstance(turn.answer, str):
                asked += [(at, part) for part in turn.answer if isinstance(part, Field)]
                self._parts(row, turn.answer, turn.frames, own, learn != "nothing", asked=True)
                row.text([self.tokenizer.eos], learn != "nothing")
            rows.append(row)
        return _stack(rows, tuple(told), tuple(asked), self.device)

    def _ending(self, turn: Turn) -> tuple[Parts, list[int]]:
        """The question and the separator after it, which are one text where spaces are kept: white
        space in a row is encoded together."""
        if not turn.question:
            return (), []
        moves = turn.answer == "motion" or isinstance(turn.answer[0], Field)
        how, last = self.conventions, turn.question[-1]
        if how.keep_spaces and isinstance(last, str):
            separator = how.before_motion if moves else how.before_text
            return (*turn.question[:-1], last + separator), []
        return turn.question, self.before_motion if moves else self.before_text

    def _parts(
        self,
        row: _Row,
        parts: Parts,
        frames: Mapping[Field, int],
        encode: Callable[[str], list[int]],
        learned: bool,
        asked: bool,
    ) -> None:
        for part in parts:
            if isinstance(part, str):
                row.text(encode(part), learned)
                continue
            number = self.slots(frames.get(part, 0), asked)
            if part is Field.MASKED:
                row.slots(number, row.masked)
                continue
            row.text([self.tokenizer.som], learned)
            row.slots(number, row.asked if asked else row.told)
            row.text([self.tokenizer.eom], False)


def _is_told(part: str | Field) -> TypeGuard[Field]:
    return isinstance(part, Field) and part is not Field.MASKED


def _stack(
    rows: Sequence[_Row],
    told: tuple[tuple[int, Field], ...],
    asked: tuple[tuple[int, Field], ...],
    device: torch.device | None,
) -> Tokens:
    width = max(len(row.ids) for row in rows)

    def padded(lists: Sequence[Sequence[int]], fill: int) -> Tensor:
        full = [[*values, *[fill] * (width - len(values))] for values in lists]
        return torch.tensor(full, device=device)

    ids = padded([row.ids for row in rows], 0)
    learned = padded([row.learned for row in rows], False)
    following = torch.where(learned, ids, IGNORE)
    # What is learned at a place is the token after it; a row's first token is never predicted.
    targets = torch.cat([following[:, 1:], torch.full_like(ids[:, :1], IGNORE)], 1)
    return Tokens(
        ids=ids,
        targets=targets,
        told=padded([row.told for row in rows], False),
        masked=padded([row.masked for row in rows], False),
        asked=padded([row.asked for row in rows], False),
        valid=padded([[True] * len(row.ids) for row in rows], False),
        told_fields=told,
        asked_fields=asked,
    )
