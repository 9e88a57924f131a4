"""Captions as the text encoder reads them: words, parts of speech, vocabularies, GloVe's files."""

import json
import pickle  # noqa: TID251 - to write files as GloVe's come, good and bad
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motiongpt3.errors import CorruptError, InputError
from motiongpt3.model.guo_release import GLOVE, read_glove
from motiongpt3.model.state_file import read_plain
from motiongpt3.model.tagging import PARTS, tag
from motiongpt3.model.words import LONGEST, VIP, Vocabulary

WORDS = ("unk", "sos", "eos", "a", "person", "walk", "forward", "slow")


@pytest.mark.parametrize(
    ("caption", "tagged"),
    [
        ("A person walks forward.", "a/DET person/NOUN walk/VERB forward/ADV"),
        ("someone raises both hands", "someone/PRON raise/VERB both/DET hand/NOUN"),
        ("he is turning counter-clockwise twice",
         "he/PRON is/AUX turn/VERB counterclockwise/ADV twice/ADV"),
        ("the man quickly jumped over two boxes",
         "the/DET man/NOUN quickly/ADV jump/VERB over/ADP two/NUM box/NOUN"),
        ("kicks with the left leg", "kick/VERB with/ADP the/DET left/ADJ leg/NOUN"),
    ],
)  # fmt: skip
def test_words_are_reduced_and_tagged(caption: str, tagged: str) -> None:
    """By hand, in the universal parts of speech that spaCy uses too."""
    assert " ".join(f"{word}/{part}" for word, part in tag(caption)) == tagged


def test_tags_that_come_with_a_caption_are_kept() -> None:
    """HumanML3D's own form, whatever is wrong with it."""
    assert tag("a/DET man/NOUN walk/NOUN") == (("a", "DET"), ("man", "NOUN"), ("walk", "NOUN"))


@given(st.text(max_size=80))
def test_any_text_is_read(text: str) -> None:
    words = Vocabulary(WORDS).encode([text, "a person walks"])
    assert words.ids.shape == words.parts.shape == (2, words.length.max())
    assert words.length.min() >= 2 and words.length.max() <= LONGEST + 2
    assert words.ids.max() < len(WORDS) and words.parts.max() < len(PARTS)


def test_a_caption_lies_between_its_marks_and_is_padded_with_the_unknown_word() -> None:
    vocabulary = Vocabulary(WORDS)
    words = vocabulary.encode(["a person walks slow", "walk", "walk " * 30])
    other, read = PARTS.index("OTHER"), [[WORDS[at] for at in row] for row in words.ids]
    assert words.length.tolist() == [6, 3, LONGEST + 2]
    assert read[0][:6] == ["sos", "a", "person", "walk", "slow", "eos"]
    assert read[1][:3] == ["sos", "walk", "eos"] and set(read[1][3:]) == {"unk"}
    assert read[2] == ["sos", *["walk"] * LONGEST, "eos"]
    parts = [PARTS[at] for at in words.parts[0, :6]]
    assert parts == ["OTHER", "DET", "NOUN", "Act_VIP", "Desc_VIP", "OTHER"]
    assert (words.parts[1, 3:] == other).all()


def test_an_unknown_word_has_no_part_of_speech() -> None:
    """T2M, word_vectorizer.py: what has no vector is unk/OTHER, also if it is on a list."""
    words = Vocabulary(WORDS).encode(["person dances"])
    assert "dance" in VIP and words.ids[0].tolist()[2] == 0
    assert PARTS[words.parts[0, 2]] == "OTHER"


def test_lists_of_words_are_the_official_ones() -> None:
    """Counted in the official file, where "dance" is listed twice."""
    sizes = {part: list(VIP.values()).count(part) for part in set(VIP.values())}
    assert sizes == {"Loc_VIP": 12, "Body_VIP": 13, "Obj_VIP": 10, "Act_VIP": 34, "Desc_VIP": 12}
    assert len(PARTS) == 15


def test_a_vocabulary_is_learned_saved_and_checked(tmp_path: Path) -> None:
    learned = Vocabulary.learn(["a person walks", "a man walks", "unk"], least=2)
    assert learned.words == ("unk", "sos", "eos", "a", "walk")
    learned.save(tmp_path / "words.json")
    assert Vocabulary.load(tmp_path / "words.json").words == learned.words
    with pytest.raises(InputError, match="lacks 'sos'"):
        Vocabulary(("unk", "eos"))
    with pytest.raises(InputError, match="no captions"):
        learned.encode([])
    for content in ({"words": ["a"], "tagger": "rules"}, {"words": WORDS, "tagger": "x"}, 3):
        (tmp_path / "words.json").write_text(json.dumps(content))
        with pytest.raises(CorruptError, match="not a vocabulary"):
            Vocabulary.load(tmp_path / "words.json")


def test_spacy_is_asked_for_only_by_name(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    assert tag("a person sits")
    with pytest.raises(InputError, match="spaCy, which is not here"):
        tag("a person sits", "spacy")


def glove(folder: Path, words: object, index: object, width: int = 4) -> Path:
    folder.mkdir(exist_ok=True)
    np.save(folder / GLOVE[0], np.arange(len(WORDS) * width, dtype=np.float64).reshape(-1, width))
    for name, content in zip(GLOVE[1:], (words, index), strict=True):
        (folder / name).write_bytes(pickle.dumps(content))
    return folder


def test_glove_vectors_follow_their_words(tmp_path: Path) -> None:
    index = {word: at for at, word in enumerate(reversed(WORDS))}
    folder = glove(tmp_path / "glove", list(WORDS), index)
    for place in (folder, tmp_path):
        vectors, vocabulary = read_glove(place)
        assert vocabulary.words == WORDS and vectors.dtype == np.float32
        assert [row[0] / 4 for row in vectors] == [index[word] for word in WORDS]


class Trap:
    """What a pickle that runs code looks like."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    trap = tmp_path / "trapped"
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(["walk", Trap(trap)], protocol))
    with pytest.raises(CorruptError, match="is no plain value"):
        read_plain(tmp_path / "a.pkl")
    assert not trap.exists()


def test_glove_files_that_are_something_else_are_refused(tmp_path: Path) -> None:
    index = {word: at for at, word in enumerate(WORDS)}
    wrong = [
        (["walk", Trap(tmp_path / "trapped")], index, "is no plain value"),
        ({"walk": 1}, index, "not a list of words"),
        (list(WORDS), list(WORDS), "does not number words"),
        (list(WORDS), {**index, "walk": len(WORDS)}, "have no vector"),
    ]
    for words, numbers, says in wrong:
        with pytest.raises(CorruptError, match=says):
            read_glove(glove(tmp_path / "glove", words, numbers))
    assert not (tmp_path / "trapped").exists()
    (tmp_path / "glove" / GLOVE[1]).write_bytes(b"not a pickle")
    with pytest.raises(CorruptError, match="not a pickle"):
        read_glove(tmp_path / "glove")
    (tmp_path / "glove" / GLOVE[0]).unlink()
    with pytest.raises(InputError, match=f"no {GLOVE[0]} here"):
        read_glove(tmp_path / "glove")
