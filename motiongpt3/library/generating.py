"""Motions of many prompts."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path

import motiongpt3
from motiongpt3.evaluation.replications import Identity
from motiongpt3.library.chosen import Chosen
from motiongpt3.library.inputs import PART
from motiongpt3.library.parts import Row
from motiongpt3.library.prompts import Prompt
from motiongpt3.library.work import together_or_alone
from motiongpt3.model.sampling import Sampling
from motiongpt3.motion.motion import Motion

COLUMNS = {
    "number": "int64",
    "file": "string",
    "text": "string",
    "seconds": "double",
    "seed": "int64",
    "error": "string",
}
"""Of the table, with their types. A prompt has a file, or an error that says why not."""


@dataclass(frozen=True)
class Generating:
    """Prompts to act out, and the model that does."""

    prompts: tuple[Prompt, ...]
    folder: str
    """Absolute; the motions are written in it."""
    suffix: str = ".npz"
    model: Chosen = Chosen()
    sampling: Sampling | None = None
    part: int = PART

    @cached_property
    def parts(self) -> list[tuple[Prompt, ...]]:
        """The prompts that are made together: of about one length."""
        order = sorted(self.prompts, key=lambda one: (one.seconds or 0, one.number))
        return [tuple(order[at : at + self.part]) for at in range(0, len(order), self.part)]

    @cached_property
    def identity(self) -> Identity:
        """The prompts, the model and how it samples."""
        asked = json.dumps([asdict(one) for one in self.prompts]).encode()
        how = "as usual" if self.sampling is None else repr(self.sampling)
        return {
            "work": "generate",
            **self.model.identity,
            "inputs in a part": self.part,
            "prompts": hashlib.sha256(asked).hexdigest(),
            "sampling": how,
            "format": self.suffix,
            "version": motiongpt3.__version__,
        }

    def begin(self) -> "Generator":
        """Load the model."""
        return Generator(self)


class Generator:
    """The model at work."""

    def __init__(self, job: Generating):
        self.job, self.model = job, job.model.load()

    def reading(self, number: int) -> Callable[[], Sequence[Prompt]]:
        """The prompts of a part; there is nothing to read."""
        return partial(tuple, self.job.parts[number])

    def rows(self, number: int, read: Sequence[Prompt]) -> list[Row]:
        """Write the motions of a part; a row for each prompt."""
        usable = [prompt for prompt in read if prompt.error is None]
        made = iter(together_or_alone(self._made, usable))
        return [
            self._row(prompt, next(made) if prompt.error is None else prompt.error)
            for prompt in read
        ]

    def _made(self, prompts: Sequence[Prompt]) -> list[Motion]:
        motions = self.model.generate(
            [prompt.text for prompt in prompts],
            [prompt.seconds for prompt in prompts],
            seed=[prompt.seed for prompt in prompts],
            sampling=self.job.sampling,
        )
        assert isinstance(motions, list)
        return motions

    def _row(self, prompt: Prompt, made: Motion | str) -> Row:
        row = {"number": prompt.number, "file": None, "text": prompt.text, "seconds": None}
        if isinstance(made, str):
            return {**row, "seed": prompt.seed, "error": made}
        name = f"{prompt.number:06d}{self.job.suffix}"
        made.write(Path(self.job.folder) / name)
        seconds = round(made.seconds, 3)
        return {**row, "file": name, "seconds": seconds, "seed": prompt.seed, "error": None}
