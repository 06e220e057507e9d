"""Networks that ran well on this machine before, so that each is tried once.

What came with the program is known good. Anything else is by the digest of its bundle, with the version of the engine
that ran it, in a file of this user's cache; without it every start tries again, and nothing else is lost.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from waste_edge.bundle.bundle import Bundle, shipped_digests
from waste_edge.bundle.manifest import ArtifactName
from waste_edge.engines.engine import engine_of, modules_of
from waste_edge.engines.names import ENGINES, EngineName
from waste_edge.errors import UserError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.bounded import open_file
from waste_edge.files.strict import Strict, to_json

MOST_ENTRIES = 256
_MAX_BYTES = 1 << 17


class Good(Strict, frozen=True):
    """One network that did well: its bundle's digest, its name, and the engine with its version."""

    digest: str
    artifact: str
    engine: str


class _File(Strict, frozen=True):
    good: list[Good] = msgspec.field(default_factory=list)


def is_known_good(bundle: Bundle, artifacts: Sequence[ArtifactName], engine: EngineName | None = None) -> bool:
    """Return whether each of a bundle's networks is shipped, or ran well on this machine's present engine.

    What came with the program was tried on its own engines; on a plug-in it has to do well first, as any other.
    """
    if bundle.digest in shipped_digests() and (engine is None or engine in ENGINES):
        return True
    known = _read()
    return all(_entry(bundle, artifact, engine) in known for artifact in artifacts)


def remember(bundle: Bundle, artifacts: Sequence[ArtifactName], engine: EngineName | None = None) -> None:
    """Keep that a bundle's networks did well; a cache that cannot be written is passed over."""
    new = [_entry(bundle, artifact, engine) for artifact in artifacts]
    kept = [entry for entry in _read() if entry not in new]
    try:
        write_atomically(_path(), to_json(_File(good=[*kept, *new][-MOST_ENTRIES:])))
    except UserError:
        return


def _entry(bundle: Bundle, artifact: ArtifactName, engine: EngineName | None) -> Good:
    own = engine_of(artifact)
    named = f"{engine} " if engine is not None and engine != own else ""
    return Good(digest=bundle.digest, artifact=artifact, engine=named + _installed(engine or own))


def _installed(engine: EngineName) -> str:
    """The engine's package as it is installed, e.g. `onnxruntime-1.32.0`; its import would cost a second on a board."""
    for module in modules_of(engine):
        found = importlib.util.find_spec(module)
        for folder in found.submodule_search_locations or () if found else ():
            names = sorted(path.name for path in Path(folder).parent.glob(f"{module}-*.dist-info"))
            return names[-1].removesuffix(".dist-info") if names else module
    return ""


def _path() -> Path:
    given = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(given) if given.startswith("/") else Path("~/.cache").expanduser()
    return cache / "waste-edge" / "known-good.json"


def _read() -> list[Good]:
    """Read the list; empty if it cannot be read, or another user could have written it."""
    try:
        with open_file(_path(), _MAX_BYTES) as stream:
            if os.fstat(stream.fileno()).st_uid != os.geteuid():
                return []
            return msgspec.json.decode(stream.read(_MAX_BYTES), type=_File).good
    except (OSError, RuntimeError, ValueError, msgspec.DecodeError):
        return []
