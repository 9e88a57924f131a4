"""The model in parts that stand alone as graphs: tensors in, tensors out, of any batch and length.

A sequence is read run by run: text by one part, slots of motions by another, each given what was
read before as keys, values and kinds. Padding may stand anywhere among it; its kind is -1.

Shapes: B sequences or clips, T new tokens or frames, S tokens already read, R places read off,
L layers, H heads, d width of a head, D width, V vocabulary, N motions or latents per clip, K slots,
Z size of a latent, W width of the denoiser, F features, P control points.
"""

import copy

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from motiongpt3.model.diffusion import DiffusionHead
from motiongpt3.model.gpt import GPT, TEXT
from motiongpt3.model.heads import LatentHeads
from motiongpt3.model.past import PADDING
from motiongpt3.model.spline import SplinePath, normal_equations
from motiongpt3.model.vae import MotionVAE


class Branch(nn.Module):
    """New tokens of one modality: their hidden states, keys and values."""

    def __init__(self, gpt: GPT, modality: int):
        super().__init__()
        self.gpt, self.modality = gpt, modality

    def forward(
        self,
        embeddings: Float[Tensor, "B T D"],
        keys: Float[Tensor, "L B H S d"],
        values: Float[Tensor, "L B H S d"],
        kinds: Int[Tensor, "B S"],
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "L B H T d"], Float[Tensor, "L B H T d"]]:
        T, m = embeddings.shape[1], self.modality
        new = torch.arange(T, device=kinds.device)
        places = (kinds != PADDING).sum(1, keepdim=True) + new
        x = embeddings + self.gpt.wpe(places.clamp(max=self.gpt.config.context - 1))
        causal = (new[:, None] >= new).expand(x.shape[0], T, T)
        seen = {True: kinds != PADDING, False: kinds == m}
        masks = {
            cross_modal: torch.cat([past[:, None].expand(-1, T, -1), causal], 2)[:, None]
            for cross_modal, past in seen.items()
        }
        new_keys, new_values = [], []
        for n, block in enumerate(self.gpt.layers):
            qkv = block.qkv.of(m)(block.norm1.of(m)(x))
            q, k, v = rearrange(qkv, "B T (three H d) -> three B H T d", three=3, H=block.heads)
            new_keys.append(k)
            new_values.append(v)
            k, v = torch.cat([keys[n], k], 2), torch.cat([values[n], v], 2)
            y = F.scaled_dot_product_attention(q, k, v, masks[block.cross_modal])
            x = x + block.proj.of(m)(rearrange(y, "B H T d -> B T (H d)"))
            x = x + block.mlp.of(m)(block.norm2.of(m)(x))
        return self.gpt.norm.of(m)(x), torch.stack(new_keys), torch.stack(new_values)


class Text(nn.Module):
    """New text tokens: what may follow at the places asked for, and their keys and values."""

    table: Tensor

    def __init__(self, gpt: GPT):
        super().__init__()
        self.branch = Branch(gpt, TEXT)
        self.register_buffer("table", torch.cat([gpt.wte.weight, gpt.control.weight]).detach())

    def forward(
        self,
        ids: Int[Tensor, "B T"],
        at: Int[Tensor, "B R"],
        keys: Float[Tensor, "L B H S d"],
        values: Float[Tensor, "L B H S d"],
        kinds: Int[Tensor, "B S"],
    ) -> tuple[Float[Tensor, "B R V"], Float[Tensor, "L B H T d"], Float[Tensor, "L B H T d"]]:
        hidden, new_keys, new_values = self.branch(self.table[ids], keys, values, kinds)
        places = at[..., None].expand(-1, -1, hidden.shape[2])
        return F.linear(hidden.gather(1, places), self.table), new_keys, new_values


class Tell(nn.Module):
    """Embeddings of the slots of motions that the model is told about."""

    def __init__(self, heads: LatentHeads):
        super().__init__()
        self.heads = heads

    def forward(self, codes: Float[Tensor, "N Z"]) -> Float[Tensor, "N K D"]:
        return self.heads.embed(codes).unflatten(0, (-1, self.heads.told_slots))


class Step(nn.Module):
    """What the diffusion head says of noisy latents, all at one noise level."""

    def __init__(self, head: DiffusionHead):
        super().__init__()
        self.head = head

    def forward(
        self,
        noisy: Float[Tensor, "N Z"],
        level: Int[Tensor, "1"],
        condition: Float[Tensor, "N W"],
    ) -> Float[Tensor, "N Z"]:
        return self.head.said(noisy, level, condition)


class Encode(nn.Module):
    """Clips to the mean and log variance of their latents."""

    def __init__(self, vae: MotionVAE, longest: int):
        """`longest` is the number of frames up to which splines are fitted."""
        super().__init__()
        self.vae = vae
        if vae.spline is not None:
            self.vae = copy.deepcopy(vae)
            self.vae.spline = FittedPath(vae.spline, longest)

    def forward(
        self, features: Float[Tensor, "B T F"], inside: Bool[Tensor, "B T"]
    ) -> tuple[Float[Tensor, "B N Z"], Float[Tensor, "B N Z"]]:
        posterior = self.vae.encode(features, inside.sum(1))
        return posterior.mean, posterior.log_variance


class FittedPath(SplinePath):
    """A spline path that has solved its equations for clips of every length beforehand.

    No graph can solve equations.
    """

    fit_of: Tensor

    def __init__(self, path: SplinePath, longest: int):
        nn.Module.__init__(self)
        self.points, self.channels = path.points, path.channels
        for name, tensor in path.named_buffers():
            self.register_buffer(name, tensor)
        lengths = torch.arange(longest + 1).clamp(min=1)
        gram, basis = normal_equations(lengths, longest, path.points)
        self.register_buffer("fit_of", torch.linalg.solve(gram.double(), basis.mT.double()).float())

    def control_points(
        self, features: Float[Tensor, "B T F"], length: Int[Tensor, "B"]
    ) -> Float[Tensor, "B PC"]:
        fits = self.fit_of[length][:, :, : features.shape[1]]
        return (fits @ self.paths(features, length)).flatten(1)


class Decode(nn.Module):
    """Latents to clips; a mask says how many frames each has, where `decode` reads a number."""

    def __init__(self, vae: MotionVAE):
        super().__init__()
        self.vae = vae

    def forward(
        self, latents: Float[Tensor, "B N Z"], inside: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B T F"]:
        vae, each, (B, T) = self.vae, self.vae.config.frames_per_token, inside.shape
        length, tokens = inside.sum(1), (T + each - 1) // each
        starts = torch.arange(tokens, device=length.device) * each
        queries = vae.decoder_positions[:tokens].expand(B, -1, -1)
        x = vae.decoder(queries, starts >= length[:, None], latents)
        y = vae.out(x).reshape(B, tokens * each, -1)[:, :T]
        if vae.spline is not None:
            linear = vae.spline.decode(latents.flatten(1), length, T)
            y = y + F.pad(linear, (0, y.shape[-1] - linear.shape[-1]))
        return torch.where(inside[..., None], y, 0)
