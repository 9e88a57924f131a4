"""Tokenizer: round trips, control ids out of reach of any text, dropout, files, GPT-2."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motiongpt3.errors import CorruptError, InputError
from motiongpt3.model.tokenizer import Tokenizer, check_prompt

CAPTIONS = [
    f"a person {verb} the {side} {part} for {n}.{n} seconds."
    for verb in ("raises", "waves", "lowers", "shakes", "lifts")
    for side in ("left", "right")
    for part in ("hand", "arm", "leg")
    for n in range(10)
]
CONTROL_TEXTS = [
    "<som>", "<eom>", "<motion_in>", "<motion_out>", "<|endoftext|>", "<start_of_motion>",
    "＜som＞", "<so", "m>", "<s\u200bom>", "<SOM>", "<som><som>", "<|endof", "text|>", "</s>",
]  # fmt: skip


@pytest.fixture(scope="module")
def small() -> Tokenizer:
    return Tokenizer.train(CAPTIONS, vocab=400)


@pytest.fixture(scope="module")
def gpt2(data: Path) -> Tokenizer:
    return Tokenizer.gpt2(data / "reference" / "gpt2")


def control_ids(tokenizer: Tokenizer) -> list[int]:
    t = tokenizer
    return [t.eos, t.som, t.eom, t.motion_in, t.motion_out]


def test_ids_are_laid_out_text_first(small: Tokenizer) -> None:
    n = small.base_vocab
    assert control_ids(small) == [n, n + 1, n + 2, n + 3, n + 4]
    assert small.text_vocab == n + 3 <= 400


def test_digits_stay_single_and_case_does_not_matter(small: Tokenizer) -> None:
    pieces = [small.decode([i]) for i in small.encode("4.2")]
    assert pieces == ["4", ".", "2"]
    assert small.encode("A Person WAVES") == small.encode("a person waves")


hostile = st.lists(st.one_of(st.sampled_from(CONTROL_TEXTS), st.text(max_size=12)), max_size=6).map(
    "".join
)


@settings(max_examples=400, deadline=None)
@given(text=hostile)
def test_no_text_becomes_a_control_id(small: Tokenizer, text: str) -> None:
    ids = small.encode(text)
    assert not set(ids) & set(control_ids(small))
    assert small.decode(ids) == small.normalize(text)


@settings(max_examples=400, deadline=None)
@given(text=hostile)
def test_no_text_becomes_a_control_id_in_gpt2(gpt2: Tokenizer, text: str) -> None:
    ids = gpt2.encode(text)
    assert not set(ids) & set(control_ids(gpt2))
    assert gpt2.decode(ids) == text


@settings(max_examples=100, deadline=None)
@given(text=hostile, dropout=st.floats(0.01, 1.0), seed=st.integers(0, 9))
def test_dropout_splits_words_but_keeps_the_text(
    small: Tokenizer, text: str, dropout: float, seed: int
) -> None:
    ids = small.encode(text, dropout, np.random.default_rng(seed))
    assert ids == small.encode(text, dropout, np.random.default_rng(seed))
    assert small.decode(ids) == small.normalize(text)
    assert not set(ids) & set(control_ids(small))


def test_dropout_merges_as_the_library_does_when_nothing_is_dropped(small: Tokenizer) -> None:
    rng = np.random.default_rng(0)
    for text in [*CAPTIONS, *CONTROL_TEXTS, "naïve  café\n\t 12 🏃"]:
        assert small.encode(text, 1e-300, rng) == small.encode(text)
    longer = [small.encode(text, 0.3, rng) for text in CAPTIONS]
    assert sum(map(len, longer)) > sum(map(len, small.encode_batch(CAPTIONS)))


def test_training_and_files_are_repeatable(small: Tokenizer, tmp_path: Path) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    small.save(first)
    Tokenizer.train(CAPTIONS, vocab=400).save(second)
    assert first.read_bytes() == second.read_bytes()
    loaded = Tokenizer.load(first)
    assert loaded.encode_batch(CAPTIONS) == small.encode_batch(CAPTIONS)
    assert control_ids(loaded) == control_ids(small)


def test_damaged_files_are_refused(small: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    small.save(path)
    good = json.loads(path.read_text())

    def refused(**change: object) -> None:
        path.write_text(json.dumps({**good, **change}))
        with pytest.raises(CorruptError):
            Tokenizer.load(path)

    model = good["backend"]["model"]
    swapped = {**model["vocab"], "a": model["vocab"]["b"], "b": model["vocab"]["a"]}
    added = {"id": small.som, "content": "<som>", "special": True, "single_word": False}
    added |= {"lstrip": False, "rstrip": False, "normalized": False}
    refused(format="something else")
    refused(control=[1, 2, 3, 4, 5])
    refused(golden={})
    refused(backend={**good["backend"], "model": {**model, "vocab": {}, "merges": []}})
    refused(backend={**good["backend"], "model": {**model, "vocab": swapped}})
    refused(backend={**good["backend"], "model": {**model, "merges": model["merges"][1:]}})
    refused(backend={**good["backend"], "added_tokens": [added]})
    path.write_text('{"format": ')
    with pytest.raises(CorruptError):
        Tokenizer.load(path)
    with pytest.raises(InputError):
        Tokenizer.load(tmp_path / "missing.json")


def test_gpt2_agrees_with_transformers(gpt2: Tokenizer, data: Path) -> None:
    transformers = pytest.importorskip("transformers")
    folder = data / "reference" / "gpt2"
    reference = transformers.GPT2Tokenizer(str(folder / "encoder.json"), str(folder / "vocab.bpe"))
    for text in [*CAPTIONS[:20], "Jump! Jump!", "  two  spaces\n", "naïve 走る 🏃", "It's 4.25 m"]:
        assert gpt2.encode(text) == reference.encode(text)
    assert [gpt2.eos, gpt2.som, gpt2.eom, gpt2.text_vocab] == [50256, 50257, 50258, 50259]
    assert gpt2.encode("<|endoftext|>") != [gpt2.eos]


def test_gpt2_folder_is_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        Tokenizer.gpt2(tmp_path)
    (tmp_path / "vocab.json").write_text("{}")
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(CorruptError):
        Tokenizer.gpt2(tmp_path)


def test_unknown_ids_and_surrogates_are_refused(small: Tokenizer) -> None:
    with pytest.raises(InputError):
        small.encode("a \ud800 b")
    with pytest.raises(InputError):
        small.decode([small.motion_out + 1])
    assert small.decode([small.som, *small.encode("walks"), small.eos]) == "walks"


@pytest.mark.parametrize(
    "text",
    ["", "  \n", "\u200b", "a\x00b", "a\x1b[2J", "a\ud800b", "x" * 1001, "e" + "\u0301" * 99_999],
)
def test_bad_prompts_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        check_prompt(text)


@pytest.mark.parametrize(
    "text", ["🏃 runs!", "امش إلى الأمام", "\u202ebackwards", "<som><motion_out>", "naïve", "走る"]
)
def test_odd_but_valid_prompts_pass(text: str) -> None:
    assert check_prompt(f"  {text}\n") == text
