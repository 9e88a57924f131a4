"""A page about what is wrong in a folder of clips: counts, findings, and pictures of the clips."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from motiongpt3.errors import InputError
from motiongpt3.motion.motion import Motion
from motiongpt3.render import page
from motiongpt3.render.page import Html

if TYPE_CHECKING:
    from motiongpt3.data.checks.check import Checked
    from motiongpt3.data.checks.finding import Finding

_PICTURES = 24


def check_page(name: str, found: "Checked") -> str:
    """The page as HTML; nothing in it is loaded from elsewhere."""
    errors = found.count("error")
    said = f"{errors} error{'s' * (errors > 1)}" if errors else "no errors"
    counts = [[f"{k[1]} ({k[0]})", f"{n:,}"] for k, n in sorted(found.kinds.items())]
    facts = {
        "clips": f"{found.clips:,}, of which {found.clean:,} have nothing wrong",
        "errors": f"{errors:,}: training on it teaches something false, or it cannot be used",
        "warnings": f"{found.count('warning'):,}: look at it",
        "notes": f"{found.count('note'):,}: preparing the set takes care of it",
    }
    head = ["clip", "kind", "what", "what to do", "frames", "measured", "limit"]
    findings = page.table(head, map(_row, found.findings), words=range(4))
    parts = [
        page.header(f"Check of {name}", said, not errors),
        page.section("In all", "", [page.facts(facts), page.table(["kind", "count"], counts)]),
        page.section("Findings", "errors first", [findings]),
    ]
    pictures = list(_pictures(found))
    if pictures:
        note = "as they move once unit, axes and sides are put right"
        parts.append(page.section("Clips", note, [page.pictures(pictures)]))
    return page.page(f"Check of {name}", parts)


def _row(finding: "Finding") -> list[str]:
    figures = ["" if x is None else f"{x:.3g}" for x in (finding.figure, finding.limit)]
    what = f"{finding.message}: {finding.text}" if finding.text else finding.message
    kind = f"{finding.severity} {finding.kind}"
    return [finding.clip, kind, what, finding.fix, finding.frames, *figures]


def _pictures(found: "Checked") -> Iterator[Html]:
    from motiongpt3.render.contact import contact_sheet, png

    drawn: set[str] = set()
    for finding in found.findings:
        if finding.clip in drawn or finding.clip not in found.shown or len(drawn) >= _PICTURES:
            continue
        joints, caption = found.shown[finding.clip]
        drawn.add(finding.clip)
        label = f"{finding.clip}: {finding.message}"
        try:
            picture = png(contact_sheet([(caption, Motion(joints))], columns=1))
        except InputError as error:  # nothing that can be drawn
            yield page.facts({label: error.message})
            continue
        yield page.picture(picture, label)
