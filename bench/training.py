"""How fast paper-size training is, beside the plain way, on the same machine in one run.

    python bench/training.py [--data FOLDER] [--batch 8] [--steps 5] [--json OUT]

Every stage of the language model of `paper-humanml3d`, from random weights: the same examples, the
same model and the same optimiser, in two ways that take turns step by step, so that whatever else
the machine does slows both. "ours" is what `motiongpt3 train` does. "plain" is what the official
code does (docs/paper.md): every sequence padded to 192 tokens that all go through the model, with
gradient though the text branch is frozen, and every motion encoded anew, one by one. It learns the
same text as ours; the official code learns padding too, which would make it slower still.

Figures are medians over steps. Codes of whole clips are random numbers here, which take as long to
look up as any; making them is a matter of minutes before the first step.
"""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

import common
import torch
import torch.nn.functional as F
from torch import nn

from motiongpt3.data.dataset import MotionText, Order
from motiongpt3.model.bimodal import Bimodal
from motiongpt3.model.checkpoint import Bundle, motion_codec
from motiongpt3.model.heads import Codes
from motiongpt3.model.sequence import IGNORE, Tokens
from motiongpt3.model.tokenizer import GPT2_VOCABULARY, Tokenizer
from motiongpt3.training.codes import ClipCodes
from motiongpt3.training.language import LanguageBatch, LanguageJob
from motiongpt3.training.memory import Memory
from motiongpt3.training.paper import PAPER_HUMANML3D
from motiongpt3.training.stage import Schedule

WAYS = ("plain", "ours")
PARTS = ("data", "codes", "language model", "head", "backward", "optimiser")
"""Where the time of a step goes: drawing and packing examples; codes of motions; both forwards; the
backward of everything; clipping, AdamW and the average of the weights."""
PADDED = 192
"""Tokens of every sequence in the official code."""
LEAST_SPEEDUP = {"generate": 4.0, "align": 4.0, "instruct": 4.0}
MOST_LOADING = 0.03
"""Share of a step of Stage I that data and codes may take."""


class Plain(LanguageJob):
    """The official code's way to spend time on the same examples."""

    def parameters(self) -> Sequence[tuple[Sequence[nn.Parameter], float]]:
        groups = super().parameters()
        self.stage = replace(self.stage, text_frozen=False)  # whole sequences take part
        return groups

    def draw(self, step: int, rows: range) -> LanguageBatch:
        batch = super().draw(step, rows)
        return replace(batch, tokens=padded(batch.tokens, self.tokenizer.eos))

    def codes(self, batch: LanguageBatch) -> Codes:
        clips = [self.data.features(*m) if isinstance(m, tuple) else m for m in batch.motions]
        return self.encoder.codes(torch.cat([self.encoder.posteriors([clip]) for clip in clips]))


def padded(tokens: Tokens, end: int) -> Tokens:
    """The same sequences in 192 tokens, all of which go through the model."""
    more = (0, PADDED - tokens.ids.shape[1])
    targets = F.pad(tokens.targets, more, value=IGNORE)
    targets[:, -1] = end  # something learned at the end, or nothing would hang on the padding
    return replace(
        tokens,
        ids=F.pad(tokens.ids, more, value=end),
        targets=targets,
        told=F.pad(tokens.told, more),
        masked=F.pad(tokens.masked, more),
        asked=F.pad(tokens.asked, more),
        valid=torch.ones_like(targets, dtype=torch.bool),
    )


@dataclass
class Watch:
    """Seconds of each part of each step."""

    steps: list[dict[str, float]] = field(default_factory=list)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        step = self.steps[-1]
        step[name] = step.get(name, 0.0) + time.perf_counter() - begun

    def around(self, owner: object, method: str, name: str) -> None:
        """Count the time of an object's method as a part."""
        inner = getattr(owner, method)

        def timed(*args, **kwargs):
            with self.part(name):
                return inner(*args, **kwargs)

        setattr(owner, method, timed)

    def medians(self) -> dict[str, float]:
        """Seconds of each part, and of whole steps, without the first, which warms up."""
        rows = [{**step, "step": sum(step.values())} for step in self.steps[1:]]
        return {name: median(row.get(name, 0.0) for row in rows) for name in (*PARTS, "step")}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="speed of paper-size training")
    parser.add_argument("--data", type=Path, help="processed set (default: prepared/)")
    parser.add_argument("--split", default="train")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=5, help="of each way, after one to warm up")
    parser.add_argument("--stages", nargs="+", help="only these")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write all figures here")
    options = parser.parse_args()
    folder = common.open_set(options)
    figures = measured(MotionText(folder, options.split), options)
    rates = [["stage", "way", "steps/s", "samples/s", "ratio"]]
    times = [["ms per step", "way", *PARTS, "step"]]
    for stage, ways in figures.items():
        for way, seconds in ways.items():
            ratio = ways["plain"]["step"] / seconds["step"]
            rate = 1 / seconds["step"]
            rates.append([stage, way, f"{rate:.3f}", f"{rate * options.batch:.2f}", f"{ratio:.2f}"])
            times.append([stage, way, *(f"{1000 * seconds[p]:.1f}" for p in (*PARTS, "step"))])
    tables = [common.table(rows[0], rows[1:]) for rows in (rates, times)]
    machine = {"threads": torch.get_num_threads(), "batch": options.batch, "steps": options.steps}
    common.report(options, folder, tables, targets(figures), {"stages": figures, **machine})


def targets(figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[common.Target]:
    """What the project asks of these figures."""
    judged = [
        common.Target(
            f"{stage}: samples/s, ours over plain",
            ways["plain"]["step"] / ways["ours"]["step"],
            LEAST_SPEEDUP[stage],
            at_least=True,
            digits=2,
        )
        for stage, ways in figures.items()
        if stage in LEAST_SPEEDUP
    ]
    if "generate" in figures:
        ours = figures["generate"]["ours"]
        share = (ours["data"] + ours["codes"]) / ours["step"]
        judged.append(
            common.Target("generate: data and codes, share of a step", share, MOST_LOADING)
        )
    return judged


def measured(
    data: MotionText, options: argparse.Namespace
) -> dict[str, dict[str, dict[str, float]]]:
    """Seconds of each part of a step, by stage and way."""
    torch.manual_seed(options.seed)
    recipe, tokenizer = PAPER_HUMANML3D, Tokenizer.load(GPT2_VOCABULARY)
    network = Bimodal(recipe.sizes(tokenizer.text_vocab)).train()
    vae = motion_codec(replace(recipe.vae.config, features=data.skeleton.dim))
    bundle = Bundle(vae, network, tokenizer, data.mean, data.std, {})
    size = 2 * recipe.vae.config.latents * recipe.vae.config.width
    codes = ClipCodes(torch.randn(len(data), size), torch.randn(len(data), size))
    chosen = [s for s in recipe.stages if s.name in (options.stages or s.name)]
    figures = {}
    for stage in common.track(chosen, "stages"):
        order = Order(data.weights(stage.balance), data.lengths(), options.batch, options.seed)
        jobs = {
            way: kind(bundle, data, order, stage.stage, codes)
            for way, kind in zip(WAYS, (Plain, LanguageJob), strict=True)
        }
        schedule = replace(stage.schedule, batch=options.batch)
        figures[stage.name] = timed(jobs, schedule, options.steps)
    return figures


def timed(
    jobs: Mapping[str, LanguageJob], schedule: Schedule, steps: int
) -> dict[str, dict[str, float]]:
    """Train one model both ways in turn; seconds of each part of a step."""
    watches = {way: Watch() for way in jobs}
    for way, job in jobs.items():
        job.parameters()
        watches[way].around(job, "codes", "codes")
    memory, heads = Memory(job, schedule.lr), job.network.heads
    losses = heads.losses
    for step in range(steps + 1):
        for way, job in jobs.items():
            heads.losses = losses
            watches[way].around(heads, "losses", "head")
            one_step(job, memory, schedule, step, watches[way])
    heads.losses = losses
    return {way: watch.medians() for way, watch in watches.items()}


def one_step(job: LanguageJob, memory: Memory, schedule: Schedule, step: int, watch: Watch) -> None:
    """What the training loop does, with a look at the clock in between."""
    watch.steps.append({})
    with watch.part("data"):
        batch = job.draw(step, range(schedule.batch))
    with watch.part("language model"):
        losses = job.losses(batch)
        loss = sum(job.terms[name] * loss for name, loss in losses.items())
    for inside in ("codes", "head"):
        watch.steps[-1]["language model"] -= watch.steps[-1].get(inside, 0.0)
    with watch.part("backward"):
        loss.backward()
    with watch.part("optimiser"):
        memory.clip(schedule.clip)
        memory.step(schedule, step)
        memory.optimizer.zero_grad(set_to_none=True)


if __name__ == "__main__":
    common.run(main)
