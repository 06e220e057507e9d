"""Build a release: `python -m tools.release` in an environment of `.[release]`, or `make release`.

The last commit is built twice, in two folders, at the commit's own time; both must give the same bytes. What was built
is checked (twine, check-wheel-contents, sizes, licence files, the CHANGELOG's entry), then wheel, sdist, their SHA-256
and a CycloneDX list of what the runtime depends on are moved into `dist/VERSION/`, whole or not at all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MOST_FILE_BYTES = 8_000_000
LICENCES = ("LICENSE", "NOTICE")
PROJECT = "waste-edge"
SUMS, SBOM = "SHA256SUMS", "sbom.cdx.json"
_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)


class ReleaseError(Exception):
    """Obstacle that keeps this commit from being a release, in one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build and check; 0 if the release is in its folder, 2 with one line if something is to be mended first."""
    parser = argparse.ArgumentParser(description="Build wheel and sdist twice, compare and check them.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder that gets VERSION/ (default: dist)")
    parser.add_argument(
        "--rehearse", action="store_true", help="do all of it, but take a CHANGELOG without an entry of this version"
    )
    given = parser.parse_args(arguments)
    try:
        folder = release(ROOT, given.out, rehearse=given.rehearse)
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 2
    print(f"{folder}: " + ", ".join(sorted(path.name for path in folder.iterdir())))
    return 0


def release(checkout: Path, out: Path, rehearse: bool = False) -> Path:
    """Build the last commit of a checkout into `out/VERSION`.

    Args:
        checkout: a git checkout of this project.
        out: the folder that gets one folder a version.
        rehearse: accept a CHANGELOG that has no entry of this version.

    Returns:
        The folder, with wheel, sdist, `SHA256SUMS` and `sbom.cdx.json`.

    Raises:
        ReleaseError: what is to be mended.
    """
    with tempfile.TemporaryDirectory(prefix="waste-edge-release-") as made:
        folder = Path(made)
        sources = [_committed(checkout, folder / name) for name in ("first", "second")]
        version = version_of((sources[0] / "waste_edge" / "__init__.py").read_text(encoding="utf-8"))
        if not rehearse:
            check_changelog((sources[0] / "CHANGELOG.md").read_text(encoding="utf-8"), version)
        moment = _output("git", "-C", str(checkout), "log", "-1", "--format=%ct").strip()
        built = [_built(source, folder / f"dist-{number}", moment) for number, source in enumerate(sources)]
        check_same(*built)
        check_contents(built[0])
        _check_metadata(built[0])
        (built[0] / SBOM).write_bytes(_bill_of_materials(next(built[0].glob("*.whl")), folder / "runtime"))
        (built[0] / SUMS).write_text(checksums(built[0]), encoding="utf-8")
        return _moved(built[0], out / version)


def version_of(package: str) -> str:
    """The version, which is written in `waste_edge/__init__.py` and nowhere else."""
    found = _VERSION.search(package)
    if found is None:
        raise ReleaseError('waste_edge/__init__.py: expected a line __version__ = "…"')
    return found[1]


def check_changelog(text: str, version: str) -> None:
    """Demand an entry of this version with a date, and nothing left under Unreleased.

    Raises:
        ReleaseError: which of them is missing.
    """
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", text, re.MULTILINE):
        raise ReleaseError(
            f"CHANGELOG.md: expected a heading '## [{version}] - YYYY-MM-DD'; move what is unreleased there"
        )
    unreleased = re.search(r"^## \[Unreleased\]$(.*?)(?=^## \[)", text, re.MULTILINE | re.DOTALL)
    if unreleased and unreleased[1].strip():
        raise ReleaseError(
            f"CHANGELOG.md: lines are left under [Unreleased]; move them to [{version}], or commit them later"
        )


def check_same(first: Path, second: Path) -> None:
    """Demand that two folders hold the same files, byte for byte.

    Raises:
        ReleaseError: the files that differ.
    """
    sums = [dict(_sums(folder)) for folder in (first, second)]
    differing = sorted(name for name in sums[0].keys() | sums[1].keys() if sums[0].get(name) != sums[1].get(name))
    if differing:
        raise ReleaseError(f"two builds of one commit differ: {', '.join(differing)}")


def check_contents(folder: Path) -> None:
    """Demand one wheel and one sdist, no file above 8 MB in them, and the licence files in both.

    Raises:
        ReleaseError: what is missing or too large.
    """
    for pattern in ("*.whl", "*.tar.gz"):
        found = list(folder.glob(pattern))
        if len(found) != 1:
            raise ReleaseError(f"{folder}: expected one {pattern}, got {len(found)}")
        sizes = dict(_members(found[0]))
        large = sorted(name for name, size in sizes.items() if size > MOST_FILE_BYTES)
        if large:
            raise ReleaseError(f"{found[0].name}: above {MOST_FILE_BYTES:,} bytes: {', '.join(large)}")
        missing = [name for name in LICENCES if not any(Path(member).name == name for member in sizes)]
        if missing:
            raise ReleaseError(f"{found[0].name}: no {' and no '.join(missing)}; see license-files in pyproject.toml")


def checksums(folder: Path) -> str:
    """Hashes as `sha256sum --check` reads them: a line a file, by name."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(_sums(folder)))


def _members(archive: Path) -> Iterator[tuple[str, int]]:
    """Names and sizes in bytes of an archive's files."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            yield from ((one.filename, one.file_size) for one in wheel.infolist())
        return
    with tarfile.open(archive) as sdist:
        yield from ((one.name, one.size) for one in sdist if one.isfile())


def _sums(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.iterdir()):
        yield path.name, hashlib.sha256(path.read_bytes()).hexdigest()


def _committed(checkout: Path, folder: Path) -> Path:
    """The last commit's files, so that nothing of the working tree gets in."""
    folder.mkdir()
    archive = folder.with_suffix(".tar")
    _output("git", "-C", str(checkout), "archive", "--output", str(archive), "HEAD")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder


def _built(source: Path, folder: Path, moment: str) -> Path:
    environment = os.environ | {"SOURCE_DATE_EPOCH": moment}
    _output(sys.executable, "-m", "build", "--outdir", str(folder), str(source), environment=environment)
    return folder


def _check_metadata(folder: Path) -> None:
    files = [str(path) for path in folder.iterdir()]
    _output(sys.executable, "-m", "twine", "check", "--strict", *files)
    wheels = [name for name in files if name.endswith(".whl")]
    _output(sys.executable, "-m", "check_wheel_contents", *wheels)


def _bill_of_materials(wheel: Path, folder: Path) -> bytes:
    """CycloneDX, as JSON, of an environment that holds the wheel and what it brings."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    _output(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel))
    _output(str(python), "-m", "pip", "uninstall", "--quiet", "--yes", "pip")
    listed = folder / SBOM
    how = ["environment", str(python), "--output-reproducible", "--of", "JSON", "-o", str(listed)]
    _output(sys.executable, "-m", "cyclonedx_py", *how)
    return with_subject(listed.read_bytes(), PROJECT, wheel.name.split("-")[1])


def with_subject(listed: bytes, name: str, version: str) -> bytes:
    """Make the project what a CycloneDX document is about, in place of one component among others.

    Args:
        listed: the document of an environment, as JSON.
        name: of the project.
        version: of the wheel in that environment.

    Returns:
        The document with `metadata.component`; its reference stays, so that the dependencies still start there.

    Raises:
        ReleaseError: the environment holds no such component, or several.
    """
    document = json.loads(listed)
    components = document.get("components", [])
    ours = [one for one in components if (one["name"], one.get("version")) == (name, version)]
    if len(ours) != 1:
        raise ReleaseError(f"{SBOM}: expected {name} {version} once among what the wheel brings, got {len(ours)}")
    document["components"] = [one for one in components if one is not ours[0]]
    document.setdefault("metadata", {})["component"] = ours[0] | {"type": "application"}
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def _moved(built: Path, target: Path) -> Path:
    """Copy beside the target and rename, so that a folder of this name is always whole; one that is there stays."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        raise ReleaseError(f"{target}: is there already; a version is released once: raise it, or remove the folder")
    beside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        shutil.copytree(built, beside, dirs_exist_ok=True)
        beside.chmod(0o755)
        beside.rename(target)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise ReleaseError(f"{target}: cannot be written ({error.strerror})") from error
    return target


def _output(*command: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise ReleaseError(
            f"{' '.join(command[:4])} …: exit code {done.returncode}: {said[-1] if said else 'no output'}"
        )
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
