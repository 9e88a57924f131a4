"""How much faster is the engine than the paper's way of using its own model?

python bench/engine.py [--repeats 3] [--json OUT]

The paper's sizes with random weights. The baseline (bench/naive.py) pads prompts to 192 tokens,
runs both branches over all of them and works out condition and modulations at every step. Both are
timed in turns in one process, but captions of bf16 and int8, which stand beside the baseline's time
in fp32. "at least" is what this machine's own limits leave: the products of the engine at the
measured rate of products, or their weights at the measured rate of reading.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from common import Target, in_turns, run, table
from naive import Naive

from motiongpt3.data.tasks import Task
from motiongpt3.evaluation.machine import Machine, measure_machine
from motiongpt3.evaluation.parts import measure_parts
from motiongpt3.model.bimodal import Bimodal
from motiongpt3.model.checkpoint import Bundle
from motiongpt3.model.conventions import OFFICIAL
from motiongpt3.model.maker import Request
from motiongpt3.model.motiongpt import MotionGPT
from motiongpt3.model.noise import item_generators
from motiongpt3.model.official import SIZES
from motiongpt3.model.packing import Precision, available
from motiongpt3.model.sampling import Sampling
from motiongpt3.model.sequence import Turn
from motiongpt3.model.tokenizer import GPT2_VOCABULARY, Tokenizer
from motiongpt3.model.vae import MotionVAE, VAEConfig

FRAMES, TOKENS, GUIDANCE = 196, 40, 3.0
PAPER = Sampling("ddpm", 100, GUIDANCE, guided_from=0)
FEW = Sampling(guidance=GUIDANCE, guided_from=0)
SAYS = "a person walks forward, then turns to the left and waves the right hand"


@dataclass(frozen=True)
class Row:
    """One thing timed both ways; seconds, medians of runs in turns."""

    name: str
    naive: float
    engine: float
    floor: float

    @property
    def ratio(self) -> float:
        """How many times faster the engine is."""
        return self.naive / self.engine


def paper_bundle() -> Bundle:
    """The paper's sizes, random weights, the vocabulary of GPT-2."""
    torch.manual_seed(0)
    features = VAEConfig().features
    network, vae = Bimodal(SIZES).eval(), MotionVAE(VAEConfig()).eval()
    card = {"name": "random", "hip_sign": "released", "conventions": asdict(OFFICIAL)}
    mean, std = np.zeros(features, np.float32), np.ones(features, np.float32)
    return Bundle(vae, network, Tokenizer.load(GPT2_VOCABULARY), mean, std, card)


class Way:
    """Motions and captions by the engine."""

    def __init__(self, bundle: Bundle, precision: Precision | None):
        self.model = MotionGPT(bundle, "cpu", precision)
        self.turn = self.model.maker.turn(Task.TEXT_TO_MOTION, FRAMES / 20, SAYS)
        self.latents = torch.randn(8, 256, generator=torch.Generator().manual_seed(0))
        self.question = Turn(("Generate text: ", *self.told()), "text")

    def told(self) -> tuple[object, ...]:
        """The place of a motion in a question."""
        return tuple(p for p in self.model.templates.canonical(Task.MOTION_TO_TEXT).question
                     if not isinstance(p, str))  # fmt: skip

    def motions(self, number: int, sampling: Sampling) -> list[np.ndarray]:
        """Features of some motions."""
        requests = [Request(self.turn, (), FRAMES, index) for index in range(number)]
        return self.model.maker.make(requests, 0, sampling)

    def captions(self, number: int) -> list[list[int]]:
        """Ids of captions; random weights do not end them sooner."""
        prompt = self.model.packer.pack([self.question] * number)
        cache, logits = self.model.network.read(prompt, self.latents[:number])
        return self.model.network.answer(cache, logits, (-1, TOKENS))


class NaiveWay(Way):
    """The same by the baseline."""

    def __init__(self, bundle: Bundle):
        super().__init__(bundle, None)
        self.naive = Naive(self.model)

    def motions(self, number: int, sampling: Sampling) -> list[np.ndarray]:
        prompt = self.model.packer.pack([self.turn] * number)
        noise = item_generators(0, range(number))
        made = self.naive.make(prompt, [FRAMES] * number, noise, sampling)
        return [np.asarray(clip) for clip in made]

    def captions(self, number: int) -> list[list[int]]:
        prompt = self.model.packer.pack([self.question] * number)
        return self.naive.write(prompt, self.latents[:number], TOKENS).tolist()


def floor_of(way: Way, call: Callable[[], object], machine: Machine) -> float:
    """Seconds that a call takes at least on this machine."""
    return sum(part.floor_seconds or 0.0 for part in measure_parts(way.model, call, 1, machine))


def same(naive: NaiveWay, engine: Way) -> float:
    """The largest difference of any number of two motions, and captions alike."""
    pairs = zip(naive.motions(2, PAPER), engine.motions(2, PAPER), strict=True)
    if naive.captions(2) != engine.captions(2):
        raise AssertionError("captions differ")
    return max(float(np.abs(one - other).max()) for one, other in pairs)


def rows_of(naive: NaiveWay, way: Way, repeats: int, machine: Machine) -> list[Row]:
    """Motions and captions both ways, alone and eight at once."""
    rows = []
    for number in (1, 8):
        # The baseline takes the paper's 100 steps, whatever the engine takes.
        calls = [
            partial(naive.motions, number, PAPER),
            *(partial(way.motions, number, s) for s in (PAPER, FEW)),
        ]
        slow, *quick = map(median, in_turns(calls, repeats))
        for sampling, seconds, call in zip((PAPER, FEW), quick, calls[1:], strict=True):
            name = f"{number} x {FRAMES} frames, {sampling.sampler} {sampling.steps}"
            rows.append(Row(name, slow, seconds, floor_of(way, call, machine)))
    for number in (1, 8):
        calls = [partial(naive.captions, number), partial(way.captions, number)]
        slow, seconds = map(median, in_turns(calls, repeats))
        rows.append(
            Row(caption_name(number, "fp32"), slow, seconds, floor_of(way, calls[1], machine))
        )
    return rows


def caption_name(number: int, precision: Precision) -> str:
    """What a row of captions is called."""
    return f"{number} x {TOKENS} tokens, {precision}"


def less_exact(
    way: Way, precision: Precision, baseline: Sequence[Row], repeats: int, machine: Machine
) -> list[Row]:
    """Captions in another precision, beside the baseline's time as it was measured before."""
    rows = []
    for number in (1, 8):
        call = partial(way.captions, number)
        slow = next(row.naive for row in baseline if row.name == caption_name(number, "fp32"))
        seconds = median(in_turns([call], repeats)[0])
        name = caption_name(number, precision)
        rows.append(Row(name, slow, seconds, floor_of(way, call, machine)))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write all figures here")
    options = parser.parse_args()
    bundle = paper_bundle()
    naive, difference = NaiveWay(bundle), 0.0
    rows: list[Row] = []
    for precision in available():
        machine = measure_machine(precision)
        way = Way(deepcopy(bundle), precision)
        print(
            f"{precision}: {machine.gflops:.0f} GFLOP/s, {machine.copy_gbs:.0f} GB/s copied, "
            f"{machine.threads} thread(s)"
        )
        if precision == "fp32":
            difference = same(naive, way)
            rows = rows_of(naive, way, options.repeats, machine)
        else:
            rows += less_exact(way, precision, rows, options.repeats, machine)
    written = [
        [
            row.name,
            f"{row.naive:.3f}",
            f"{row.engine:.3f}",
            f"{row.ratio:.1f}",
            f"{row.floor:.3f}",
            f"{row.floor / row.engine:.0%}",
        ]
        for row in rows
    ]
    print(table(("", "baseline, s", "engine, s", "times", "at least, s", "share"), written))
    targets = [
        Target("motions differ by at most", difference, 1e-4, digits=6),
        *(Target(f"{r.name}: times", r.ratio, 8.0, True, 1) for r in rows if "ddpm" in r.name),
    ]
    print(table(["target", "measured", "limit", ""], [target.row() for target in targets]))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    run(main)
