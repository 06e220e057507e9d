"""The same run gives the same bytes: in another process, place and time, with other cores and another hash seed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bundle.test_signing import make_keys
from tests.export.conftest import Chain, command_line
from tests.export.parity import assert_bundle_parity
from waste_edge.bundle.bundle import open_bundle, pack
from waste_edge.bundle.signing import SIGNATURE_NAME, read_required_key, read_signer


def export_elsewhere(run: Path, chain: Chain, place: Path, out: str, *more: object) -> Path:
    """Export copies of the run and the photographs, with everything else about the process changed as well."""
    copied_run, copied_data = place / "other run", place / "other photos"
    for source, copy in ((run, copied_run), (chain.data, copied_data)):
        shutil.copytree(source, copy)
        for path in copy.rglob("*"):
            os.utime(path, (1_000_000_000, 1_000_000_000))
    (place / "scratch").mkdir()
    changed = {"PYTHONHASHSEED": "4711", "TMPDIR": str(place / "scratch"), "TZ": "Asia/Tokyo"}
    changed["OMP_NUM_THREADS"] = "1" if os.environ.get("OMP_NUM_THREADS") != "1" else "2"
    changed["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    code = "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    code += "from waste_edge.cli.main import main; main(sys.argv[1:])"
    arguments = ("export", copied_run, "--data", copied_data, "--out", out, "--recipe", chain.export_recipe, *more)
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=place, env={**os.environ, **changed}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert_bundle_parity(place / out)
    return place / out


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_same(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []


def test_a_signed_zip_holds_the_same_bytes(chain: Chain, tmp_path: Path) -> None:
    private, public = make_keys(tmp_path, "station")
    packed = export_elsewhere(chain.student, chain, tmp_path, "bundle.zip", "--sign", private)
    with open_bundle(packed, read_required_key(public)) as bundle:
        bundle.verify_checksums()
    shutil.unpack_archive(packed, tmp_path / "unpacked")
    unpacked = contents(tmp_path / "unpacked")
    expected = contents(chain.bundle)
    assert len(expected) == 7
    expected[SIGNATURE_NAME] = read_signer(private).sign(expected["manifest.json"])
    assert_same(unpacked, expected)
    again = tmp_path / "again"
    shutil.copytree(chain.bundle, again)
    (again / SIGNATURE_NAME).write_bytes(expected[SIGNATURE_NAME])
    pack(again, tmp_path / "again.zip")
    assert packed.read_bytes() == (tmp_path / "again.zip").read_bytes()


@pytest.mark.long
def test_the_teacher_is_reproducible_too(chain: Chain, tmp_path: Path) -> None:
    here = tmp_path / "here" / "bundle"
    done = command_line("export", chain.teacher, "--data", chain.data, "--out", here, "--recipe", chain.export_recipe)
    assert done.returncode == 0, done.stderr
    assert_same(contents(here), contents(export_elsewhere(chain.teacher, chain, tmp_path, "bundle")))


def test_a_key_that_is_none_stops_the_export_before_it_starts(chain: Chain, tmp_path: Path) -> None:
    (tmp_path / "wrong.key").write_text("nothing")
    out = tmp_path / "bundle"
    done = command_line("export", chain.student, "--data", chain.data, "--out", out, "--sign", tmp_path / "wrong.key")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith(f"waste-edge: {tmp_path / 'wrong.key'}: expected an ed25519")
    assert "exporting" not in done.stderr
    assert not out.exists()
