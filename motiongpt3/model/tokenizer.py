"""Text to ids and back, with control ids that no text can ever produce.

The base tokenizer holds no special tokens at all: what a user types is always taken literally.
Control ids (end of text, start and end of a motion, motion slots) lie outside what the merges can
reach and are spliced in as numbers by whoever builds a sequence.
"""

import json
import os
import random
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from motiongpt3.errors import CorruptError, InputError, ResourceError

FORMAT = "motiongpt3-tokenizer-1"
# GPT-2's own splitting rule, but every digit is a piece of its own: "4.2" is always 4 . 2
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
GPT2_END = "<|endoftext|>"
GPT2_SIZE = 50257
GPT2_VOCABULARY = Path(__file__).with_name("gpt2_vocabulary") / "tokenizer.json"
"""GPT-2's vocabulary as it ships in the package."""
GPT2_GOLDEN = {
    "Hello world": [15496, 995],
    "Jump! Jump!": [36046, 0, 15903, 0],
    "a person walks forward": [64, 1048, 11114, 2651],
}
PROBES = (
    "a person raises the left hand for 4.2 seconds.",
    "Walk, then run & JUMP! 0123456789",
    "naïve café – 走る 🏃 <som><|endoftext|>",
)


class Tokenizer:
    """Byte-level BPE over plain text plus five control ids.

    Text stream: `eos`, `som`, `eom` (rows of the text embedding, `text_vocab` rows in all).
    Motion stream: `motion_in`, `motion_out`, numbered right after the text vocabulary.
    """

    def __init__(self, backend: Backend, end_token: str | None = None):
        """`end_token` names the entry that ends a text (GPT-2's own); otherwise one is added."""
        spec: dict[str, Any] = json.loads(backend.to_str())["model"]
        self._backend = backend
        self._vocab: dict[str, int] = spec["vocab"]
        pairs = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in spec["merges"]]
        self._ranks = {pair: rank for rank, pair in enumerate(pairs)}
        self._end_token = end_token
        self.base_vocab = len(self._vocab)
        self.eos = self.base_vocab if end_token is None else self._vocab[end_token]
        self.som = self.base_vocab + (end_token is None)
        self.eom = self.som + 1
        self.text_vocab = self.eom + 1
        self.motion_in = self.text_vocab
        self.motion_out = self.text_vocab + 1
        self._control = {self.eos, self.som, self.eom, self.motion_in, self.motion_out}

    # ------------------------------------------------------------------ making one
    @classmethod
    def train(cls, texts: Iterable[str], vocab: int = 2048) -> "Tokenizer":
        """Learn a lower-cased vocabulary of at most `vocab` rows (eos, som, eom included)."""
        backend = Backend(models.BPE())
        backend.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        backend.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab - 3,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        backend.train_from_iterator(texts, trainer)
        return cls(backend)

    @classmethod
    def gpt2(cls, folder: str | os.PathLike[str]) -> "Tokenizer":
        """GPT-2's tokenizer from a folder with encoder.json or vocab.json and its merges.

        Raises InputError when the files are missing and CorruptError when they are not GPT-2's.
        """
        root = Path(folder)
        vocab = _first(root, "encoder.json", "vocab.json")
        merges = _first(root, "vocab.bpe", "merges.txt")
        try:
            entries, pairs = models.BPE.read_file(str(vocab), str(merges))
            backend = Backend(models.BPE(entries, pairs))
        except Exception as error:  # the tokenizers library raises plain Exception
            raise CorruptError(
                "not a GPT-2 vocabulary", where=str(root), hint=str(error)
            ) from error
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        if len(entries) != GPT2_SIZE or GPT2_END not in entries:
            raise CorruptError(
                f"{len(entries)} entries instead of GPT-2's {GPT2_SIZE}", where=str(vocab)
            )
        tokenizer = cls(backend, end_token=GPT2_END)
        tokenizer._verify(GPT2_GOLDEN, where=str(root))
        return tokenizer

    # ------------------------------------------------------------------ files
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one JSON file with the vocabulary, the merges and probes that `load` checks."""
        content = {
            "format": FORMAT,
            "end_token": self._end_token,
            "control": sorted(self._control),
            "golden": {probe: self.encode(probe) for probe in PROBES},
            "backend": json.loads(self._backend.to_str()),
        }
        partial = Path(f"{os.fspath(path)}.part")
        try:
            partial.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise ResourceError(f"cannot write: {error.strerror}", where=str(path)) from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Tokenizer":
        """Read what `save` wrote; CorruptError unless its probes still encode to the same ids."""
        where = str(path)
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise InputError("no such tokenizer file", where=where) from error
        except (OSError, ValueError) as error:
            raise CorruptError("not a tokenizer file", where=where, hint=str(error)) from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise CorruptError(f"not a {FORMAT} file", where=where)
        try:
            backend = Backend.from_str(json.dumps(content["backend"]))
            tokenizer = cls(backend, content["end_token"])
            golden, control = dict(content["golden"]), list(content["control"])
        except Exception as error:  # the tokenizers library raises plain Exception
            raise CorruptError("damaged tokenizer", where=where, hint=str(error)) from error
        if control != sorted(tokenizer._control) or set(golden) != set(PROBES):
            raise CorruptError("control ids or probes do not match the vocabulary", where=where)
        tokenizer._verify(golden, where=where)
        return tokenizer

    def _verify(self, golden: dict[str, list[int]], where: str) -> None:
        """CorruptError unless probes encode as recorded and no text can reach a control id."""
        if sorted(self._vocab.values()) != list(range(self.base_vocab)):
            raise CorruptError("token ids are not 0..n-1", where=where)
        if not set(pre_tokenizers.ByteLevel.alphabet()) <= set(self._vocab):
            raise CorruptError("some bytes have no token", where=where)
        reachable = {a + b for a, b in self._ranks} | set(pre_tokenizers.ByteLevel.alphabet())
        if self._end_token in reachable or self._backend.get_added_tokens_decoder():
            raise CorruptError("text could produce a control id", where=where)
        for text, ids in golden.items():
            if self.encode(text) != ids or self.decode(ids) != self.normalize(text):
                raise CorruptError(f"'{text}' no longer encodes to its recorded ids", where=where)

    # ------------------------------------------------------------------ text <-> ids
    def normalize(self, text: str) -> str:
        """What `decode(encode(text))` returns: lower-cased NFC, or for GPT-2 the text itself."""
        normalizer = self._backend.normalizer
        return normalizer.normalize_str(text) if normalizer is not None else text

    def encode(
        self, text: str, dropout: float = 0.0, rng: np.random.Generator | None = None
    ) -> list[int]:
        """Ids of `text`, taken literally: control tokens spelled out in it are ordinary letters.

        With `dropout` > 0 merges are skipped at random (BPE-dropout, Provilkov 2020), so that a
        model trained on it knows words by their parts; `rng` makes that repeatable. Raises
        InputError for lone surrogates.
        """
        if dropout > 0.0:
            if rng is None:
                raise InputError("BPE dropout needs a random generator", where="rng")
            return self._encode_with_dropout(text, dropout, rng)
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, without dropout."""
        for text in texts:
            _check_unicode(text)
        return [entry.ids for entry in self._backend.encode_batch(list(texts))]

    def _encode_with_dropout(
        self, text: str, dropout: float, rng: np.random.Generator
    ) -> list[int]:
        _check_unicode(text)
        draw = random.Random(int(rng.integers(2**63))).random  # much faster than scalars from rng
        pieces = self._backend.pre_tokenizer.pre_tokenize_str(self.normalize(text))
        ids: list[int] = []
        for piece, _ in pieces:
            symbols = list(piece)
            while len(symbols) > 1:
                pairs = zip(symbols, symbols[1:], strict=False)
                found = [
                    (self._ranks[pair], at)
                    for at, pair in enumerate(pairs)
                    if pair in self._ranks and draw() >= dropout
                ]
                if not found:
                    break
                at = min(found)[1]
                symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]
            ids += [self._vocab[symbol] for symbol in symbols]
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`, control ids left out (they have none); InputError for unknown ids."""
        wanted = [int(i) for i in ids if int(i) not in self._control]
        if any(not 0 <= i < self.base_vocab for i in wanted):
            raise InputError(f"token ids must be 0..{self.motion_out}", where="ids")
        return self._backend.decode(wanted)


def check_prompt(text: str, limit_chars: int = 1000, keep_spaces: bool = False) -> str:
    """A user's text ready to encode, or InputError.

    Outer and repeated white space is removed unless `keep_spaces`. Refuses, before anything is
    tokenized, what is empty, longer than `limit_chars` code points, or holds control characters or
    lone surrogates. Emoji and right-to-left text are fine.
    """
    if not isinstance(text, str):
        raise InputError(f"expected text, got {type(text).__name__}", where="prompt")
    if len(text) > limit_chars:
        raise InputError(
            f"{len(text):,} characters are too many",
            where="prompt",
            hint=f"shorten it to {limit_chars:,}",
        )
    kinds = {unicodedata.category(c) for c in text if not c.isspace()}
    if kinds & {"Cc", "Cs"}:
        raise InputError(
            "control characters or broken Unicode", where="prompt", hint="use plain text"
        )
    if all(kind[0] in "ZC" for kind in kinds):
        raise InputError("the text is empty", where="prompt", hint="describe a motion")
    return text if keep_spaces else " ".join(text.split())


def _check_unicode(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            "broken Unicode (a lone surrogate)", where="text", hint="use plain text"
        ) from error


def _first(root: Path, *names: str) -> Path:
    for name in names:
        if (root / name).is_file():
            return root / name
    raise InputError(f"{' or '.join(names)} is missing", where=str(root))
