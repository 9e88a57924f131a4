"""Training an evaluator: losses as published, strangers that are strangers, exact resumption."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import kit
import numpy as np
import pytest
import torch
from clips import archive, lines, published, unchecked
from jobs import Killed, killed_at
from test_words import glove
from torch import Tensor
from toys import SILENT

from motiongpt3.app.cli import main
from motiongpt3.data.dataset import MotionText, Order
from motiongpt3.data.prepare import prepare
from motiongpt3.errors import CorruptError, InputError
from motiongpt3.evaluation.separation import separation
from motiongpt3.formats.files import digest
from motiongpt3.model.guo import GuoConfig
from motiongpt3.model.text_motion import TextMotion, load_evaluator, networks_of
from motiongpt3.model.tmr import TMRConfig
from motiongpt3.model.words import Vocabulary
from motiongpt3.training.evaluator import GuoRecipe, TMRRecipe, train_evaluator
from motiongpt3.training.matching import (
    Augmentation,
    Contrast,
    Margin,
    MatchJob,
    Meanings,
    squared_distances,
)
from motiongpt3.training.stage import Schedule, Upkeep

RECIPES = {
    "guo": GuoRecipe(
        name="guo",
        networks=GuoConfig(word=16, text=16, movement=16, motion=16, embedding=8),
        loss=Margin(),
        schedule=Schedule(steps=20, batch=8, lr=3e-3, warmup=2),
    ),
    "tmr": TMRRecipe(
        name="tmr",
        networks=TMRConfig(width=16, layers=1, feedforward=16, embedding=8, frames_per_token=4),
        loss=Contrast(),
        schedule=Schedule(steps=20, batch=8, lr=3e-3, warmup=2),
    ),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("matching")
    prepare([archive(base / "raw", lines(8))], base / "set")
    return base / "set"


def pairs(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    texts, motions = torch.randn(2, 6, 4, generator=generator)
    strangers = torch.rand(6, 6, generator=generator) < 0.7
    return texts, motions, strangers & ~torch.eye(6, dtype=torch.bool)


def test_the_margin_is_guos() -> None:
    """Pair by pair, as T2M's ContrastiveLoss (networks/modules.py) has it for 0 and 1."""
    texts, motions, strangers = pairs()
    own, others = [], []
    for i in range(6):
        for j in range(6):
            distance = float((texts[i] - motions[j]).norm())
            if i == j:
                own.append(distance**2)
            elif strangers[i, j]:
                others.append(max(3.0 - distance, 0) ** 2)
    loss = Margin(3.0)(squared_distances(texts, motions), strangers)
    assert float(loss) == pytest.approx(np.mean(own) + np.mean(others), rel=1e-5)


def test_the_contrast_is_infonce_of_cosines() -> None:
    """Both directions summed by hand, over what is its own or a stranger."""
    texts, motions, strangers = pairs(1)
    texts, motions = (x / x.norm(dim=1, keepdim=True) for x in (texts, motions))
    scores, losses = (texts @ motions.T / 0.1).double().exp(), []
    for table, allowed in ((scores, strangers), (scores.T, strangers.T)):
        for i in range(6):
            rest = sum(table[i, j] for j in range(6) if i == j or allowed[i, j])
            losses.append(-torch.log(table[i, i] / rest))
    loss = Contrast(0.1)(squared_distances(texts, motions), strangers)
    assert float(loss) == pytest.approx(float(torch.stack(losses).mean()), rel=1e-4)


def test_who_is_a_stranger(data: Path) -> None:
    """Left and right are; the same action, a mirrored partner and a shared sentence are not."""
    text = MotionText(data, "train")
    at = {record.id: index for index, record in enumerate(text.records)}
    meanings = Meanings(text, alike=2.0)
    shown = [("wave_left0", False), ("wave_left1", False), ("wave_right0", False),
             ("wave_right0", True), ("walk0", False), ("walk0", True), ("turn0", False),
             ("turn0", True)]  # fmt: skip
    clips = [(at[name], mirrored) for name, mirrored in shown]
    said = [meanings.captions(*clip)[0] for clip in clips]
    strangers = meanings.strangers(said, clips)
    kinds = ["L", "L", None, "L", "W", "W", "TL", "TR"]
    for i, a in enumerate(kinds):
        for j, b in enumerate(kinds):
            if None not in (a, b):
                # The label of a wave names no side here: both sides are the same action.
                assert strangers[i, j] == (a != b), (shown[i], shown[j])
    assert said[0] != said[2] and said[3] == said[0]


def test_nearly_the_same_caption_is_no_stranger(data: Path) -> None:
    text = MotionText(data, "train")
    at = {record.id: index for index, record in enumerate(text.records)}
    clips = [(at["walk0"], False), (at["turn0"], False)]
    said = ["a person walks forward.", "a person walks and turns to the left."]
    assert Meanings(text, alike=0.99).strangers(said, clips)[0, 1]
    assert not Meanings(text, alike=0.05).strangers(said, clips)[0, 1]


def job(data: Path, **changed: float) -> MatchJob:
    text = MotionText(data, "train")
    vocabulary = Vocabulary.learn([c for r in text.records for c in r.captions])
    torch.manual_seed(0)
    networks = networks_of(replace(RECIPES["guo"].networks, vocabulary=len(vocabulary)))
    order = Order(text.weights(), text.lengths(), 8, 0)
    return MatchJob(networks, vocabulary, text, order, Margin(), Augmentation(**changed))


def test_captions_follow_their_mirrored_clips(data: Path) -> None:
    """Without other changes a drawn pair is a clip of the set, or its mirror image."""
    made = job(data, varied=0.0, unknown=0.0, cropped=0.0)
    text, seen = made.data, set()
    for step in range(6):
        batch = made.draw(step, range(8))
        for row, index in enumerate(made.order.clips(step)):
            length = int(batch.length[row])
            clip = batch.features[row, :length] * text.std + text.mean
            found = [
                np.allclose(clip, text.features(int(index), m), atol=1e-3) for m in (False, True)
            ]
            assert sum(found) == 1
            options = made.vocabulary.encode(made.meanings.captions(int(index), found[1]))
            ids = batch.words.ids[row, : batch.words.length[row]].tolist()
            assert ids in [list(o[:n]) for o, n in zip(options.ids, options.length, strict=True)]
            seen.add(found[1])
    assert seen == {True, False}


def test_some_words_are_forgotten_and_some_frames_lost(data: Path) -> None:
    whole = [job(data, varied=0.0, unknown=0.0, cropped=0.0).draw(s, range(8)) for s in range(9)]
    less = [job(data, varied=0.0, unknown=0.3, cropped=1.0).draw(s, range(8)) for s in range(9)]
    gone = words = 0
    for a, b in zip(whole, less, strict=True):
        assert (b.length <= a.length).all() and (b.length >= a.length * 0.9 - 1).all()
        for row, length in enumerate(b.words.length):
            gone += int((b.words.ids[row, 1 : length - 1] == 0).sum())
            words += int(length) - 2
            assert (b.words.ids[row, [0, length - 1]] != 0).all()
    assert sum(int((a.length > b.length).sum()) for a, b in zip(whole, less, strict=True)) > 20
    assert 0.2 < gone / words < 0.4


@pytest.mark.parametrize("kind", list(RECIPES))
def test_a_killed_training_goes_on_exactly(kind: str, data: Path, tmp_path: Path) -> None:
    """Weights, checks and choice are those of a run that nobody disturbs, to the last bit."""
    recipe, upkeep = RECIPES[kind], Upkeep(save_every=4, check_every=3)
    judge = partial(separation, data=MotionText(data, "val"), draws=2)
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    with unchecked():
        train_evaluator(recipe, data, straight, SILENT, upkeep, judge)
        for step in (2, 11, 19):
            with pytest.raises(Killed):
                going = replace(upkeep, resume=step > 2)
                train_evaluator(recipe, data, killed, killed_at(step), going, judge)
        train_evaluator(recipe, data, killed, SILENT, replace(upkeep, resume=True), judge)
    for name in ("evaluator/model.safetensors", "matching/checks.jsonl", "words.json"):
        assert digest(straight / name) == digest(killed / name), name
    checks = [json.loads(line) for line in (killed / "matching/checks.jsonl").open()]
    assert [check["step"] for check in checks] == [0, 3, 6, 9, 12, 15, 18, 20]
    best = max(checks, key=lambda check: check["figures"]["score"])
    chosen = load_evaluator(killed / "evaluator").card["chosen"]
    assert chosen == {"step": best["step"], "val": best["figures"]}
    (killed / "matching/best.safetensors").write_bytes(b"damaged")
    with unchecked(), pytest.raises(CorruptError, match="best.safetensors: cannot be read"):
        train_evaluator(recipe, data, killed, SILENT, replace(upkeep, resume=True), judge)


def test_training_teaches_something(data: Path, tmp_path: Path) -> None:
    """Walks, turns and waves of either hand that it never saw are told apart better than before."""
    recipe = replace(RECIPES["tmr"], schedule=Schedule(steps=120, batch=16, lr=3e-3, warmup=5))
    figures = []
    held_out = MotionText(data, "test")

    def watched(evaluator: TextMotion) -> dict[str, float]:
        figures.append(separation(evaluator, held_out, draws=4))
        return figures[-1]

    with unchecked():
        train_evaluator(recipe, data, tmp_path / "run", SILENT, Upkeep(check_every=60), watched)
    assert figures[-1]["distinct 1"] > max(0.5, figures[0]["distinct 1"])


def test_kit_ml_has_evaluators_too(tmp_path: Path) -> None:
    """The same recipes; a set without labels is judged in plain groups alone."""
    prepare([published(tmp_path / "raw", kit.lines(4))], tmp_path / "set")
    judge = partial(separation, data=MotionText(tmp_path / "set", "val"), draws=2)
    short = replace(RECIPES["guo"], schedule=replace(RECIPES["guo"].schedule, steps=3))
    with unchecked():
        folder = train_evaluator(short, tmp_path / "set", tmp_path / "run", SILENT, judge=judge)
    evaluator = load_evaluator(folder)
    assert (evaluator.networks.config.features, evaluator.card["skeleton"]) == (251, "kit")
    val = evaluator.card["chosen"]["val"]
    assert [val[f"plain {k}"] for k in (1, 2, 3)] == [val[f"distinct {k}"] for k in (1, 2, 3)]


@pytest.mark.parametrize("kind", list(RECIPES))
def test_given_word_vectors_stay_as_they_are(kind: str, data: Path, tmp_path: Path) -> None:
    words = {"unk": 0, "sos": 1, "eos": 2, "a": 3, "person": 4, "walk": 5, "wave": 6, "hand": 7}
    place = glove(tmp_path / "glove", list(words), words, 16)
    recipe = replace(RECIPES[kind], glove=str(place))
    with unchecked():
        folder = train_evaluator(recipe, data, tmp_path / "run", SILENT)
    made = load_evaluator(folder)
    table = torch.arange(8 * 16.0).view(8, 16)
    assert torch.equal(made.networks.words.weight, table) and made.vocabulary.words == tuple(words)
    glove(tmp_path / "glove", list(words), words, 12)
    with pytest.raises(InputError, match="are 12 wide, the recipe says 16"):
        train_evaluator(recipe, data, tmp_path / "other", SILENT)


def test_what_cannot_be_trained_is_refused(data: Path, tmp_path: Path) -> None:
    parts = replace(RECIPES["guo"], schedule=replace(RECIPES["guo"].schedule, parts=2))
    with pytest.raises(InputError, match="compared with all others"):
        train_evaluator(parts, data, tmp_path / "a", SILENT)
    with pytest.raises(InputError, match="no our_vab_data.npy"):
        train_evaluator(replace(RECIPES["guo"], glove=str(tmp_path)), data, tmp_path / "b", SILENT)


def test_the_command_trains_says_and_resumes(data: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "run"
    small = "--schedule.steps 4 --schedule.batch 8 --networks.width 16 --networks.layers 1".split()
    command = ["train-evaluator", str(data), "--kind", "tmr", "-o", str(out), *small]
    with unchecked():
        assert main([*command, "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert said["chosen"]["step"] in (0, 4) and said["bytes"] < 15 * 2**20
        assert said["sha256"] == load_evaluator(out / "evaluator").hash
        assert main(command) == InputError.exit_code
        assert "--resume goes on" in capsys.readouterr().err
        assert main([*command, "--resume"]) == 0
        assert "R-precision" in capsys.readouterr().out
        assert main([*command, "--schedule.colour", "3"]) == InputError.exit_code
    (out / "evaluator" / "words.json").write_text("{}")
    with pytest.raises(CorruptError):
        load_evaluator(out / "evaluator")
