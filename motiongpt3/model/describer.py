"""Describing motions: features in batches, sentences."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from motiongpt3.data.tasks import Task, render
from motiongpt3.model.maker import BATCH, Maker
from motiongpt3.model.sequence import Turn
from motiongpt3.model.tokenizer import Tokenizer

Window = Float[np.ndarray, "_ F"]
"""Features of a part of a motion that is read at once."""


class Describer:
    """The describing half of the model; the parts it is made of are the generating half's."""

    def __init__(self, maker: Maker, tokenizer: Tokenizer):
        self.maker, self.tokenizer = maker, tokenizer

    def captions(self, motions: Sequence[Sequence[Window]]) -> list[str]:
        """A sentence for each motion, which comes as windows (`Observer.windows`).

        What is seen in several windows is joined by "then"; what is the same is said once.
        """
        sentences = iter(self._sentences([window for windows in motions for window in windows]))
        captions = []
        for windows in motions:
            said = [next(sentences) for _ in windows]
            kept = [s for n, s in enumerate(said) if n == 0 or s != said[n - 1]]
            captions.append(
                ", then ".join(s.rstrip(" .") for s in kept) if len(kept) > 1 else kept[0]
            )
        return captions

    def _sentences(self, windows: Sequence[Window]) -> list[str]:
        maker, how = self.maker, self.maker.conventions
        template = maker.templates.canonical(Task.MOTION_TO_TEXT)
        turn = Turn(render(template.question, {}), "text")
        limits = (self.tokenizer.eos, how.caption_tokens, how.repetition_penalty)
        sentences: list[str] = []
        for at in range(0, len(windows), BATCH):
            batch = list(windows[at : at + BATCH])
            prompt = maker.packer.pack([turn.lasting([len(clip)]) for clip in batch])
            answers = maker.network.write_text(prompt, maker.codec.codes(batch), *limits)
            sentences += [self.tokenizer.decode(ids).strip() for ids in answers]
        return sentences
