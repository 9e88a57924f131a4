"""`motiongpt3 data check`: what is wrong in a folder of clips, and what can be put right."""

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motiongpt3.app import arguments
from motiongpt3.app.show import progress, say, say_json, working
from motiongpt3.errors import InputError

if TYPE_CHECKING:
    from motiongpt3.data.checks.check import Checked
    from motiongpt3.data.checks.fix import Fixed
    from motiongpt3.data.checks.samples import Folder

_SHOWN = 40
"""Findings that are printed; the page and --json have all."""


def check(options: Namespace) -> int:
    """Find what is wrong with clips and captions: exit code 2 where there is an error."""
    from motiongpt3.data.checks.check import check as look
    from motiongpt3.data.checks.samples import Folder

    _check_options(options)
    folder = Folder(options.folder, options.captions)
    with progress() as shown:
        found = look(folder, progress=lambda what, done, of: shown(what, done, of, {}))
    fixed = _fix(folder, found, options.out) if options.fix else None
    if options.report:
        _write_page(found, options)
    if options.json:
        say_json(_for_program(found, fixed))
    else:
        _say(found, fixed, options)
    return InputError.exit_code if found.count("error") else 0


def _check_options(options: Namespace) -> None:
    if not options.folder.is_dir():
        raise InputError("no such folder", where=str(options.folder))
    if options.fix != (options.out is not None):
        raise InputError("go together", where="--fix and -o", hint="-o names the new folder")
    if options.out and options.out.resolve() == options.folder.resolve():
        raise InputError("nothing is changed in place", where="-o", hint="name a new folder")
    if options.report:
        if options.report.is_dir():
            raise InputError("is a folder", where=str(options.report), hint="name a file in it")
        arguments.writable(options.report.resolve().parent)


def _fix(folder: "Folder", found: "Checked", out: Path) -> "Fixed":
    from motiongpt3.data.checks.fix import fix

    with working(f"writing {out}"):
        return fix(folder, found, out)


def _write_page(found: "Checked", options: Namespace) -> None:
    from motiongpt3.app.check_page import check_page
    from motiongpt3.formats.files import atomic_write

    with working("drawing"):
        html = check_page(options.folder.resolve().name, found)
    with atomic_write(options.report) as path:
        path.write_text(html, encoding="utf-8")


def _for_program(found: "Checked", fixed: "Fixed | None") -> dict[str, Any]:
    from motiongpt3.data.checks.finding import SEVERITIES

    return {
        "clips": found.clips,
        "clean": found.clean,
        "measured": found.measured,
        **{f"{severity}s": found.count(severity) for severity in SEVERITIES},
        "findings": [asdict(finding) for finding in found.findings],
        **({"fixed": asdict(fixed)} if fixed else {}),
    }


def _say(found: "Checked", fixed: "Fixed | None", options: Namespace) -> None:
    for finding in found.findings[:_SHOWN]:
        where = f" frames {finding.frames}" if finding.frames else ""
        say(f"{finding.severity}: {finding.clip}{where}: {finding.message}  [{finding.kind}]")
        if finding.text:
            say(f"    {finding.text[:120]}")
    if len(found.findings) > _SHOWN:
        say(f"... {len(found.findings) - _SHOWN} more: see --report or --json")
    for (severity, kind), count in sorted(found.kinds.items()):
        say(f"{count:5} {severity:8} {kind}")
    counts = ", ".join(f"{found.count(s)} {s}s" for s in ("error", "warning", "note"))
    say(f"{found.clips} clips, {found.clean} with nothing wrong; {counts}")
    if options.report:
        say(f"{options.report}  the same with pictures")
    if fixed:
        mended = ", ".join(f"{kind} {count}" for kind, count in fixed.mended.items()) or "nothing"
        say(f"{options.out}  {fixed.written} clips written, {len(fixed.left_out)} left out")
        say(f"put right: {mended}")
        for clip, why in list(fixed.left_out.items())[:_SHOWN]:
            say(f"left out: {clip}: {why}")
