"""ONNX Runtime and OpenVINO beside PyTorch: do they say the same, and how fast are they?

    python bench/backends.py [--model FOLDER] [--graphs FOLDER] [--threads N] [--limit 50]
                             [--rounds 15] [--json OUT]

The model is exported, or taken from a folder that was. Same: captions of clips, and motions made of
the clips' captions one by one, in features divided by their standard deviation. Fast: parts of the
model and whole calls, timed in rounds in which each backend has its turn, as other work on the
machine then slows all alike; the medians, and the median over rounds of how many times PyTorch.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import common
import numpy as np
import torch

from motiongpt3.data.dataset import MotionText, spread
from motiongpt3.data.tasks import Task
from motiongpt3.model.checkpoint import SHIPPED
from motiongpt3.model.loading import load, read_bundle
from motiongpt3.model.motiongpt import MotionGPT
from motiongpt3.model.noise import item_generators
from motiongpt3.model.onnx_export import export
from motiongpt3.model.sampling import Sampling
from motiongpt3.motion.motion import Motion

PLAIN, TORCH, OTHERS = "plain", "torch", ("onnx", "openvino")
"""PyTorch with weights as it lays them, as `load` packs them for the CPU, and graphs."""
_PARITY, _FASTER = 1e-4, 1.3
_TOGETHER = 32
_PROMPT, _SECONDS = "a person waves the left hand", 4.0
WHOLE = ("generate 4 s", "generate, length unsaid", "caption 4 s")
"""The calls whose speed is judged, one motion at a time."""
Models = Mapping[str, MotionGPT]


def main() -> None:
    """Measure and print."""
    parser = common.arguments("backends beside PyTorch")
    parser.add_argument("--graphs", type=Path, help="a folder that export-onnx made of the model")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    options.limit = options.limit or 50
    torch.set_num_threads(options.threads)
    folder = common.open_set(options)
    with TemporaryDirectory() as place:
        models = opened(options, Path(place))
        alike = agreement(models, MotionText(folder, options.split), options.limit, options.seed)
        times = timed(models, options.rounds)
    fastest = {name: max(times[name][f"times {other}"] for other in OTHERS) for name in WHOLE}
    targets = [
        *(
            common.Target(f"{other}: captions alike", alike[other]["captions"], 1.0, True)
            for other in OTHERS
        ),
        *(
            common.Target(f"{other}: features / std", alike[other]["features"], _PARITY, digits=6)
            for other in OTHERS
        ),
        *(
            common.Target(f"{name}: times torch", times, _FASTER, True, 2)
            for name, times in fastest.items()
        ),
    ]
    header = ["ms", PLAIN, TORCH, *OTHERS, *(f"times {other}" for other in OTHERS)]
    rows = [[name, *(f"{found[key]:.2f}" for key in header[1:])] for name, found in times.items()]
    figures = {"threads": options.threads, "alike": alike, "milliseconds": times}
    common.report(options, folder, [common.table(header, rows)], targets, figures)


def opened(options: argparse.Namespace, place: Path) -> Models:
    """The model by every backend, with the same number of threads."""
    graphs = options.graphs
    if graphs is None:
        graphs = export(read_bundle(options.model or SHIPPED), place / "graphs")
    return {
        PLAIN: MotionGPT(read_bundle(options.model or SHIPPED)),
        TORCH: common.open_model(options),
        **{backend: load(graphs, backend=backend) for backend in OTHERS},
    }


def agreement(
    models: Models, data: MotionText, limit: int, seed: int
) -> dict[str, dict[str, float]]:
    """Share of captions that are the same, and the largest difference of features."""
    std = models[TORCH].codec.std.numpy()
    said: dict[str, list[str]] = {name: [] for name in models}
    furthest = dict.fromkeys(OTHERS, 0.0)
    for at in common.track(list(spread(len(data), limit)), "comparing"):
        features, caption = data.features(at), data.records[at].captions[0]
        clip = Motion(data.joints(at), data.skeleton.fps, data.skeleton, features)
        seconds = max(1.0, len(features) / data.skeleton.fps)
        made = {}
        for name, model in models.items():
            said[name].append(str(model.caption(clip)))
            made[name] = model.generate(caption, seconds, seed=seed).features / std
        for name in OTHERS:
            far = float(np.abs(made[name] - made[TORCH]).max())
            furthest[name] = max(furthest[name], far)
    pairs = {name: zip(said[TORCH], said[name], strict=True) for name in OTHERS}
    return {
        name: {
            "captions": float(np.mean([one == two for one, two in pairs[name]])),
            "features": furthest[name],
        }
        for name in OTHERS
    }


def timed(models: Models, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of every call by every backend, and how many times as fast as PyTorch."""
    found = {}
    for what in common.track(list(calls(models[TORCH])), "timing"):
        ready = [calls(model)[what] for model in models.values()]
        taken = dict(zip(models, common.in_turns(ready, rounds), strict=True))
        found[what] = {name: 1000 * median(values) for name, values in taken.items()}
        for other in OTHERS:
            shares = [one / two for one, two in zip(taken[TORCH], taken[other], strict=True)]
            found[what][f"times {other}"] = median(shares)
    return found


def calls(model: MotionGPT) -> dict[str, Callable[[], Any]]:
    """Parts of a model and whole calls, ready to be timed."""
    clip = model.generate(_PROMPT, _SECONDS, seed=0)
    assert isinstance(clip, Motion)
    many = [clip] * _TOGETHER
    return {
        **parts(model, clip, 1),
        **parts(model, clip, _TOGETHER),
        "generate 4 s": lambda: model.generate(_PROMPT, _SECONDS, seed=0),
        "generate, length unsaid": lambda: model.generate(_PROMPT, seed=0),
        "caption 4 s": lambda: model.caption(clip),
        f"generate {_TOGETHER} of 4 s": lambda: model.generate([_PROMPT] * _TOGETHER, _SECONDS),
        f"caption {_TOGETHER} of 4 s": lambda: model.caption(many),
    }


def parts(model: MotionGPT, clip: Motion, rows: int) -> dict[str, Callable[[], Any]]:
    """What the model does for so many motions, step by step."""
    network, vae, frames = model.network, model.codec.vae, len(clip)
    turn = model.maker.turn(Task.TEXT_TO_MOTION, _SECONDS, _PROMPT)
    prompt, none = model.packer.pack([turn] * rows), torch.zeros(0, 0)
    ids, length = torch.full((rows, 1), 5), torch.full((rows,), frames)
    features = torch.tensor(clip.decoded).expand(rows, -1, -1).contiguous()
    how, noise = Sampling(guidance=3.0, guided_from=600), item_generators(0, range(rows))
    everyone = torch.arange(rows)
    with torch.no_grad():
        past, _ = network.read(prompt, none)
        latents = vae.encode(features, length).mean
    made: dict[str, Callable[[], Any]] = {
        "read a prompt": lambda: network.read(prompt, none),
        "write a token": lambda: network.next_logits(ids, past.select(everyone)),
        "make a latent": lambda: network.make(prompt, none, [frames] * rows, noise, how),
        "encode 4 s": lambda: vae.encode(features, length),
        "decode 4 s": lambda: vae.decode(latents, length),
    }
    return {f"{name}, {rows} at once": torch.no_grad()(call) for name, call in made.items()}


if __name__ == "__main__":
    common.run(main)
