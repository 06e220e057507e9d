"""A bundle calibrated anew: its networks as they are, its thresholds by the recipe."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.conftest import write_photos
from tests.export.conftest import QUANTIZE, Chain, command_line
from waste_edge.bundle.bundle import open_bundle
from waste_edge.engines.verify import verify_bundle
from waste_edge.errors import DataError, UserError
from waste_edge.evaluation.evaluate import without_progress
from waste_edge.export.build import Exported, Naming, without_fp32
from waste_edge.export.recalibrate import Wanted, recalibrate_bundle
from waste_edge.export.recipe import ExportRecipe
from waste_edge.files.strict import to_json


def recalibrated(source: Path, *arguments: Any) -> Exported:
    with open_bundle(source) as bundle:
        return recalibrate_bundle(bundle, *arguments)


RECIPE = ExportRecipe("static_wi8_ai8", known_score="energy", min_confidence=0.55, known_share=0.9)


def test_networks_stay_and_the_confidence_is_the_recipes(chain: Chain, tmp_path: Path) -> None:
    recipe, out = tmp_path / "other.toml", tmp_path / "other"
    recipe.write_text(QUANTIZE + 'known_score = "energy"\nmin_confidence = 0.55\nknown_share = 0.9\n')
    done = command_line(
        "export", chain.bundle, "--data", chain.data, "--recipe", recipe, "--out", out, "--version", "2"
    )
    assert done.returncode == 0, done.stderr
    assert "confidence fitted anew, networks as in bundle 1" in done.stdout.replace("\n", " ")
    with open_bundle(chain.bundle) as before, open_bundle(out) as after:
        assert after.manifest.artifacts == before.manifest.artifacts
        assert (after.manifest.golden, after.manifest.tree) == (before.manifest.golden, before.manifest.tree)
        assert (after.manifest.name, after.manifest.version) == ("other", "2")
        calibration = after.manifest.calibration
        assert (calibration.known_score, calibration.min_confidence) == ("energy", 0.55)
        assert calibration.temperature == before.manifest.calibration.temperature
        for name, one in after.manifest.metrics.artifacts.items():
            old = before.manifest.metrics.artifacts[name]
            assert one.scores.accuracy == old.scores.accuracy
            assert (one.agreement, one.max_logit_difference) == (old.agreement, old.max_logit_difference)
        rejected = {name: one.scores.rejected for name, one in after.manifest.metrics.artifacts.items()}
        assert min(rejected.values()) >= 0.09, "a tenth by the known score alone"
        assert {one.status for one in verify_bundle(after).artifacts} == {"ok"}
        assert "confidence 0.55" in (out / "MODEL_CARD.md").read_text()


def test_a_zip_becomes_a_zip(chain: Chain, tmp_path: Path) -> None:
    out = tmp_path / "again.zip"
    recalibrated(chain.bundle, chain.data, out, Wanted(RECIPE, Naming("again", "3", "MIT")), print, without_progress)
    with open_bundle(out) as bundle:
        assert (bundle.manifest.name, bundle.manifest.licence) == ("again", "MIT")
    with pytest.raises(UserError, match="exists already"):
        recalibrated(out, chain.data, out, Wanted(RECIPE, Naming("again", "3", "MIT")), print, without_progress)


def test_networks_that_were_left_out_have_no_scores_any_more(chain: Chain, tmp_path: Path) -> None:
    slim = tmp_path / "slim"
    slim.mkdir()
    for path in chain.bundle.iterdir():
        (slim / path.name).write_bytes(path.read_bytes())
    with open_bundle(slim) as bundle:
        manifest = bundle.manifest
    (slim / "manifest.json").write_text(to_json(without_fp32(slim, manifest)), encoding="utf-8")
    made = recalibrated(
        slim,
        chain.data,
        tmp_path / "out",
        Wanted(RECIPE, Naming("slim", "2", "MIT")),
        print,
        without_progress,
    ).manifest
    assert set(made.metrics.artifacts) == {"onnx-int8", "tflite-int8"}
    assert made.metrics.quantization == manifest.metrics.quantization
    assert "tflite-fp32 |" not in (tmp_path / "out/MODEL_CARD.md").read_text()


def test_other_pictures_than_its_own_are_refused(chain: Chain, tmp_path: Path) -> None:
    others = write_photos(tmp_path / "others", {"red": 4, "green": 4, "blue": 4})
    with pytest.raises(DataError, match="their fingerprint differs"):
        recalibrated(
            chain.bundle, others, tmp_path / "out", Wanted(RECIPE, Naming("a", "2", "MIT")), print, without_progress
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", [["--best"], ["--int8-only"], ["--debug", "there"]])
def test_what_makes_networks_is_refused_beside_a_bundle(option: list[str], chain: Chain, tmp_path: Path) -> None:
    done = command_line("export", chain.bundle, "--data", chain.data, "--out", tmp_path / "out", *option)
    assert done.returncode == 2
    assert "is a bundle, its networks stay as they are" in done.stderr.replace("\n", " ")


def test_the_new_one_has_a_version_of_its_own_and_the_licence_of_the_old_one(chain: Chain, tmp_path: Path) -> None:
    asked = (
        "export",
        chain.bundle,
        "--data",
        chain.data,
        "--out",
        tmp_path / "bundle",
        "--recipe",
        chain.export_recipe,
    )
    done = command_line(*asked)
    assert done.returncode == 2
    assert "is bundle 1 itself; name the new one by --version" in done.stderr.replace("\n", " ")
    assert command_line(*asked, "--version", "2").returncode == 0
    with open_bundle(tmp_path / "bundle") as after, open_bundle(chain.bundle) as before:
        assert (after.manifest.version, after.manifest.licence) == ("2", before.manifest.licence)
        assert after.manifest.provenance == before.manifest.provenance


def test_a_bundle_without_the_network_that_boards_run_is_refused(chain: Chain, tmp_path: Path) -> None:
    manifest = open_bundle(chain.bundle).manifest
    without = msgspec.structs.replace(
        manifest,
        artifacts={"onnx-int8": manifest.artifacts["onnx-int8"]},
        golden=msgspec.structs.replace(
            manifest.golden, tolerance={"onnx-int8": manifest.golden.tolerance["onnx-int8"]}
        ),
    )
    folder = tmp_path / "onnx"
    shutil.copytree(chain.bundle, folder)
    (folder / "manifest.json").write_text(to_json(without), encoding="utf-8")
    with pytest.raises(UserError, match="has no tflite-int8, whose answers"):
        recalibrated(
            folder, chain.data, tmp_path / "o", Wanted(RECIPE, Naming("a", "2", "MIT")), print, without_progress
        )


def test_a_required_key_is_heeded(chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "station.pub"
    private = Ed25519PrivateKey.generate()
    key.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    monkeypatch.setenv("WASTE_EDGE_REQUIRE_KEY", str(key))
    done = command_line("export", chain.bundle, "--data", chain.data, "--out", tmp_path / "o", "--version", "2")
    assert done.returncode == 2
    assert "not signed" in done.stderr.replace("\n", " ")
