"""The accuracy gate, --best, --debug and bad input through the command line, on the chain's student made worse."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save

from tests.export.conftest import Chain, command_line
from waste_edge.bundle import open_bundle
from waste_edge.files import sha256_of


def spoiled(chain: Chain, folder: Path, factor: float) -> Path:
    """The student with one channel's weights moved from a batch norm into the next convolution: the same function.

    With a NaN factor it is no function at all.
    """
    run = Path(shutil.copytree(chain.student, folder / "spoiled"))
    weights = load_file(run / "model.safetensors")
    for channel in range(3):
        weights["blocks.2.0.bn1.weight"][channel] /= factor
        weights["blocks.2.0.bn1.bias"][channel] /= factor
        weights["blocks.2.0.conv_pw.weight"][:, channel] *= factor
    (run / "model.safetensors").write_bytes(save({name: tensor.contiguous() for name, tensor in weights.items()}))
    facts = json.loads((run / "run.json").read_text())
    facts["weights_sha256"] = sha256_of(run / "model.safetensors")
    (run / "run.json").write_text(json.dumps(facts))
    return run


@pytest.fixture(scope="module")
def broken_run(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return spoiled(chain, tmp_path_factory.mktemp("broken"), 1e4)


def test_the_gate_stays_shut_and_leaves_only_what_debug_was_asked_for(
    chain: Chain, broken_run: Path, tmp_path: Path
) -> None:
    done = command_line(
        "export", broken_run, "--data", chain.data, "--out", tmp_path / "b", "--debug", tmp_path / "debug",
        "--recipe", chain.export_recipe,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    said = " ".join(done.stderr.split())
    assert "points lost on validation: onnx-int8" in said
    assert "try --best for the other recipes; --debug DIR" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["debug"]
    breakage = json.loads((tmp_path / "debug" / "static_wi8_ai8.json").read_text())
    assert set(breakage["culprit"].values()) == {"blocks.2.0.conv_pw"}
    assert (tmp_path / "debug" / "static_wi8_ai8.png").read_bytes().startswith(b"\x89PNG")


def test_best_finds_the_recipe_that_mends_it(chain: Chain, broken_run: Path, tmp_path: Path) -> None:
    done = command_line("export", broken_run, "--data", chain.data, "--out", tmp_path / "b", "--best")
    assert done.returncode == 0, done.stderr
    manifest = open_bundle(tmp_path / "b").manifest
    assert manifest.provenance.export_recipe.endswith("equalized")
    assert "channels equalized" in manifest.artifacts["tflite-int8"].scheme
    comparison = manifest.metrics.quantization["tflite-int8"]
    assert comparison.drop_points <= 1.0
    assert comparison.pictures == 120
    report = (tmp_path / "b.export.md").read_text()
    assert manifest.provenance.export_recipe in report
    assert all(f"| {name} |" in report for name in manifest.artifacts)
    assert "2 of 5 recipes passed the gate" in " ".join(report.split())


def test_weights_of_nan_are_refused(chain: Chain, tmp_path: Path) -> None:
    run = spoiled(chain, tmp_path, float("nan"))
    done = command_line("export", run, "--data", chain.data, "--out", tmp_path / "b")
    assert done.returncode == 2
    assert "holds NaN or infinity" in done.stderr
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--best", "--recipe", "static_wi8_ai8"), "leave out --recipe, or leave out --best"),
        (("--recipe", "mixed.toml"), "keep_fp32 names blocks.9, the network has conv_stem,"),
    ],
)
def test_wrong_requests(chain: Chain, tmp_path: Path, arguments: tuple[str, ...], complaint: str) -> None:
    recipe = tmp_path / "mixed.toml"
    recipe.write_text('name = "static_wi8_ai8_mixed"\nkeep_fp32 = ["blocks.9"]\ncalibration_pictures = 24\n')
    given = [recipe if argument == "mixed.toml" else argument for argument in arguments]
    done = command_line("export", chain.student, "--data", chain.data, "--out", tmp_path / "b", *given)
    assert done.returncode == 2, done.stderr
    assert complaint in " ".join(done.stderr.split())
    assert not (tmp_path / "b").exists()


def test_torch_agrees_that_the_function_is_the_same(chain: Chain, broken_run: Path) -> None:
    from waste_edge.training.runs import open_run

    x = torch.rand(4, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        sound, broken = (open_run(run).network.eval()(x)[0] for run in (chain.student, broken_run))
    torch.testing.assert_close(sound, broken, rtol=1e-3, atol=1e-3)
