"""What was decided when a file was read, for people: unit, axes, rate, and each joint's origin."""

from collections.abc import Mapping
from typing import Any

from motiongpt3.motion.motion import Motion


def lines(motion: Motion) -> list[str]:
    """A few lines about the reading, and one for each joint where joints had to be found."""
    origin = motion.provenance
    found = [f"{origin.get('file', 'motion')}: {len(motion)} frames at {motion.fps:g} fps"]
    if "layout" in origin:
        found.append(f"written by {origin['layout']}: {motion.skeleton.name}, read as it is")
    if "unit" in origin:
        unit = origin["unit"]
        size = unit if isinstance(unit, str) else f"{unit:g} m"
        found.append(f"unit {size}, {origin['up']} up")
    found += [str(note) for note in origin.get("notes", ())]
    joints: Mapping[str, Any] = origin.get("joints", {})
    width = max((len(str(j["node"])) for j in joints.values()), default=0)
    for joint, way in joints.items():
        found.append(f"  {joint:<15} {way['node'] or '-':<{width}}  {_BY[way['by']]}")
    return found


_BY = {
    "map": "as the map says",
    "name": "by name",
    "shape": "by shape",
    "placed": "placed between the others",
    "markers": "from markers",
}
