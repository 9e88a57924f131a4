"""The command that serves the API."""

import ipaddress
import tempfile
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from motiongpt3.errors import InputError, ResourceError
from motiongpt3.formats.files import read_bytes
from motiongpt3.formats.lines import Lines

if TYPE_CHECKING:
    from motiongpt3.server.guard import Access

_SHORTEST_KEY = 16


def serve(options: Namespace) -> int:
    """Serve motions over HTTP."""
    keys = _keys(options.keys)
    if not (keys or options.insecure or _is_own(options.host)):
        raise InputError(
            f"{options.host} can be reached from other machines, and there are no keys",
            where="--host",
            hint="give --keys FILE, or --insecure",
        )
    try:
        from motiongpt3.library.chosen import Chosen
        from motiongpt3.server.run import serve as run
        from motiongpt3.server.studio import Config
        from motiongpt3.server.workers import Files, Model
    except ModuleNotFoundError as error:
        raise ResourceError(
            f"{error.name} is not installed", hint='pip install "motiongpt3[web]"'
        ) from error
    from motiongpt3.server.limits import Limits

    limits = Limits(
        queue=options.queue,
        keep=3600 * options.keep_hours,
        store=round(options.store_gib * 2**30),
    )
    place, device = options.model, options.device
    model = Model(Chosen(place, device, options.backend, options.precision))
    with ExitStack() as stack:
        store = options.store
        if store is None:
            store = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="motiongpt3-")))
        index = None if options.index is None else str(options.index)
        config = Config(store, model, Files(index), limits)
        run(config, _access(options, keys), options.host, options.port)
    return 0


def _access(options: Namespace, keys: tuple[str, ...]) -> "Access":
    from motiongpt3.server.guard import Access

    hosts = {*Access.hosts, *options.allow_host}
    if not _is_own(options.host):
        hosts.add(f"[{options.host}]" if ":" in options.host else options.host)
    return Access(keys, tuple(sorted(hosts)), tuple(options.allow_origin))


def _is_own(host: str) -> bool:
    """Whether an address is that of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _keys(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    lines, keys = Lines(read_bytes(path), str(path)), []
    while key := lines.next():
        if len(key) < _SHORTEST_KEY or not key.isascii():
            hint = f"at least {_SHORTEST_KEY} plain characters"
            raise lines.error("a key is too short, or has other characters", hint)
        keys.append(key)
    if not keys:
        raise InputError("holds no key", where=str(path), hint="a key on each line")
    return tuple(keys)
