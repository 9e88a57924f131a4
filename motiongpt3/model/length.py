"""How long a described motion should be: the model's own answer to that question.

The paper asks it as a text-to-text task (caption to seconds). Instead of sampling one answer we
score every length and take the median, which is the answer with the least expected error.
"""

from collections.abc import Sequence
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Tensor

from motiongpt3.data.tasks import Field, Task, Templates, format_seconds, render
from motiongpt3.model.bimodal import Bimodal
from motiongpt3.model.sequence import Packer, Turn
from motiongpt3.model.tokenizer import Tokenizer


class LengthReader:
    """Reads lengths from one second to `longest` off the text branch."""

    def __init__(
        self,
        network: Bimodal,
        tokenizer: Tokenizer,
        packer: Packer,
        templates: Templates,
        longest: float,
    ):
        self.network, self.packer = network, packer
        self.question = templates.canonical(Task.CAPTION_TO_SECONDS).question
        self.tenths = range(10, int(10 * longest) + 1)
        answers = [tokenizer.encode(format_seconds(n / 10)) for n in self.tenths]
        # From ten seconds on an answer has a token more; those of one size are scored together.
        self.answers = [list(group) for _, group in groupby(answers, len)]

    def read(self, captions: Sequence[str]) -> list[float]:
        """The median of the model's belief about each caption's length, in seconds."""
        medians = []
        for caption in captions:  # one by one: a length must not depend on its neighbours
            below = self.belief(caption).cumsum(0)
            medians.append(self.tenths[int((below < 0.5).sum())] / 10)
        return medians

    @torch.no_grad()
    def belief(self, caption: str) -> Float[Tensor, " lengths"]:
        """Probability of every length, in steps of a tenth of a second."""
        turn = Turn(render(self.question, {Field.CAPTION: caption}), "text")
        device = self.network.device
        none = torch.zeros(0, 0, device=device)
        cache, first = self.network.read(self.packer.pack([turn]), none)
        chosen = []
        for answers in self.answers:
            ids, said = torch.tensor(answers, device=device), cache
            row = torch.zeros(len(ids), dtype=torch.long, device=device)
            scores = [first[row]]
            for n in range(1, ids.shape[1]):  # answers that begin alike are read once up to there
                before = row
                beginnings, row = ids[:, :n].unique(dim=0, return_inverse=True)
                said = said.select(row.new_zeros(len(beginnings)).scatter(0, row, before))
                scores.append(self.network.next_logits(beginnings[:, -1:], said)[row])
            beliefs = torch.stack(scores, 1).log_softmax(-1)
            chosen.append(beliefs.gather(-1, ids[..., None]).squeeze(-1).sum(1))
        return torch.cat(chosen).softmax(0)
