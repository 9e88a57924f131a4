"""What is looked at while training: figures that repeat to the bit, pictures, and their record."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from clips import archive, lines, tiny, trained_once, unchecked
from PIL import Image
from toys import SILENT

from motiongpt3.app.checking import watch
from motiongpt3.data.prepare import prepare
from motiongpt3.errors import InputError
from motiongpt3.evaluation.perplexity import perplexity, plain_english
from motiongpt3.model.checkpoint import Bundle, load_bundle
from motiongpt3.model.gpt import CONTROL_IDS
from motiongpt3.training.checks import Checked
from motiongpt3.training.start import Start
from motiongpt3.training.train import train

LANGUAGE = {"caption_perplexity", "english_perplexity"}
RECONSTRUCTION = {"reconstruction_mpjpe_mm", "reconstruction_root_m"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a processed set and the run of the tiny recipe on it."""
    return trained_once(tmp_path_factory.getbasetemp() / "tiny").parent


@pytest.fixture
def bundle(base: Path) -> Bundle:
    return load_bundle(base / "run" / "model")


def looked(at: Checked, data: Path, recipe=None) -> dict[str, float]:
    with unchecked():
        return dict(watch(recipe or tiny(), data)(at))


def test_figures_of_a_language_stage(base: Path, bundle: Bundle, tmp_path: Path) -> None:
    checked = Checked("generate", 4, bundle, tmp_path)
    figures = looked(checked, base / "set")
    assert figures.keys() == LANGUAGE | RECONSTRUCTION
    assert all(math.isfinite(value) and value > 0 for value in figures.values())
    assert looked(checked, base / "set") == figures
    assert json.loads((tmp_path / "checks.jsonl").read_text()) == {
        "step": 4,
        "figures": figures,
        "pictures": ["sheet-0000004.png"],
    }
    with Image.open(tmp_path / "sheet-0000004.png") as sheet:
        assert sheet.width > 600 and sheet.height > 600


def test_the_codec_is_shown_beside_what_it_was_given(
    base: Path, bundle: Bundle, tmp_path: Path
) -> None:
    figures = looked(Checked("vae", 4, bundle, tmp_path), base / "set")
    assert figures.keys() == RECONSTRUCTION
    assert (tmp_path / "sheet-0000004.png").is_file()


@pytest.mark.parametrize(("stage", "step"), [("text", 4), ("understand", 4), ("generate", 0)])
def test_no_motion_is_drawn_before_any_was_learned(
    base: Path, bundle: Bundle, tmp_path: Path, stage: str, step: int
) -> None:
    figures = looked(Checked(stage, step, bundle, tmp_path), base / "set")
    assert figures.keys() >= LANGUAGE
    assert [path.name for path in tmp_path.iterdir()] == ["checks.jsonl"]


def test_a_set_without_held_out_clips_leaves_their_figures_out(
    bundle: Bundle, tmp_path: Path
) -> None:
    prepare([archive(tmp_path / "raw", lines(1))], tmp_path / "set")
    (tmp_path / "stage").mkdir()
    for stage, names in (("vae", set()), ("generate", {"english_perplexity"})):
        figures = looked(Checked(stage, 4, bundle, tmp_path / "stage"), tmp_path / "set")
        assert figures.keys() == names


def test_what_is_not_a_person_is_not_drawn(base: Path, bundle: Bundle, tmp_path: Path) -> None:
    for weight in bundle.vae.parameters():
        weight.data.fill_(math.nan)
    for stage in ("vae", "generate"):
        looked(Checked(stage, 4, bundle, tmp_path), base / "set")
    assert [path.name for path in tmp_path.iterdir()] == ["checks.jsonl"]


def test_steps_that_are_made_again_are_recorded_once(
    base: Path, bundle: Bundle, tmp_path: Path
) -> None:
    record = tmp_path / "checks.jsonl"
    before = [{"step": step, "figures": {}, "pictures": []} for step in (2, 4, 6)]
    record.write_text("".join(json.dumps(line) + "\n" for line in before) + '{"step": 8, "fig')
    looked(Checked("text", 4, bundle, tmp_path), base / "set")
    after = [json.loads(line) for line in record.read_text().splitlines()]
    assert [line["step"] for line in after] == [2, 4]
    assert after[0] == before[0] and after[1]["figures"]


@pytest.mark.parametrize("name", ["align", "finetune"])
def test_perplexities_are_bit_equal_where_text_is_frozen_and_only_there(
    base: Path, tmp_path: Path, name: str
) -> None:
    """Acceptance: a run that loses language is visible."""
    recipe = tiny()
    recipe = replace(recipe, stages=tuple(s for s in recipe.stages if s.name == name))
    start = base / "run" / "model"
    before = looked(Checked(name, 0, load_bundle(start), tmp_path), base / "set", recipe)
    out = tmp_path / "run"
    with unchecked():
        model = train(recipe, base / "set", out, SILENT, start=Start(load_bundle(start)))
    trained = load_bundle(model)
    after = looked(Checked(name, 4, trained, tmp_path), base / "set", recipe)
    moved = load_bundle(start).network.state_dict()
    assert any(not torch.equal(w, moved[k]) for k, w in trained.network.state_dict().items())
    for figure in LANGUAGE:
        assert (before[figure].hex() == after[figure].hex()) is (name == "align")


def test_control_tokens_do_not_count_among_the_words(bundle: Bundle) -> None:
    texts = ["a person waves.", "someone walks"]
    before = perplexity(bundle.network, bundle.tokenizer, texts)
    bundle.network.gpt.control.weight.data.mul_(100)
    assert perplexity(bundle.network, bundle.tokenizer, texts) == before


def test_a_model_that_knows_nothing_is_as_perplexed_as_there_are_words(bundle: Bundle) -> None:
    for weight in bundle.network.parameters():
        weight.data.zero_()
    words = bundle.network.gpt.config.vocab - CONTROL_IDS
    assert perplexity(bundle.network, bundle.tokenizer, plain_english()) == pytest.approx(words)


def test_perplexity_is_that_of_tokens_read_one_by_one(bundle: Bundle) -> None:
    texts = ["a person waves the left hand.", "he turns"]
    gpt, tokenizer = bundle.network.gpt, bundle.tokenizer
    losses = []
    for text in texts:
        ids = [*tokenizer.encode(text), tokenizer.eos]
        for end in range(1, len(ids)):
            read = torch.tensor([ids[:end]])
            hidden = gpt(gpt.embed(read), torch.zeros_like(read))
            scores = gpt.logits(hidden[0, -1])[:-CONTROL_IDS].double()
            losses.append(-scores.log_softmax(0)[ids[end]].item())
    expected = math.exp(sum(losses) / len(losses))
    assert perplexity(bundle.network, tokenizer, texts) == pytest.approx(expected, rel=1e-5)


def test_texts_longer_than_the_context_are_read_as_far_as_it_goes(bundle: Bundle) -> None:
    context = bundle.network.config.gpt.context
    long = "walks " * 2 * context
    assert perplexity(bundle.network, bundle.tokenizer, [long]) > 1
    with pytest.raises(InputError, match="no text"):
        perplexity(bundle.network, bundle.tokenizer, [])


def test_the_plain_english_sample_is_about_no_motion_capture() -> None:
    words = " ".join(plain_english()).split()
    assert 250 < len(words) < 400
    assert not {"motion", "skeleton", "joints", "left", "right"} & {w.lower() for w in words}
