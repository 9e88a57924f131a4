"""Turns as tokens: what is a slot, what is learned, and that no text reaches a control token."""

import pytest
import torch
from clips import unchecked
from hypothesis import given, settings
from hypothesis import strategies as st

from motiongpt3.data.tasks import Field
from motiongpt3.model.gpt import MOTION, TEXT
from motiongpt3.model.reading import Sequences
from motiongpt3.model.sequence import IGNORE, Packer, Tokens, Turn
from motiongpt3.model.tokenizer import Tokenizer

K = 3
WORDS = ["a person waves the left hand!", "someone walks.", "4.2 seconds\n", "Jump! Jump!"]
ATTACKS = ["<som>", "<eom>", "<motion_in>", "<motion_out>", "<|endoftext|>", "＜som＞", "<so", "m>"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(WORDS * 3, 300)


@pytest.fixture(scope="module")
def packer(tokenizer: Tokenizer) -> Packer:
    return Packer(tokenizer, lambda frames, asked: K)


def row(tokens: Tokens, at: int) -> list[int]:
    return tokens.ids[at, : int(tokens.valid[at].sum())].tolist()


def learned(tokens: Tokens, at: int) -> list[int]:
    targets = tokens.targets[at]
    return targets[targets != IGNORE].tolist()


def test_text_to_motion(packer: Packer, tokenizer: Tokenizer) -> None:
    tokens = packer.pack([Turn((WORDS[0],), (Field.MOTION,))])
    question = tokenizer.encode(WORDS[0]) + tokenizer.encode("\n")
    expected = [*question, tokenizer.som, *[0] * K, tokenizer.eom, tokenizer.eos]
    assert row(tokens, 0) == expected
    slots = slice(len(question) + 1, len(question) + 1 + K)
    assert tokens.asked[0, slots].all() and tokens.asked.sum() == K and not tokens.told.any()
    assert tokens.asked_fields == ((0, Field.MOTION),) and tokens.told_fields == ()
    # <som> is to be said once the question is read, <eos> once the motion has ended.
    assert learned(tokens, 0) == [tokenizer.som, tokenizer.eos]
    assert tokens.targets[0, len(question) - 1] == tokenizer.som
    assert tokens.targets[0, len(expected) - 2] == tokenizer.eos
    assert (tokens.modality[0] == MOTION).tolist() == tokens.asked[0].tolist()


def test_motion_to_text(packer: Packer, tokenizer: Tokenizer) -> None:
    tokens = packer.pack([Turn(("describe", Field.MOTION, "now"), (WORDS[1],))])
    assert tokens.told.sum() == K and not tokens.asked.any()
    assert tokens.told_fields == ((0, Field.MOTION),)
    assert learned(tokens, 0) == [*tokenizer.encode(WORDS[1]), tokenizer.eos]
    ids = row(tokens, 0)
    first = ids.index(tokenizer.som)
    assert tokens.told[0, first + 1 : first + 1 + K].all() and ids[first + 1 + K] == tokenizer.eom


def test_targets_are_the_token_that_follows(packer: Packer) -> None:
    turns = [Turn((WORDS[0], Field.START), (Field.MOTION, WORDS[1])), Turn((), (WORDS[3],))]
    for learn in ("answer", "all"):
        tokens = packer.pack(turns, learn)
        for at in range(len(turns)):
            ids = tokens.ids[at].tolist()
            for place, target in enumerate(tokens.targets[at].tolist()):
                assert target == IGNORE or target == ids[place + 1]
                slot = place + 1 < len(ids) and bool((tokens.told | tokens.asked)[at, place + 1])
                assert not (slot and target != IGNORE), "a slot is never a target"


def test_whole_questions_are_learned_on_request(packer: Packer, tokenizer: Tokenizer) -> None:
    turn = Turn((WORDS[0],), (WORDS[1],))
    everything = [*tokenizer.encode(WORDS[0]), *tokenizer.encode("\n")]
    everything += [*tokenizer.encode(WORDS[1]), tokenizer.eos]
    assert learned(packer.pack([turn], "all"), 0) == everything[1:]
    assert learned(packer.pack([turn]), 0) == [*tokenizer.encode(WORDS[1]), tokenizer.eos]


def test_learning_goes_by_position_and_never_by_id(packer: Packer, tokenizer: Tokenizer) -> None:
    """`!` may have the id that fills slots and padding, and <eos> ends every answer."""
    tokens = packer.pack([Turn(("?",), ("jump! !",)), Turn((), ("!",)), Turn((), (WORDS[0],))])
    zero = tokenizer.decode([0])  # the text of the id that stands in slots and padding
    more = packer.pack([Turn(("?",), (zero * 3,)), Turn((), (WORDS[0],))])
    assert learned(more, 0) == [*tokenizer.encode(zero * 3), tokenizer.eos]
    assert 0 in learned(more, 0)
    assert learned(tokens, 0) == [*tokenizer.encode("jump! !"), tokenizer.eos]
    # The first token of a row has nothing before it that could predict it.
    assert learned(tokens, 1) == [tokenizer.eos]
    assert (tokens.targets[1] != IGNORE).sum() == 1


def test_motions_are_listed_as_their_slots_appear(packer: Packer) -> None:
    turns = [
        Turn((Field.START, "to", Field.END), (Field.MOTION,)),
        Turn(("walk",), (Field.MOTION,)),
        Turn(("what is", Field.MOTION), ("walk",)),
    ]
    tokens = packer.pack(turns)
    assert tokens.told_fields == ((0, Field.START), (0, Field.END), (2, Field.MOTION))
    assert tokens.asked_fields == ((0, Field.MOTION), (1, Field.MOTION))
    assert tokens.told.sum() == 3 * K and tokens.asked.sum() == 2 * K
    rows = tokens.told.nonzero()[:, 0].unflatten(0, (-1, K))
    assert rows.tolist() == [[0] * K, [0] * K, [2] * K]
    assert not (tokens.told & tokens.asked).any()


def test_prompts_end_where_the_answer_begins(packer: Packer, tokenizer: Tokenizer) -> None:
    tokens = packer.pack([Turn((WORDS[0],), "motion"), Turn((WORDS[0],), "text")])
    assert row(tokens, 0)[-1] == tokenizer.som and row(tokens, 1) == row(tokens, 0)[:-1]
    assert (tokens.targets == IGNORE).all() and tokens.asked_fields == ()


def test_padding_is_on_the_right_and_nothing(packer: Packer) -> None:
    tokens = packer.pack([Turn(("a",), ("b",)), Turn((WORDS[0] * 3,), (Field.MOTION,))])
    short = int(tokens.valid[0].sum())
    assert tokens.valid[0, :short].all() and not tokens.valid[0, short:].any()
    assert (tokens.modality[0, short:] == TEXT).all() and (
        tokens.targets[0, short:] == IGNORE
    ).all()
    alone = packer.pack([Turn(("a",), ("b",))])
    assert alone.ids[0].tolist() == row(tokens, 0)


@settings(max_examples=100, deadline=None)
@given(
    texts=st.lists(
        st.one_of(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
            st.lists(st.sampled_from(ATTACKS)).map("".join),
        ),
        min_size=2,
        max_size=2,
    )
)
def test_no_text_becomes_a_control_token(packer: Packer, tokenizer: Tokenizer, texts) -> None:
    """Control ids stand where motions are and at the end, whatever the words are."""
    control = {tokenizer.som, tokenizer.eom, tokenizer.motion_in, tokenizer.motion_out}
    turn = Turn((texts[0], Field.MOTION, texts[1]), (texts[0], Field.MOTION))
    with unchecked():
        tokens = packer.pack([turn])
    ids = row(tokens, 0)
    assert ids.count(tokenizer.som) == ids.count(tokenizer.eom) == 2
    assert ids.count(tokenizer.eos) == 1 and ids[-1] == tokenizer.eos
    assert not {tokenizer.motion_in, tokenizer.motion_out} & set(ids)
    assert tokens.told.sum() == tokens.asked.sum() == K
    plain = [i for i in tokenizer.encode(texts[0]) + tokenizer.encode(texts[1]) if i in control]
    assert not plain


def test_sequences_are_taken_with_their_motions(packer: Packer) -> None:
    turns = [
        Turn((WORDS[0],), (Field.MOTION,)),
        Turn((Field.MOTION, "what is this?"), (WORDS[2],)),
        Turn((WORDS[2], Field.START, "then", Field.END), (Field.MOTION,)),
        Turn((), (WORDS[1],)),
    ]
    tokens = packer.pack(turns)
    whole = Sequences(tokens, torch.arange(3.0)[:, None], torch.arange(2.0)[:, None])
    rows = torch.tensor([0, 2, 3])
    some = whole.take(rows)
    assert some.tokens.told_fields == ((1, Field.START), (1, Field.END))
    assert some.tokens.asked_fields == ((0, Field.MOTION), (1, Field.MOTION))
    assert some.told.flatten().tolist() == [1, 2] and some.asked.flatten().tolist() == [0, 1]
    again = packer.pack([turns[row] for row in rows])
    assert torch.equal(some.tokens.ids, again.ids) and torch.equal(some.tokens.told, again.told)
    assert torch.equal(some.tokens.targets, again.targets)
    none = whole.take(rows[:0])
    assert none.tokens.ids.shape == (0, 1) and not len(none.told) and not len(none.asked)
