"""The bundle that a user means, by name or path, signed as this device requires."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from waste_edge.bundle.bundle import Bundle, find_bundle, open_bundle
from waste_edge.bundle.signing import REQUIRE_KEY_VARIABLE, RequiredKey, read_required_key
from waste_edge.errors import ConfigError
from waste_edge.files.resources import is_shipped_bundle


def open_required(given: str, require_key: Path | None = None, allow_older: bool = False) -> Bundle:
    """Open the bundle that a user means.

    Args:
        given: the name of a shipped bundle, or a path; where a folder has such a name, stderr says which was taken.
        require_key: the public key it must be signed by; if None, the one the environment variable names.
        allow_older: where a key is required, take an older version than this device has used.

    Raises:
        BundleError: see `open_bundle`; or it is an older version.
        ConfigError, MissingPackageError: see `required_key_path` and `read_required_key`.
    """
    if is_shipped_bundle(given) and Path(given).exists():
        print(
            f"waste-edge: bundle {given}: the one that ships with the package is taken; "
            f"for the one in this folder say ./{given}",
            file=sys.stderr,
        )
    key = required_key(require_key)
    bundle = open_bundle(find_bundle(given), key)
    if key is None:
        return bundle
    from waste_edge.bundle.versions import check_version, keep_version

    try:
        if not allow_older:
            check_version(bundle)
    except BaseException:
        bundle.close()
        raise
    bundle.when_loaded = partial(keep_version, bundle)
    return bundle


def required_key(given: Path | None = None) -> RequiredKey | None:
    """The public key that bundles must be signed by, if any.

    Raises:
        ConfigError: see `required_key_path`; or the key cannot be read.
    """
    path = required_key_path(given)
    return None if path is None else read_required_key(path)


def required_key_path(given: Path | None = None) -> Path | None:
    """Find the required public key: as given, else by the environment variable, else None.

    Raises:
        ConfigError: the variable is set and empty.
    """
    named = os.environ.get(REQUIRE_KEY_VARIABLE)
    if given is None and named == "":
        raise ConfigError(
            f"{REQUIRE_KEY_VARIABLE}: is set and empty, so no bundle can be trusted; name the public key's file, or "
            "unset it to require none"
        )
    return given or (Path(named) if named else None)
