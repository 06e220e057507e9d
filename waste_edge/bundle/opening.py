"""The bundle that a user means, by name or path: signed as this device requires, and no older than it has been.

Versions only rise, or an old bundle, rightly signed once, would come back by whoever swaps files. The newest that was
used is kept by name in a file of this user's state (`$XDG_STATE_HOME`, else `~/.local/state`), for all verbs alike,
once a key is required.
"""

from __future__ import annotations

import os
import re
import sys
from functools import partial
from pathlib import Path

import msgspec

from waste_edge.bundle.bundle import Bundle, find_bundle, open_bundle
from waste_edge.bundle.signing import REQUIRE_KEY_VARIABLE, RequiredKey, read_required_key
from waste_edge.errors import BundleError, ConfigError, UserError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.bounded import open_file
from waste_edge.files.resources import is_shipped_bundle
from waste_edge.files.strict import to_json

_MOST_NAMES, _MAX_BYTES = 1000, 1 << 20


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


def check_version(bundle: Bundle) -> None:
    """Refuse a bundle that is older than one of its name that this device has used.

    Raises:
        BundleError: it is older.
    """
    name, version = bundle.manifest.name, bundle.manifest.version
    newest = _read()
    if name in newest and sort_key(version) < sort_key(newest[name]):
        raise BundleError(
            f"{bundle.source}: is version {version} of {name}, and this device has used {newest[name]}; "
            "an older one is taken with --allow-older (station.toml: allow_older = true)"
        )


def keep_version(bundle: Bundle) -> None:
    """Keep that this device has used a bundle: no older one of its name is taken from now on."""
    name, version = bundle.manifest.name, bundle.manifest.version
    newest = _read()
    if newest.get(name) == version:
        return
    kept = [(key, value) for key, value in newest.items() if key != name][-_MOST_NAMES + 1 :]
    try:
        write_atomically(_path(), to_json({**dict(kept), name: version}))
    except UserError as error:
        print(f"waste-edge: {error}; an older bundle will not be noticed", file=sys.stderr)


def sort_key(version: str) -> list[tuple[int, int, str]]:
    """Orders versions: numbers by their value, words before them and by the alphabet: 1.0-rc1 < 1.0 < 1.0.1 < 1.10."""
    parts = re.findall(r"[0-9]+|[^\W\d_]+", version)
    numbers = [part.lstrip("0") if part.isdecimal() else "" for part in parts]  # int() refuses thousands of digits
    return [
        (2, len(number), number) if part.isdecimal() else (0, 0, part.casefold())
        for part, number in zip(parts, numbers, strict=True)
    ] + [(1, 0, "")]


def _path() -> Path:
    given = os.environ.get("XDG_STATE_HOME", "")
    state = Path(given) if given.startswith("/") else Path("~/.local/state").expanduser()
    return state / "waste-edge" / "bundle-versions.json"


def _read() -> dict[str, str]:
    try:
        with open_file(_path(), _MAX_BYTES) as stream:
            return msgspec.json.decode(stream.read(_MAX_BYTES), type=dict[str, str])
    except FileNotFoundError:
        return {}
    except (OSError, RuntimeError, ValueError, msgspec.DecodeError) as error:
        print(
            f"waste-edge: bundle-versions.json: cannot be read ({error}); an older bundle will not be noticed",
            file=sys.stderr,
        )
        return {}
