"""What a server takes and gives, told to those who draw its motions or offer its formats."""

from pydantic import BaseModel, Field

import motiongpt3
from motiongpt3.formats import READABLE, WRITABLE
from motiongpt3.motion.motion import PICTURES
from motiongpt3.motion.skeleton import SKELETONS
from motiongpt3.server.limits import Limits


class Joints(BaseModel):
    """A skeleton's joints, as they lie in the answer of `/motions/{id}/joints`."""

    name: str
    fps: float
    joints: list[str]
    parents: list[int] = Field(description="index of each joint's parent; -1 for the root")


class About(BaseModel):
    """What this server takes and gives."""

    version: str
    skeletons: list[Joints]
    reads: list[str] = Field(description="suffixes of files that are taken, without the dot")
    writes: list[str] = Field(description="suffixes of files that are handed out")
    seconds: float = Field(description="of a motion, at most")
    samples: int = Field(description="of a prompt, at most")


def about(limits: Limits) -> About:
    """What a server with these limits takes and gives."""
    return About(
        version=motiongpt3.__version__,
        skeletons=[
            Joints(name=one.name, fps=one.fps, joints=list(one.joints), parents=list(one.parents))
            for one in SKELETONS
        ],
        reads=[suffix.lstrip(".") for suffix in READABLE],
        writes=[suffix.lstrip(".") for suffix in WRITABLE + PICTURES],
        seconds=limits.seconds,
        samples=limits.samples,
    )
