"""From where on a figure of a clip is wrong.

The limits lie beyond every clip of 4,397 of Bandai-Namco, CMU, ACCAD, HDM05, UI-PRMD and a few
small sources, but for those named in docs/own_data.md (`python bench/doctor.py` counts again).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """From where on a figure is wrong."""

    people: tuple[float, float] = (0.9, 2.1)
    """Leg, spine and neck together, metres: adults have 1.2 to 1.8."""
    fps: tuple[float, float] = (5.0, 1000.0)
    speed: float = 25.0
    """Of any joint, metres per second; throws and flips reach 13, keyed animation 21."""
    smooth: tuple[float, float] = (0.055, 2.6)
    """`faults.smoothness` at 20 frames per second; people move between 0.063 and 2.45."""
    steps: float = 5.5
    """Steps per second of somebody who walks or runs."""
    toes: float = -0.2
    """Along the front; nobody's feet point further back than -0.1."""
    shoulders: float = 0.0
    bone: float = 0.12
    """Metres that a bone's length changes."""
    jump: float = 12.0
    """Metres per second that a step is faster than those around it."""
    noise: float = 0.008
    """Metres."""
    below: tuple[float, float] = (-0.2, 0.4)
    """Metres and seconds below where the feet stand."""
    above: tuple[float, float] = (0.25, 1.0)
    frozen: float = 0.7
    """Seconds without any movement, between movements."""
    skate: float = 0.8
    """Share of steps in which a foot on the floor slides."""
    backwards: tuple[float, float] = (1.5, -0.8)
    """Metres under way, and their share ahead."""


USUAL = Limits()
