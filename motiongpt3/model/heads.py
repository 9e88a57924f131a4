"""How a motion enters and leaves the language model.

A *code* is what the motion codec makes of a clip: one latent of a VAE, or the ids of a VQ-VAE.
Heads turn codes into slots, which are tokens of the motion branch, and hidden states of slots
into codes.

Shapes: N motions, R slots of all motions together, row after row, K slots per motion, D width of
the language model, Z size of a latent, C ids of the longest motion, B rows of a batch.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from motiongpt3.errors import InputError
from motiongpt3.model.diffusion import DiffusionConfig, DiffusionHead
from motiongpt3.model.losses import Lesson, soft_targets
from motiongpt3.model.sampling import Sampling
from motiongpt3.model.vq import FRAMES_PER_CODE, NO_CODE

Codes = Float[Tensor, "_ _"] | Int[Tensor, "_ _"]
"""One row per motion; no rows, of any width, where there is none."""
Advance = Callable[[Float[Tensor, "B t D"]], Float[Tensor, "B t D"]]
"""Appends embeddings of motion tokens to every sequence of a batch; returns their hidden states."""
_COLDEST = 1e-3
"""Temperature below which ids are not drawn but chosen."""


class MotionHeads(Protocol):
    """What the language model needs of any way to carry motion."""

    def weights(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Those on the motion's way in, and those on its way out."""
        ...

    def slots(self, frames: int, asked: bool) -> int:
        """How many slots a motion of so many frames takes, told to the model or asked of it."""
        ...

    def embed(self, codes: Codes) -> Float[Tensor, "R D"]:
        """Embeddings of the slots of motions the model is told about."""
        ...

    def hidden_motion(self) -> Float[Tensor, "1 D"]:
        """The embedding of every slot of a motion that is missing.

        Raises:
            InputError: when the model was not made to see missing motions.
        """
        ...

    def ask(self, codes: Codes) -> Float[Tensor, "R D"]:
        """Embeddings of the slots of motions it learns to make, which are these."""
        ...

    @property
    def slots_per_loss(self) -> int:
        """How many slots say one thing: K a latent, one an id."""
        ...

    def losses(
        self,
        hidden: Float[Tensor, "R D"],
        codes: Codes,
        generators: Sequence[Generator],
        lesson: Lesson[Any] | None = None,
    ) -> Float[Tensor, " n"]:
        """How far the slots' hidden states are from saying each thing they are to say; what must be
        drawn for a motion comes from its own generator."""
        ...

    def make(
        self,
        advance: Advance,
        frames: Sequence[int],
        generators: Sequence[Generator],
        sampling: Sampling,
    ) -> Codes:
        """Codes of motions of `frames` frames, one per row of a batch.

        Row i draws from `generators[i]` alone, so it does not depend on its place in the batch.
        """
        ...


class LatentHeads(nn.Module):
    """One latent per motion, spread over K slots on the way in, drawn by diffusion on the way out.

    The paper's heads: a linear understanding head, and slots that all begin as `<motion_out>`.
    """

    latent_scale: Tensor

    def __init__(
        self, config: DiffusionConfig, told_slots: int | None = None, masked: bool = False
    ):
        """`told_slots` is K of motions the model is told about; as many as it makes if None."""
        super().__init__()
        self.told_slots = told_slots or config.slots
        self.asked_slots = config.slots
        self.understand = nn.Linear(config.latent, self.told_slots * config.condition)
        self.motion_out = nn.Parameter(0.02 * torch.randn(1, config.condition))
        """The embedding of `<motion_out>`, the same in all slots; positions tell them apart."""
        self.masked = nn.Parameter(0.02 * torch.randn(1, config.condition)) if masked else None
        """The embedding of slots of a missing motion."""
        self.diffusion = DiffusionHead(config)
        self.register_buffer("latent_scale", torch.ones(()))
        """Brings latents to unit spread; set once the VAE is trained."""

    def set_spread(self, spread: Float[Tensor, " Z"]) -> None:
        """Learn how latents spread, given each component's standard deviation."""
        self.latent_scale.copy_(1 / (spread**2).mean().sqrt())
        if self.diffusion.config.gaussian_start:
            self.diffusion.spread.copy_(spread * self.latent_scale)

    def weights(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """The understanding head and `<motion_out>`; the diffusion head."""
        extra = [] if self.masked is None else [self.masked]
        way_in = [*self.understand.parameters(), self.motion_out, *extra]
        return way_in, list(self.diffusion.parameters())

    def slots(self, frames: int, asked: bool) -> int:
        """K, however long the motion."""
        return self.asked_slots if asked else self.told_slots

    def embed(self, codes: Float[Tensor, "N Z"]) -> Float[Tensor, "R D"]:
        slots = self.understand(codes * self.latent_scale)
        return slots.unflatten(-1, (self.told_slots, -1)).flatten(0, 1)

    def hidden_motion(self) -> Float[Tensor, "1 D"]:
        if self.masked is None:
            raise InputError("this model was not made to see missing motions", where="masked")
        return self.masked

    def ask(self, codes: Float[Tensor, "N Z"]) -> Float[Tensor, "R D"]:
        return self.motion_out.expand(len(codes) * self.asked_slots, -1)

    @property
    def slots_per_loss(self) -> int:
        """K."""
        return self.asked_slots

    def losses(
        self,
        hidden: Float[Tensor, "R D"],
        codes: Float[Tensor, "N Z"],
        generators: Sequence[Generator],
        lesson: Lesson["LatentHeads"] | None = None,
    ) -> Float[Tensor, " N"]:
        slots, taught = hidden.unflatten(0, (-1, self.asked_slots)), None
        if lesson is not None:
            theirs = lesson.hidden.unflatten(0, (-1, self.asked_slots))
            taught = Lesson(lesson.other.diffusion, theirs, lesson.rows)
        return self.diffusion.losses(codes * self.latent_scale, slots, generators, taught)

    def make(
        self,
        advance: Advance,
        frames: Sequence[int],
        generators: Sequence[Generator],
        sampling: Sampling,
    ) -> Float[Tensor, "N Z"]:
        hidden = advance(self.motion_out.expand(len(frames), self.asked_slots, -1))
        return self.diffusion.sample(hidden, generators, sampling) / self.latent_scale


class CodeHeads(nn.Module):
    """One slot per id of a VQ-VAE, written one after another (the paper's VQ ablation).

    A length is always given, so a motion needs no id for its end.
    """

    def __init__(self, codebook: int, width: int):
        super().__init__()
        self.ids = nn.Embedding(codebook, width)
        self.motion_out = nn.Parameter(0.02 * torch.randn(1, width))
        """Stands before the first id of a motion to make."""
        self.out = nn.Linear(width, codebook, bias=False)
        for table in (self.ids, self.out):
            nn.init.normal_(table.weight, std=0.02)

    def weights(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Embeddings of ids; their output layer."""
        return [*self.ids.parameters(), self.motion_out], list(self.out.parameters())

    def slots(self, frames: int, asked: bool) -> int:
        """One per id."""
        return -(-frames // FRAMES_PER_CODE)

    def embed(self, codes: Int[Tensor, "N C"]) -> Float[Tensor, "R D"]:
        return self.ids(codes[codes != NO_CODE])

    def hidden_motion(self) -> Float[Tensor, "1 D"]:
        raise InputError("a model that writes ids sees no missing motions", where="masked")

    def ask(self, codes: Int[Tensor, "N C"]) -> Float[Tensor, "R D"]:
        """Every slot shows the id before its own."""
        before = self.ids(codes.clamp(min=0)).roll(1, dims=1)
        before[:, 0] = self.motion_out.to(before.dtype)
        return before[codes != NO_CODE]

    @property
    def slots_per_loss(self) -> int:
        """One."""
        return 1

    def losses(
        self,
        hidden: Float[Tensor, "R D"],
        codes: Int[Tensor, "N C"],
        generators: Sequence[Generator],
        lesson: Lesson["CodeHeads"] | None = None,
    ) -> Float[Tensor, " R"]:
        if not len(hidden):
            return hidden.sum(1)  # none, and still part of the graph
        scores, targets = self.out(hidden), codes[codes != NO_CODE]
        if lesson is not None:
            targets = soft_targets(targets, lesson.other.out(lesson.hidden), lesson.rows)
        return F.cross_entropy(scores, targets, reduction="none")

    def make(
        self,
        advance: Advance,
        frames: Sequence[int],
        generators: Sequence[Generator],
        sampling: Sampling,
    ) -> Int[Tensor, "N C"]:
        if sampling.guidance not in (None, 1):
            raise InputError(
                f"guidance {sampling.guidance} with a model that writes ids",
                where="guidance",
                hint="leave it out, or 1",
            )
        heat = 1.0 if sampling.temperature is None else max(sampling.temperature, _COLDEST)
        counts = [self.slots(n, asked=True) for n in frames]
        x = self.motion_out.expand(len(frames), 1, -1)
        made: list[Tensor] = []
        for _ in range(max(counts)):
            chance = (self.out(advance(x)[:, -1]) / heat).softmax(-1).cumsum(-1)
            draw = torch.tensor([[torch.rand((), generator=g).item()] for g in generators])
            made.append((chance < draw.to(chance)).sum(-1).clamp(max=chance.shape[-1] - 1))
            x = self.ids(made[-1])[:, None]
        codes = torch.stack(made, 1)
        places = torch.arange(codes.shape[1], device=codes.device)
        ends = torch.tensor(counts, device=codes.device)[:, None]
        return codes.masked_fill(places >= ends, NO_CODE)
