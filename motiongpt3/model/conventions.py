"""How a model was taught to be asked: prompts, separators, and how its answers are drawn.

The same network can be asked in several ways, and only answers well to the one it knows. A
checkpoint carries its conventions in its card.
"""

from dataclasses import dataclass, replace

from motiongpt3.model.sampling import Sampler


@dataclass(frozen=True)
class Conventions:
    """What is not weights, and yet decides what a model makes of a prompt."""

    templates: str = "templates.toml"
    """File of wordings in the package's data folder; the first of a sub-task is asked."""
    before_text: str = "\n"
    """Between a question and an answer in words."""
    before_motion: str = "\n"
    """Between a question and a motion."""
    keep_spaces: bool = False
    """A text is asked with its outer and repeated white space, as data sets have it."""
    guidance: float = 3.0
    """Scale at which words ask for a motion, unless a caller names one."""
    guided_from: int = 600
    """Noise level from which on there is guidance, likewise."""
    temperature: float = 0.5
    """Of motions that go on from others, likewise."""
    sampler: Sampler = "dpm++"
    steps: int = 10
    caption_tokens: int = 48
    """Longest answer in words."""
    repetition_penalty: float = 1.0
    """Divides the scores of words that an answer holds already (Keskar 2019)."""


OURS = Conventions()

OFFICIAL = Conventions(
    templates="templates_official.toml",
    before_text=" \n",
    before_motion=" \n ",
    guidance=7.5,
    guided_from=0,
    temperature=1.0,
    caption_tokens=40,
)
"""The released model as it was trained, with our few-step sampler; guidance as in its test.yaml."""

OFFICIAL_EVALUATION = replace(
    OFFICIAL,
    before_text=" \n \n",
    before_motion=" \n \n ",
    keep_spaces=True,
    sampler="ddpm",
    steps=100,
    repetition_penalty=1.1,
)
"""The released model as its own evaluation asks it: the separator twice (motgpt_lm.py:880, 616),
captions as they are written, and answers with a penalty on what was said (motgpt_lm.py:898)."""
