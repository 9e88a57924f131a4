"""What the language model of a run is before its first step."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from motiongpt3.data.dataset import MotionText
from motiongpt3.data.tasks import Task, Templates
from motiongpt3.model.bimodal import Bimodal
from motiongpt3.model.checkpoint import Bundle, fill
from motiongpt3.model.gpt2 import load_gpt2, read_gpt2
from motiongpt3.model.tokenizer import Tokenizer
from motiongpt3.training.recipe import Recipe

_SILENT = "heads.diffusion.told."
"""Weights that change nothing before they are trained: a model that begins a run may lack them."""
_PLACES = "heads.diffusion.pool.position"


def fresh_network(recipe: Recipe, tokenizer: Tokenizer) -> Bimodal:
    """A language model that has learned nothing but, where the recipe says so, GPT-2's text."""
    torch.manual_seed(recipe.seed + 1)
    model = Bimodal(recipe.sizes(tokenizer.text_vocab))
    if recipe.gpt2:
        load_gpt2(model.gpt, read_gpt2(recipe.gpt2))
    return model


def learned_tokenizer(data: MotionText, vocab: int) -> Tokenizer:
    """A vocabulary of the words of captions and templates."""
    captions = [text for record in data.records for text in record.captions]
    templates = Templates.load()
    words = [
        part
        for task in Task
        for template in templates.all(task)
        for part in (*template.question, *template.answer)
        if isinstance(part, str)
    ]
    # Sorted and unique: the vocabulary must not depend on how often a pattern was repeated.
    return Tokenizer.train(sorted({*captions, *data.corpus, *words}), vocab)


@dataclass(frozen=True)
class Start:
    """A model to begin with. Its codec, vocabulary and statistics stay."""

    bundle: Bundle
    codec_only: bool = False
    """The language model is trained from nothing; otherwise its weights go on."""

    def network(self, recipe: Recipe) -> Bimodal:
        """The language model that the run begins with.

        Raises:
            CorruptError: when its weights go on and the recipe is of another size.
        """
        if self.codec_only:
            return fresh_network(recipe, self.bundle.tokenizer)
        model = Bimodal(recipe.sizes(self.bundle.tokenizer.text_vocab))
        fill(model, "", _going_on(model, self.bundle.network))
        return model

    @property
    def option(self) -> str:
        """How the command line says it."""
        return "--codec" if self.codec_only else "--from"

    @property
    def origin(self) -> dict[str, object]:
        """What a model's card must say of where it comes from."""
        card: Mapping[str, object] = self.bundle.card
        if not self.codec_only:
            return {"begun_from": dict(card)}
        while isinstance(earlier := card.get("codec_from", card.get("begun_from")), Mapping):
            card = earlier  # the run that trained the codec
        return {"codec_from": dict(card)}


def _going_on(model: Bimodal, start: Bimodal) -> dict[str, Tensor]:
    """Weights like those of the model a run begins with, for one that may have parts it lacks.

    They are copies: the model it begins with stays what it was, and may be asked.
    """
    silent = {n: t for n, t in model.state_dict().items() if n.startswith(_SILENT)}
    weights = {n: t.clone() for n, t in {**silent, **start.state_dict()}.items()}
    if _PLACES in weights:  # ids of a VQ-VAE need no diffusion head
        weights[_PLACES] = weights[_PLACES][: model.config.diffusion.places]  # read rows
    return weights
