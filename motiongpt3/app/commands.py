"""The commands that make, read and change motions: check, load, call, write, show."""

import time
import warnings
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import motiongpt3
from motiongpt3.app import arguments, library, skeletons
from motiongpt3.app.show import doing, say, say_json, say_warning, working
from motiongpt3.errors import InputError

if TYPE_CHECKING:
    from motiongpt3.motion.motion import Motion


def generate(options: Namespace) -> int:
    """Text to motion; with --prompts a folder of motions, one for each prompt of a file."""
    if options.prompts is not None:
        return library.generate(options)
    if options.text is None:
        raise InputError("no TEXT", where="generate", hint="say what happens, or give --prompts")
    text = arguments.prompt(options.text)
    arguments.outputs(options.out, options.samples)
    skeletons.check(options, options.out)
    sampling = arguments.sampling(options)
    model = _load(options)
    begun = time.perf_counter()
    with working("generating"):
        motions = model.generate(
            text, options.seconds, seed=options.seed, samples=options.samples, sampling=sampling
        )
    if options.clean:
        motions = [motion.clean() for motion in motions]
    return _deliver(options, motions, model, time.perf_counter() - begun)


def caption(options: Namespace) -> int:
    """Motion to text; with -o a table of all clips of folders and lists."""
    if options.out is not None:
        return library.caption(options)
    for path in options.clips:
        if path.is_dir() or path.suffix.lower() == ".txt":
            hint = "with -o TABLE all its clips are described"
            raise InputError("is no clip", where=str(path), hint=hint)
    clips = [read_clip(path) for path in options.clips]
    model = _load(options)
    with working("describing"):
        texts = model.caption(clips)
    if options.json:
        pairs = zip(options.clips, texts, strict=True)
        say_json([{"file": str(path), "caption": text} for path, text in pairs])
    else:
        for path, text in zip(options.clips, texts, strict=True):
            say(text if len(texts) == 1 else f"{path}: {text}")
    return 0


def predict(options: Namespace) -> int:
    """Continue a clip; its own frames stay as they are."""
    text = None if options.text is None else arguments.prompt(options.text)
    arguments.outputs(options.out)
    skeletons.check(options, options.out)
    sampling = arguments.sampling(options)
    clip = read_clip(options.clip)
    model = _load(options)
    begun = time.perf_counter()
    with working("predicting"):
        motion = model.predict(clip, options.seconds, text, seed=options.seed, sampling=sampling)
    return _deliver(options, [motion], model, time.perf_counter() - begun)


def inbetween(options: Namespace) -> int:
    """Join two clips by a motion from one to the other."""
    text = None if options.text is None else arguments.prompt(options.text)
    arguments.outputs(options.out)
    skeletons.check(options, options.out)
    sampling = arguments.sampling(options)
    start, end = read_clip(options.start), read_clip(options.end)
    model = _load(options)
    begun = time.perf_counter()
    with working("filling in"):
        motion = model.inbetween(
            start, end, options.seconds, text, seed=options.seed, sampling=sampling
        )
    return _deliver(options, [motion], model, time.perf_counter() - begun)


def convert_checkpoint(options: Namespace) -> int:
    """The official release's checkpoint to a model folder of ours."""
    _check_new(options.out)
    from motiongpt3.model.checkpoint import save
    from motiongpt3.model.loading import read_bundle

    with working(f"reading {options.source}"):
        bundle = read_bundle(options.source)
    with working(f"writing {options.out}"):
        save(bundle, options.out, options.half)
    if options.json:
        say_json({"folder": str(options.out), "name": bundle.card["name"]})
    else:
        say(f"{options.out}  {bundle.card['name']}")
    return 0


def export_onnx(options: Namespace) -> int:
    """A model to ONNX graphs, which ONNX Runtime and OpenVINO run."""
    _check_new(options.out)
    from motiongpt3.model.checkpoint import SHIPPED
    from motiongpt3.model.loading import read_bundle
    from motiongpt3.model.onnx_export import export

    with working(f"reading {options.model}"):
        bundle = read_bundle(SHIPPED if options.model == "shipped" else options.model)
    with doing("exporting") as now:
        export(bundle, options.out, now)
    files = {file.name: file.stat().st_size for file in sorted(options.out.glob("*.onnx"))}
    if options.json:
        say_json({"folder": str(options.out), "name": bundle.card["name"], "bytes": files})
    else:
        for name, size in files.items():
            say(f"{name:<15} {size / 1e6:7.1f} MB")
        say(f"{options.out}  {bundle.card['name']}")
    return 0


def _check_new(folder: Path) -> None:
    """Refuse a folder that holds something, or cannot be made."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError("is not an empty folder", where=str(folder), hint="name a new one")
    arguments.writable(folder if folder.is_dir() else folder.resolve().parent)


def read_clip(path: Path, **options: Any) -> "Motion":
    """A motion file; options as `Motion.read`."""
    from motiongpt3.motion.motion import Motion

    return Motion.read(path, **options)


def _load(options: Namespace) -> Any:
    with working("loading the model"), warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: say_warning(str(message))
        return motiongpt3.load(
            options.model,
            device=options.device,
            backend=options.backend,
            precision=options.precision,
        )


def _deliver(options: Namespace, motions: Sequence["Motion"], model: Any, took: float) -> int:
    """Write every motion to every file asked for and say so."""
    results: list[dict[str, Any]] = []
    for index, motion in enumerate(motions):
        paths = [arguments.numbered(path, index, len(motions)) for path in options.out]
        back: dict[str, float] = {}
        for path in paths:
            with working(f"writing {path}"):
                back = skeletons.write(motion, path, options.skeleton) or back
        files = {"files": [str(path) for path in paths]}
        results.append({**files, **facts(motion), **round_trip(back)})
    if options.caption_back:
        with working("describing"):
            captions = model.caption(list(motions))
        for result, text in zip(results, captions, strict=True):
            result["caption"] = text
    if options.json:
        say_json({"seed": options.seed, "took_seconds": round(took, 3), "motions": results})
        return 0
    for motion, result in zip(motions, results, strict=True):
        say(f"{'  '.join(result['files'])}  {size(motion)}")
        if "round_trip" in result:
            say(skeletons.words(result["round_trip"]))
        if "caption" in result:
            say(f"the model sees: {result['caption']}")
    say(f"made in {took:.2f} s")
    return 0


def facts(motion: "Motion") -> dict[str, Any]:
    """What is told of a motion as JSON."""
    return {
        "frames": len(motion),
        "fps": motion.fps,
        "seconds": round(motion.seconds, 3),
        "provenance": {key: _plain(value) for key, value in motion.provenance.items()},
    }


def round_trip(fidelity: dict[str, float]) -> dict[str, Any]:
    """What came back of a motion on other bones, where it was put on any."""
    return {"round_trip": fidelity} if fidelity else {}


def _plain(value: Any) -> Any:
    """What JSON can hold; anything else as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def size(motion: "Motion") -> str:
    """How long a motion is, in words."""
    return f"{len(motion)} frames, {motion.seconds:.2f} s"
