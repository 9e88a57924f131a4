"""Making motions that were asked for: prompts in batches, codes, features."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from motiongpt3.data.tasks import SECONDS, Field, Task, Templates, format_seconds, render
from motiongpt3.errors import InputError
from motiongpt3.model.bimodal import Bimodal
from motiongpt3.model.codec import Codec
from motiongpt3.model.conventions import OURS, Conventions
from motiongpt3.model.noise import item_generators
from motiongpt3.model.sampling import Sampling
from motiongpt3.model.sequence import Packer, Turn
from motiongpt3.model.tokenizer import check_prompt

BATCH = 64
"""Motions made or read in one pass."""
LONGEST_SECONDS = 60.0
MOST_SAMPLES = 1000


@dataclass(frozen=True)
class Request:
    """One motion to make."""

    turn: Turn
    told: tuple[Float[np.ndarray, "_ F"], ...]
    frames: int
    index: int
    """The sample's index: with the seed, it alone decides the noise."""
    covers_told: bool = False
    """Whether the motion to make begins and ends with the two it is told about."""


class Maker:
    """The generating half of the model."""

    def __init__(
        self,
        network: Bimodal,
        codec: Codec,
        packer: Packer,
        templates: Templates,
        conventions: Conventions = OURS,
    ):
        self.network, self.codec, self.packer, self.templates = network, codec, packer, templates
        self.conventions = conventions

    def checked(self, text: str) -> str:
        """A user's text as this model is asked it, or InputError."""
        return check_prompt(text, keep_spaces=self.conventions.keep_spaces)

    def turn(self, task: Task, seconds: float, text: str | None) -> Turn:
        """The question of a task in its canonical wording, to be answered with a motion."""
        values = {Field.SECONDS: format_seconds(seconds)}
        if text is not None:
            values[Field.CAPTION] = self.checked(text)
        known = self.templates.subtasks(task)
        said = frozenset(values)
        # A model that was never told lengths is not told this one; it holds when decoding.
        template = self.templates.canonical(task, said if said in known else said - SECONDS)
        return Turn(render(template.question, values), "motion")

    def make(
        self, requests: Sequence[Request], seed: int | Sequence[int], sampling: Sampling | None
    ) -> list[Float[np.ndarray, "_ F"]]:
        """Features of each requested motion; similar lengths are made together.

        Args:
            seed: of all, or of each.
        """
        seeds = list(seed) if isinstance(seed, Sequence) else [seed] * len(requests)
        for one in seeds:
            check_seed(one)
        made: dict[int, np.ndarray] = {}
        order = sorted(range(len(requests)), key=lambda n: requests[n].frames)
        for at in range(0, len(order), BATCH):
            rows = order[at : at + BATCH]
            batch = [requests[n] for n in rows]
            prompt = self.packer.pack([r.turn.lasting([len(f) for f in r.told]) for r in batch])
            told = self.codec.codes([f for r in batch for f in r.told])
            frames = [r.frames for r in batch]
            noise = [item_generators(seeds[n], [requests[n].index])[0] for n in rows]
            how = self._sampling(sampling, going_on=bool(len(told)))
            codes = self.network.make(prompt, told, frames, noise, how)
            for row, request in enumerate(batch):
                if request.covers_told:
                    head, tail = request.told
                    codes[row] = self.codec.agree(codes[row], head, tail, request.frames)
            decoded = self.codec.features(codes, frames)
            made |= dict(zip(rows, decoded, strict=True))
        return [made[n] for n in range(len(requests))]

    def _sampling(self, given: Sampling | None, going_on: bool) -> Sampling:
        """What a caller asked for, and the model's conventions for the rest."""
        usual = self.conventions
        how = given or Sampling(usual.sampler, usual.steps)
        ids = bool(self.network.config.codebook)  # are not pushed anywhere
        guidance = 1.0 if going_on or ids else usual.guidance
        temperature = usual.temperature if going_on and not ids else 1.0
        return replace(
            how,
            guidance=guidance if how.guidance is None else how.guidance,
            guided_from=usual.guided_from if how.guided_from is None else how.guided_from,
            temperature=temperature if how.temperature is None else how.temperature,
        )


def check_length(seconds: float, least: float, most: float = LONGEST_SECONDS) -> None:
    """Refuse a length outside the range; seconds."""
    if not np.isfinite(seconds) or not least <= seconds <= most:
        raise InputError(
            f"{seconds} seconds", where="seconds", hint=f"from {least:g} to {most:g} s are possible"
        )


def check_seed(seed: int) -> None:
    """Refuse what cannot seed a generator."""
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InputError(f"seed is {seed!r}", where="seed", hint="a whole number from 0 to 2^63-1")


def checked_samples(samples: int | None) -> int:
    """The number of samples asked for, 1 where it is not said."""
    if samples is not None and not 1 <= samples <= MOST_SAMPLES:
        raise InputError(f"{samples} samples", where="samples", hint=f"1 to {MOST_SAMPLES}")
    return samples or 1
