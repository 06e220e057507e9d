"""Open the bundle that a user named, signed by the key that this machine requires. Imports nothing heavy."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from waste_edge.bundle.bundle import Bundle

REQUIRE_KEY_VARIABLE = "WASTE_EDGE_REQUIRE_KEY"


@contextlib.contextmanager
def opened_bundle(given: str, require_key: Path | None = None) -> Iterator[Bundle]:
    """The bundle a user meant, closed afterwards.

    Args:
        given: a path, or the name of a shipped bundle.
        require_key: the public key it must be signed by; if None, the one the environment variable names.
    """
    from waste_edge.bundle.bundle import find_bundle, open_bundle
    from waste_edge.bundle.signing import read_required_key

    key = require_key or os.environ.get(REQUIRE_KEY_VARIABLE)
    with open_bundle(find_bundle(given), read_required_key(Path(key)) if key else None) as bundle:
        yield bundle
