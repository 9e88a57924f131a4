"""A recipe: everything that decides what a training run makes, as values.

It is a frozen tree of configs; `dataclasses.replace` or the command line makes the next.
"""

from dataclasses import dataclass, field, replace

from motiongpt3.model.bimodal import BimodalConfig
from motiongpt3.model.gpt import layer_set
from motiongpt3.model.vae import VAEConfig
from motiongpt3.model.vq import VQConfig
from motiongpt3.training.language import LanguageStage
from motiongpt3.training.stage import Precision, Schedule
from motiongpt3.training.vae import VAELoss


@dataclass(frozen=True)
class VAERecipe:
    """The motion VAE, or the VQ-VAE in its place."""

    config: VAEConfig | VQConfig
    schedule: Schedule
    loss: VAELoss = field(default_factory=VAELoss)
    balance: float = 0.25
    """How far rare classes are drawn more often: 0 as in the data, 1 all classes alike."""
    spline_batches: int = 400
    """Batches the linear path is fitted on."""
    trained: str = ""
    """File of a VAE of the paper's size that is taken over as it is, MLD's release for example. The
    paper begins that way; without it the VAE is trained first."""


@dataclass(frozen=True)
class LanguageRecipe:
    """One stage of the language model."""

    name: str
    schedule: Schedule
    stage: LanguageStage
    balance: float = 0.5
    """As in `VAERecipe`."""
    rare: int = 1
    """Clips of classes with fewer clips than this are not drawn more often than those with it."""


@dataclass(frozen=True)
class Replay:
    """Motions of its own that a model learns again, so that it keeps what it can do."""

    motions: int = 0
    """How many it is asked for; 0: there is nothing to keep."""
    share: float = 0.5
    """Their part in what is drawn."""


@dataclass(frozen=True)
class Recipe:
    """A model from raw clips to weights."""

    name: str
    vae: VAERecipe
    model: BimodalConfig
    stages: tuple[LanguageRecipe, ...]
    meeting: str = ""
    """Name of the layers in which text and motion meet, as the paper's ablation has it: "last5",
    "odd" ... (`model.gpt.layer_set`); without it, `model.gpt.cross_modal_layers` says."""
    vocab: int = 2048
    """Size of the BPE learned from captions and templates."""
    gpt2: str = ""
    """Folder, or name on the hub, of GPT-2's weights for the text branch, which then has GPT-2's
    vocabulary. Without it the text branch learns from nothing, with a vocabulary of its own."""
    seed: int = 0
    precision: Precision = "auto"
    plants_feet: bool = True
    """Whether made motions touch the floor and standing feet stay in place (`motion.feet`)."""
    replay: Replay = field(default_factory=Replay)
    """For a run that goes on from a model with clips it was not made from (`training.replay`)."""
    licence: str = ""
    """Licence of the weights, which follows from the data."""
    sources: tuple[str, ...] = ()
    """Where motions and sentences come from, each with its licence."""

    def sizes(self, vocab: int) -> BimodalConfig:
        """The language model's sizes, as far as the codec, the text and each other decide them."""
        codec, gpt = self.vae.config, replace(self.model.gpt, vocab=vocab)
        if self.meeting:
            gpt = replace(gpt, cross_modal_layers=layer_set(self.meeting, gpt.layers))
        if isinstance(codec, VQConfig):
            return replace(self.model, gpt=gpt, codebook=codec.codebook)
        latent = codec.latents * codec.width
        diffusion = replace(self.model.diffusion, condition=gpt.width, latent=latent)
        return replace(self.model, gpt=gpt, diffusion=diffusion)
