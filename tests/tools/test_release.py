"""What `make release` demands before it gives a folder away; the whole of it is run by hand and marked long."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tools.release import (
    MOST_FILE_BYTES,
    ROOT,
    ReleaseError,
    check_changelog,
    check_contents,
    check_same,
    checksums,
    version_of,
    with_subject,
)
from waste_edge import __version__


def test_the_version_is_read_from_its_one_place() -> None:
    assert version_of((ROOT / "waste_edge" / "__init__.py").read_text(encoding="utf-8")) == __version__
    with pytest.raises(ReleaseError, match="__version__"):
        version_of("version = 1\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("## [Unreleased]\n\n## [1.2.0] - 2026-01-02\n\n- a\n", ""),
        ("## [1.2.0] - 2026-01-02\n", ""),
        ("## [Unreleased]\n\n- a\n\n## [1.1.0] - 2026-01-02\n", r"expected a heading '## \[1\.2\.0\]"),
        ("## [1.2.0]\n", "YYYY-MM-DD"),
        ("## [Unreleased]\n\n- a\n\n## [1.2.0] - 2026-01-02\n", "lines are left under"),
    ],
)
def test_a_changelog_needs_an_entry_and_nothing_left_over(text: str, problem: str) -> None:
    if not problem:
        check_changelog(text, "1.2.0")
        return
    with pytest.raises(ReleaseError, match=problem):
        check_changelog(text, "1.2.0")


def test_two_builds_that_differ_are_named(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same.whl").write_bytes(b"a")
    check_same(tmp_path / "first", tmp_path / "second")
    (tmp_path / "second" / "same.whl").write_bytes(b"b")
    (tmp_path / "second" / "more.whl").write_bytes(b"")
    with pytest.raises(ReleaseError, match=r"differ: more\.whl, same\.whl"):
        check_same(tmp_path / "first", tmp_path / "second")


def archives(folder: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(folder / "x-1-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
    with tarfile.open(folder / "x-1.tar.gz", "w:gz") as sdist:
        for name, content in files.items():
            member = tarfile.TarInfo(f"x-1/{name}")
            member.size = len(content)
            sdist.addfile(member, io.BytesIO(content))
    return folder


def test_licence_files_are_demanded_and_large_files_refused(tmp_path: Path) -> None:
    licensed = {"LICENSE": b"l", "NOTICE": b"n"}
    for name, files, problem in (
        ("whole", licensed, ""),
        ("bare", {"LICENSE": b"l"}, r"\.whl: no NOTICE"),
        ("large", licensed | {"film.bin": b"\0" * (MOST_FILE_BYTES + 1)}, r"above 8,000,000 bytes: film\.bin"),
    ):
        (tmp_path / name).mkdir()
        folder = archives(tmp_path / name, files)
        if problem:
            with pytest.raises(ReleaseError, match=problem):
                check_contents(folder)
        else:
            check_contents(folder)
    with pytest.raises(ReleaseError, match=r"expected one \*\.whl, got 0"):
        check_contents(tmp_path)


def test_checksums_are_what_sha256sum_reads(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"b")
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "SHA256SUMS").write_text(checksums(tmp_path), encoding="utf-8")
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=tmp_path, check=True)


def test_the_list_of_parts_says_what_it_is_about() -> None:
    numpy = {"bom-ref": "numpy==2", "name": "numpy", "type": "library", "version": "2"}
    ours = {"bom-ref": "waste-edge==1.0", "name": "waste-edge", "type": "library", "version": "1.0"}
    listed = {
        "bomFormat": "CycloneDX",
        "components": [numpy, ours],
        "dependencies": [{"ref": "waste-edge==1.0", "dependsOn": ["numpy==2"]}],
        "metadata": {"tools": {}},
    }
    made = json.loads(with_subject(json.dumps(listed).encode(), "waste-edge", "1.0"))
    assert made["metadata"]["component"] == ours | {"type": "application"}
    assert made["metadata"]["tools"] == {}
    assert made["components"] == [numpy]
    assert made["dependencies"] == listed["dependencies"]
    for version, components in (("1.1", [numpy, ours]), ("1.0", [ours, ours]), ("1.0", [numpy])):
        with pytest.raises(ReleaseError, match=r"expected waste-edge .* once"):
            with_subject(json.dumps(listed | {"components": components}).encode(), "waste-edge", version)


@pytest.mark.long
def test_the_last_commit_builds_to_the_same_bytes_twice(tmp_path: Path) -> None:
    """The command itself, in an environment of its own: two builds, all checks, no half of a folder."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    subprocess.run(["make", ".venv-release/.installed"], cwd=ROOT, env=environment, check=True)
    command = [".venv-release/bin/python", "-m", "tools.release", "--rehearse", "--out", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    made = tmp_path / __version__
    assert {path.suffix for path in made.iterdir()} == {".whl", ".gz", ".json", ""}
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=made, check=True)
    listed = json.loads((made / "sbom.cdx.json").read_text(encoding="utf-8"))
    assert listed["bomFormat"] == "CycloneDX"
    assert (listed["metadata"]["component"]["name"], listed["metadata"]["component"]["version"]) == (
        "waste-edge",
        __version__,
    )
    assert "numpy" in {one["name"] for one in listed["components"]}
