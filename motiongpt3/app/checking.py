"""What is looked at while a model trains: figures on held-out clips and texts, and pictures.

Figures, by name:
    reconstruction_mpjpe_mm   pose error of held-out clips through the motion codec, millimetres
    reconstruction_root_m     how far the root then ends from where it should, metres
    caption_perplexity        held-out captions, per token (`evaluation.perplexity`)
    english_perplexity        plain English that is about no motion
A set without a val split has neither clips nor captions to hold out: these figures are left out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from motiongpt3.data.dataset import spread
from motiongpt3.errors import InputError
from motiongpt3.training.log import record

if TYPE_CHECKING:
    from motiongpt3.data.dataset import MotionText
    from motiongpt3.model.checkpoint import Bundle
    from motiongpt3.model.codec import Codec
    from motiongpt3.motion.motion import Motion
    from motiongpt3.motion.skeleton import Skeleton
    from motiongpt3.training.checks import Check, Checked
    from motiongpt3.training.recipe import Recipe

PROMPTS = (
    "a person walks forward.",
    "a person waves the left hand.",
    "a person turns to the right.",
    "someone jumps up.",
    "a person bows.",
    "a person kicks with the right leg.",
)
"""What every sheet shows, so that sheets of different steps and runs compare."""
SECONDS = 3.0
"""Length of each motion on a sheet."""

_VAE = "vae"
_CLIPS, _CAPTIONS, _PAIRS = 64, 256, 3
"""Held-out clips and captions that are measured, and clips whose reconstruction is shown."""

Shown = Sequence[tuple[str, "Motion"]]
"""Captions and motions of a sheet."""
Rebuilt = Sequence[tuple[str, np.ndarray, np.ndarray]]
"""Caption of a clip, its joints (T, J, 3) as made and as they are, metres."""


def watch(recipe: "Recipe", data: Path) -> "Check":
    """The check of a run: a function for `train(..., check=...)`.

    Args:
        data: the processed set the run trains on; its val split is what is held out.

    Raises:
        InputError, CorruptError: when the set cannot be read.
    """
    from motiongpt3.data.dataset import MotionText, read_manifest

    has_held_out = read_manifest(data)["clips"].get("val", 0) > 0
    held_out = MotionText(data, "val") if has_held_out else None
    words_only = {stage.name: stage.stage.words_only for stage in recipe.stages}
    return _Watch(held_out, words_only)


@dataclass(frozen=True, eq=False)
class _Watch:
    """A run's check: what is held out, and which of its stages teach words alone."""

    held_out: "MotionText | None"
    words_only: Mapping[str, bool]

    def __call__(self, checked: "Checked") -> Mapping[str, float]:
        """Measure, draw, and add a line to the stage's checks."""
        from motiongpt3.model.codec import Codec

        bundle = checked.bundle
        device = str(next(bundle.vae.parameters()).device)
        codec = Codec(bundle, device)
        rebuilt = self._rebuilt(codec)
        figures = _errors(rebuilt)
        if checked.stage == _VAE:
            pictures = _drawn(checked, lambda: _compared(rebuilt, codec.skeleton))
        else:
            figures |= self._perplexities(bundle)
            moves = self._makes_motion(checked)
            pictures = _drawn(checked, lambda: _made(bundle, device)) if moves else []
        record(checked.folder, checked.step, figures, pictures)
        return figures

    def _makes_motion(self, checked: "Checked") -> bool:
        """Whether any step so far taught the model to make motion."""
        names = list(self.words_only)
        before = names[: names.index(checked.stage) + (checked.step > 0)]
        return not all(self.words_only[name] for name in before)

    def _rebuilt(self, codec: "Codec") -> Rebuilt:
        """Held-out clips and what the codec gives back of them."""
        from motiongpt3.evaluation.reconstruction import round_trip

        if self.held_out is None:
            return []
        chosen = spread(len(self.held_out), _CLIPS)
        pairs = round_trip(codec, [self.held_out.features(index) for index in chosen])
        captions = [self.held_out.records[index].captions[0] for index in chosen]
        return [(caption, *pair) for caption, pair in zip(captions, pairs, strict=True)]

    def _perplexities(self, bundle: "Bundle") -> dict[str, float]:
        from motiongpt3.evaluation.perplexity import perplexity, plain_english

        texts = {"english_perplexity": plain_english()}
        if self.held_out is not None:
            captions = sorted({c for record in self.held_out.records for c in record.captions})
            few = [captions[index] for index in spread(len(captions), _CAPTIONS)]
            texts = {"caption_perplexity": few, **texts}
        network, tokenizer = bundle.network, bundle.tokenizer
        return {name: perplexity(network, tokenizer, lines) for name, lines in texts.items()}


def _errors(rebuilt: Rebuilt) -> dict[str, float]:
    from motiongpt3.evaluation.reconstruction import path_error, pose_error

    if not rebuilt:
        return {}
    poses = [pose_error(made, real) for _, made, real in rebuilt]
    roots = [path_error(made, real) for _, made, real in rebuilt]
    return {
        "reconstruction_mpjpe_mm": 1000 * float(np.mean(poses)),
        "reconstruction_root_m": float(np.mean(roots)),
    }


def _compared(rebuilt: Rebuilt, skeleton: "Skeleton") -> Shown:
    """The first, middle and last of the clips, as made beside as captured."""
    from motiongpt3.motion.motion import Motion

    return [
        (f"{kind}: {caption}", Motion(joints / skeleton.metres, skeleton=skeleton))
        for caption, made, real in [rebuilt[at] for at in spread(len(rebuilt), _PAIRS)]
        for kind, joints in (("real", real), ("made", made))
    ]


def _made(bundle: "Bundle", device: str) -> Shown:
    """What the model makes of the prompts."""
    from motiongpt3.model.motiongpt import MotionGPT

    motions = MotionGPT(bundle, device).generate(PROMPTS, SECONDS, seed=0)
    assert isinstance(motions, list)  # one for each of several texts
    return list(zip(PROMPTS, motions, strict=True))


def _drawn(checked: "Checked", shown: Callable[[], Shown]) -> list[str]:
    """Names of the pictures drawn: none where there is nothing to see, or not yet a person."""
    from motiongpt3.render.contact import contact_sheet, write_png

    name = f"sheet-{checked.step:07d}.png"
    try:
        image = contact_sheet(shown())
    except InputError:  # what a young model makes may be more than a motion can be
        return []
    write_png(image, checked.folder / name)
    return [name]
