"""What is looked at while a cell of the paper's tables trains: held-out losses, and what it makes.

Figures, by name:
    held_out_motion, held_out_text   losses of the stage on the same batches of val clips
    held_out_r3, held_out_mm         R@3 and MM-Dist of motions made for val captions
    gflop                            of one step, counted after the last
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from motiongpt3.evaluation.figure import Missing
from motiongpt3.training.log import record

if TYPE_CHECKING:
    from motiongpt3.model.evaluator import Evaluator
    from motiongpt3.training.checks import Checked
    from motiongpt3.training.recipe import Recipe

_BATCHES, _COUNTED = 4, 3
"""Batches of a held-out loss, and those whose operations are counted."""
_CLIPS = 192
"""Val clips that a motion is made for."""
_NAMES = {"motion": "held_out_motion", "text": "held_out_text"}
_MATCHED = {"R@3": "held_out_r3", "MM-Dist": "held_out_mm"}


@dataclass(frozen=True, eq=False)
class Validation:
    """The check of a cell's last stage; others are not looked at."""

    recipe: "Recipe"
    data: Path
    evaluator: "Evaluator"

    def __call__(self, checked: "Checked") -> Mapping[str, float]:
        """Measure, and add a line to the stage's checks."""
        if not self.recipe.stages or checked.stage != self.recipe.stages[-1].name:
            return {}
        figures = {**self._losses(checked), **self._made(checked)}
        record(checked.folder, checked.step, figures)
        return figures

    def _losses(self, checked: "Checked") -> dict[str, float]:
        from motiongpt3.data.dataset import MotionText
        from motiongpt3.training.measuring import held_out_losses, job_on, work_per_step

        last = self.recipe.stages[-1]
        job = job_on(checked.bundle, MotionText(self.data, "val"), last, checked.folder)
        losses = held_out_losses(job, _BATCHES)
        figures = {_NAMES[name]: loss for name, loss in losses.items() if name in _NAMES}
        if checked.step == last.schedule.steps:
            figures["gflop"] = work_per_step(job, _COUNTED) / 1e9
        return figures

    def _made(self, checked: "Checked") -> dict[str, float]:
        from motiongpt3.evaluation.held_out import HeldOut
        from motiongpt3.evaluation.judge import Judge
        from motiongpt3.evaluation.text_to_motion import TextToMotion
        from motiongpt3.model.motiongpt import MotionGPT

        held = HeldOut(self.data, "val", _CLIPS)
        model = MotionGPT(checked.bundle, str(checked.bundle.network.device))
        figures = TextToMotion(model, held, Judge(self.evaluator, held)).matched(0)
        found = {name: figures[column] for column, name in _MATCHED.items()}
        return {n: figure for n, figure in found.items() if not isinstance(figure, Missing)}
