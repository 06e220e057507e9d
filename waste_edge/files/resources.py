"""Paths of shipped files, known only here: the checkout first, else the wheel's copy."""

from __future__ import annotations

import subprocess
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_CHECKOUT = _PACKAGE.parent
_SHIPPED = _PACKAGE / "_shipped"

BUNDLES = _PACKAGE / "bundles"
DEFAULT_BUNDLE = "small"
SITES = "device/sites"
AUTO_BUNDLE = "auto"  # of a station: what its board affords, see device/bundle_choice.py
DEMO_CLIP = _PACKAGE / "demo" / "clip.mp4"
DEMO_SCRIPT = _PACKAGE / "demo" / "clip.json"
PAGE_FILES = _PACKAGE / "device" / "page" / "static"


def is_shipped_bundle(given: str) -> bool:
    """Return whether a word is the name of a bundle that ships with the package; a path has a slash."""
    return "/" not in given and given not in ("", ".", "..") and (BUNDLES / given / "manifest.json").is_file()


def is_shipped_site(given: str) -> bool:
    """Return whether a word is the name of a site that ships with the package."""
    return find(given, SITES) != Path(given)


def shipped(name: str) -> Path:
    """A file or folder of the repository's top-level rooms, e.g. `training/teacher.toml`.

    Raises:
        FileNotFoundError: neither the checkout nor the wheel holds it.
    """
    for base in (_CHECKOUT, _SHIPPED) if (_CHECKOUT / "pyproject.toml").is_file() else (_SHIPPED,):
        if (base / name).exists():
            return base / name
    raise FileNotFoundError(f"{name} is not among the shipped files")


def find(given: str, room: str, suffix: str = ".toml") -> Path:
    """Resolve the name of a shipped recipe or site, or a path, to a path.

    `find("student", "training")` is `training/student.toml` of the checkout or the wheel, whatever lies in the working
    directory: a path has a slash or a suffix. A name that is neither is returned as given, so that whoever opens it
    reports it missing.
    """
    path = Path(given)
    if not given or path.suffix or "/" in given:
        return path
    try:
        return shipped(f"{room}/{given}{suffix}")
    except FileNotFoundError:
        return path


def commit_of_code() -> str:
    """The checkout's commit, `-dirty` if it has changes; empty for an installed package."""
    if not (_CHECKOUT / ".git").exists():
        return ""
    try:
        command = ["git", "-C", str(_CHECKOUT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
