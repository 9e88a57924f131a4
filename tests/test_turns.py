"""Training examples: every sub-task is drawn, and values decide what an example says."""

import re
from collections import Counter
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clips import Line, archive, lines
from people import person

from motiongpt3.data.dataset import MotionText
from motiongpt3.data.prepare import prepare
from motiongpt3.data.tasks import (
    CAPTION,
    FRAMES,
    SECONDS,
    Field,
    Said,
    Task,
    Templates,
    format_seconds,
)
from motiongpt3.errors import InputError
from motiongpt3.model.sequence import Turn
from motiongpt3.motion.mirror import mirror_words
from motiongpt3.motion.skeleton import KIT
from motiongpt3.training.paper import PAPER_BARE, PAPER_CUTS, PAPER_INSTRUCTIONS
from motiongpt3.training.turns import (
    SAID,
    Cuts,
    Example,
    Shares,
    TurnMaker,
    Wording,
)

SUBTASKS = [(task, said) for task in Task for said in Templates.load().subtasks(task)]
ONLY: dict[Said, Shares] = {
    frozenset(): Shares(nothing=1),
    CAPTION: Shares(caption=1),
    SECONDS: Shares(seconds=1),
    CAPTION | SECONDS: Shares(caption_and_seconds=1),
    CAPTION | FRAMES: Shares(caption_and_frames=1),
}
"""Shares with which a task always says the same."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> MotionText:
    base = tmp_path_factory.mktemp("turns")
    prepare([archive(base / "raw", lines(4))], base / "set")
    return MotionText(base / "set", "train")


def text_of(turn: Turn) -> str:
    """What a question and its answer say."""
    return " ".join(p for p in (*turn.question, *turn.answer) if isinstance(p, str))


def frames_spoken_of(task: Task, example: Example, clip: int) -> int:
    """The length that a text may tell, from the motions themselves."""
    motions = example.motions
    if task is Task.PREDICTION:
        return len(motions[Field.MOTION])
    if task is Task.INBETWEEN:
        return clip - len(motions[Field.START]) - len(motions[Field.END])
    return clip


@pytest.mark.parametrize(("task", "said"), SUBTASKS)
def test_every_subtask_is_drawn(data: MotionText, task: Task, said: Said) -> None:
    wording = Wording(varied=0.0, canonical=0.0, said={task: ONLY[said]})
    maker, rng, asked = TurnMaker(data, wording), np.random.default_rng(0), set()
    for _ in range(50):
        index = int(rng.integers(len(data)))
        example = maker.draw(task, index, rng)
        text, parts = text_of(example.turn), (*example.turn.question, *example.turn.answer)
        assert {p for p in parts if isinstance(p, Field)} == set(example.motions)
        frames = frames_spoken_of(task, example, len(data.features(index)))
        tells_seconds = re.search(rf"(?<!\d){re.escape(format_seconds(frames / 20))}(?!\d)", text)
        assert bool(tells_seconds) == (Field.SECONDS in said), text
        assert bool(re.search(rf"(?<![\d.]){frames}(?![\d.]\d)", text)) == (Field.FRAMES in said)
        captions = data.records[index].captions
        captions += tuple(mirror_words(caption) for caption in captions)
        assert any(caption in text for caption in captions) == (Field.CAPTION in said), text
        asked.add(re.sub(r"[\d.]+", "", "|".join(map(str, example.turn.question))))
    assert len(asked) > 15 or task is Task.PLAIN


@pytest.mark.parametrize(
    ("wording", "tasks"),
    [(PAPER_INSTRUCTIONS, set(Task) - {Task.PLAIN}), (PAPER_BARE, set(PAPER_BARE.said))],
    ids=["instructions", "bare"],
)
def test_the_papers_stages_have_all_their_wordings(
    data: MotionText, wording: Wording, tasks: set[Task]
) -> None:
    maker, rng = TurnMaker(data, wording), np.random.default_rng(0)
    for task in tasks:
        for said, share in wording.said[task].each.items():
            if share:
                maker.templates.canonical(task, said)
        maker.draw(task, 0, rng)


def test_bare_wordings_are_captions_and_motions_and_nothing_else(data: MotionText) -> None:
    maker, rng = TurnMaker(data, PAPER_BARE), np.random.default_rng(0)
    captions = set(data.records[0].captions)
    while (example := maker.draw(Task.TEXT_TO_MOTION, 0, rng)).turn.question[0] not in captions:
        pass  # mirrored
    assert len(example.turn.question) == 1 and list(example.turn.answer) == [Field.MOTION]
    described = maker.draw(Task.MOTION_TO_TEXT, 0, rng).turn
    assert list(described.question) == [Field.MOTION] and len(described.answer) == 1
    with pytest.raises(InputError, match=r"templates_bare\.toml: \[inbetween\]"):
        maker.draw(Task.INBETWEEN, 0, rng)


def test_with_instructions_off_every_subtask_has_one_wording(data: MotionText) -> None:
    off = replace(PAPER_INSTRUCTIONS, canonical=1.0, quoted=0.0)
    maker, rng = TurnMaker(data, off), np.random.default_rng(0)
    for task in off.said:
        asked = Counter()
        for _ in range(60):
            question = "|".join(map(str, maker.draw(task, 0, rng).turn.question))
            asked[re.sub(r"a person walks.*|somebody strolls.*|[\d.]+", "", question)] += 1
        assert len(asked) == sum(share > 0 for share in off.said[task].each.values())


def test_shares_decide_what_is_said() -> None:
    rng = np.random.default_rng(0)
    shares = Shares(nothing=1, caption=2, caption_and_frames=5)
    drawn = Counter(shares.draw(rng) for _ in range(4000))
    expected = {frozenset(): 0.125, CAPTION: 0.25, CAPTION | FRAMES: 0.625}
    assert drawn.keys() == expected.keys()
    for said, share in expected.items():
        assert drawn[said] / 4000 == pytest.approx(share, abs=0.03)


def test_unless_told_otherwise_made_motions_have_their_length_in_seconds() -> None:
    made = (Task.TEXT_TO_MOTION, Task.PREDICTION, Task.INBETWEEN)
    assert SAID.keys() == set(Task)
    assert all(Field.SECONDS in said for t in made for said, n in SAID[t].each.items() if n)
    assert not any(Field.FRAMES in said for s in SAID.values() for said, n in s.each.items() if n)


@pytest.mark.parametrize(
    "shares", [{}, {"caption": -1, "nothing": 2}, {"caption": np.nan}, {"caption": np.inf}]
)
def test_shares_that_are_none_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Shares(**shares)


def test_captions_are_quoted_as_often_as_asked(data: MotionText) -> None:
    rng, caption = np.random.default_rng(0), data.records[0].captions[0]
    for share in (0.0, 0.5, 1.0):
        wording = Wording(varied=0.0, canonical=1.0, quoted=share)
        maker, quoted = TurnMaker(data, wording), 0
        maker.caption = lambda *_: caption  # type: ignore[method-assign]
        for _ in range(200):
            answer = maker.draw(Task.MOTION_TO_TEXT, 0, rng).turn.answer
            assert list(answer) in ([caption], [f'"{caption}"'])
            quoted += list(answer) == [f'"{caption}"']
        assert quoted / 200 == pytest.approx(share, abs=0.1 * (0 < share < 1))
        if share == 1.0:
            assert f': "{caption}"' in text_of(maker.draw(Task.TEXT_TO_MOTION, 0, rng).turn)
            maker.caption = lambda *_: 'says "hi"'  # type: ignore[method-assign]
            assert text_of(maker.draw(Task.MOTION_TO_TEXT, 0, rng).turn).endswith('says "hi"')
            assert '""' not in text_of(maker.draw(Task.TEXT_TO_MOTION, 0, rng).turn)


def test_the_papers_cuts_are_at_a_fifth_and_at_quarters(data: MotionText) -> None:
    maker, rng = TurnMaker(data, Wording(), PAPER_CUTS), np.random.default_rng(0)
    for index in range(len(data)):
        n = len(data.features(index))
        predicted = maker.draw(Task.PREDICTION, index, rng).motions
        assert len(predicted[Field.START]) == max(8, int(0.2 * n))
        assert len(predicted[Field.START]) + len(predicted[Field.MOTION]) == n
        seen = maker.draw(Task.INBETWEEN, index, rng).motions
        assert len(seen[Field.START]) == int(0.25 * n)
        assert len(seen[Field.END]) == n - int(0.75 * n) and len(seen[Field.MOTION]) == n


def test_our_cuts_are_anywhere_and_leave_no_part_empty(data: MotionText) -> None:
    rng, n = np.random.default_rng(0), len(data.features(0))
    extreme = Cuts(head=(0.0, 1.0), gap=(0.0, 1.0), before=(0.0, 1.0))
    for cuts, spread in ((Cuts(), 0.35), (extreme, 0.6)):
        maker = TurnMaker(data, Wording(), cuts)
        heads, gaps = [], []
        for _ in range(150):
            motions = maker.draw(Task.PREDICTION, 0, rng).motions
            assert min(map(len, motions.values())) >= 8
            heads.append(len(motions[Field.START]))
            motions = maker.draw(Task.INBETWEEN, 0, rng).motions
            start, end = len(motions[Field.START]), len(motions[Field.END])
            assert min(start, end, n - start - end) >= 4
            gaps.append(n - start - end)
        assert np.ptp(heads) >= spread * n and np.ptp(gaps) >= spread * n


def test_seconds_follow_from_the_rate_of_the_set(tmp_path: Path) -> None:
    motion = replace(person(0, 60, KIT), joints=person(0, 60, KIT).joints / 1000)
    prepare([archive(tmp_path / "kit", [Line("k", motion, ("someone sways",))])], tmp_path / "set")
    kit = MotionText(tmp_path / "set", "train")
    example = TurnMaker(kit, Wording(varied=0.0, canonical=1.0)).draw(
        Task.TEXT_TO_MOTION, 0, np.random.default_rng(0)
    )
    frames = len(kit.features(0))
    assert kit.skeleton.fps == 12.5
    assert text_of(example.turn) == (
        f"Generate a motion of {frames / 12.5:.1f} seconds: someone sways"
    )


def test_a_clip_done_in_a_style_may_be_asked_for_without_it(data: MotionText) -> None:
    """Only where the same action was captured without a style, and only in questions."""
    styled = copy(data)
    plain, sad, other = (replace(data.records[n], source="s", label="bow") for n in range(3))
    styled.records = [
        replace(plain, style="normal", captions=("lift the left hand.",)),
        replace(sad, style="sad", captions=("lift the left hand sadly.",)),
        replace(other, style="sad", captions=("sneak sadly.",), label="sneak"),
    ]
    maker = TurnMaker(styled, Wording(varied=0.0, canonical=1.0, unstyled=0.5))
    rng = np.random.default_rng(0)
    asked = Counter(text_of(maker.draw(Task.TEXT_TO_MOTION, 1, rng).turn) for _ in range(200))
    hands = {
        side: sum(n for text, n in asked.items() if side in text) for side in ("left", "right")
    }
    assert min(hands.values()) > 60, "mirrored as the clip is"
    assert 60 < sum(n for text, n in asked.items() if "sadly" in text) < 140
    for task, index, said in ((Task.MOTION_TO_TEXT, 1, "sadly"), (Task.TEXT_TO_MOTION, 2, "sadly")):
        assert all(said in text_of(maker.draw(task, index, rng).turn) for _ in range(50))
    example = maker.draw(Task.TEXT_TO_MOTION, 0, rng)
    assert "hand" in text_of(example.turn) and "sadly" not in text_of(example.turn)


def test_any_length_may_be_told(data: MotionText) -> None:
    maker = TurnMaker(data, Wording(varied=0.0, canonical=1.0, stretched=0.5))
    rng, index = np.random.default_rng(0), 0
    frames, fps = data.records[index].frames, data.skeleton.fps
    told = []
    for _ in range(300):
        example = maker.draw(Task.TEXT_TO_MOTION, index, rng)
        assert len(example.motions[Field.MOTION]) == frames, "the motion itself stays"
        told.append(float(re.search(r"([\d.]+) s", text_of(example.turn))[1]))
    as_they_were = [seconds for seconds in told if abs(seconds - frames / fps) < 0.05]
    assert 120 < len(as_they_were) < 200
    assert min(told) < 0.7 * frames / fps and max(told) > 1.5 * frames / fps
    assert max(told) <= 2 * frames / fps + 0.05 and min(told) >= 1.0
    text = text_of(maker.draw(Task.CAPTION_TO_SECONDS, index, rng).turn)
    assert format_seconds(frames / fps) in text


def test_an_action_may_be_asked_for_as_strangers_would(data: MotionText) -> None:
    """Only in questions, only where no style is said, and on the side that is meant."""
    known = copy(data)
    label = "raise-up-left-hand"
    plain, sad, other = (
        replace(data.records[n], source="bandai_namco", label=label, captions=(caption,))
        for n, caption in enumerate(("it happens.", "it happens sadly.", "it happens."))
    )
    known.records = [plain, replace(sad, style="sad"), replace(other, label="unknown")]
    maker = TurnMaker(known, Wording(varied=0.0, canonical=1.0, scenes=0.5))
    rng = np.random.default_rng(0)
    drawn = [maker.draw(Task.TEXT_TO_MOTION, 0, rng) for _ in range(200)]
    scenes = [e for e in drawn if "it happens" not in text_of(e.turn)]
    assert 60 < len(scenes) < 140
    for example in scenes:
        meant, text = ("right" if example.mirrored else "left"), text_of(example.turn)
        assert re.search(rf"\b{meant}\b", text), text
    for task, index in (
        (Task.TEXT_TO_MOTION, 1),
        (Task.TEXT_TO_MOTION, 2),
        (Task.MOTION_TO_TEXT, 0),
    ):
        texts = [text_of(maker.draw(task, index, rng).turn) for _ in range(50)]
        assert all("it happens" in text for text in texts), "no other words for these"
