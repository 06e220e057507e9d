"""Where shipped files are. The only place that knows: the checkout first, else what the wheel carries."""

from __future__ import annotations

import subprocess
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_CHECKOUT = _PACKAGE.parent
_SHIPPED = _PACKAGE / "_shipped"

BUNDLES = _PACKAGE / "bundles"
DEFAULT_BUNDLE = "small"
DEMO_CLIP = _PACKAGE / "demo" / "clip.mp4"
DEMO_SCRIPT = _PACKAGE / "demo" / "clip.json"


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
    """What a user meant by a recipe's or site's name: a path if there is one, else a shipped file.

    `find("student", "training")` is `training/student.toml` of the checkout or the wheel. A name that
    is neither is returned as given, so that whoever opens it reports it missing.
    """
    path = Path(given)
    if path.exists() or path.suffix or len(path.parts) > 1:
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
