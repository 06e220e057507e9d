"""The accuracy gate, --best, --debug and bad input through the command line, on the chain's student made worse."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save

from tests.conftest import Outcome
from tests.export.conftest import Chain
from waste_edge.bundle.bundle import open_bundle
from waste_edge.files.atomic import sha256_of


def spoiled(chain: Chain, folder: Path, factor: float) -> Path:
    """The student with three channels made tiny by a batch norm and huge by the next convolution.

    But for what reached ReLU6's cap that is the same function; with a NaN factor it is none at all.
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
    chain: Chain, broken_run: Path, tmp_path: Path, waste_edge: Callable[..., Outcome]
) -> None:
    done = waste_edge(
        "export", broken_run, "--data", chain.data, "--out", tmp_path / "b", "--debug", tmp_path / "debug",
        "--recipe", chain.export_recipe,
    )  # fmt: skip
    assert done.exit_code == 2, done.stderr
    said = " ".join(done.stderr.split())
    assert "more than 12 points lost on validation: onnx-int8" in said
    assert "try --best for the other recipes; --debug DIR" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["debug"]
    breakage = json.loads((tmp_path / "debug" / "static_wi8_ai8.json").read_text())
    assert set(breakage["culprit"].values()) == {"blocks.2.0.conv_pw"}
    assert (tmp_path / "debug" / "static_wi8_ai8.png").read_bytes().startswith(b"\x89PNG")


def test_best_finds_the_recipe_that_mends_it(
    chain: Chain,
    broken_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    waste_edge: Callable[..., Outcome],
) -> None:
    mending = tmp_path / "mending.toml"
    mending.write_text(chain.export_recipe.read_text().replace('ai8"', 'ai8_equalized"\nequalize = true'))
    # The shipped ones allow one point, which this hardly trained student would lose by chance.
    monkeypatch.setattr("waste_edge.export.recipe.SHIPPED", (str(chain.export_recipe), str(mending)))
    done = waste_edge("export", broken_run, "--data", chain.data, "--out", tmp_path / "b", "--best")
    assert done.exit_code == 0, done.stderr
    manifest = open_bundle(tmp_path / "b").manifest
    assert manifest.provenance.export_recipe == "static_wi8_ai8_equalized"
    assert "channels equalized" in manifest.artifacts["tflite-int8"].scheme
    comparison = manifest.metrics.quantization["tflite-int8"]
    assert comparison.drop_points <= 12.0
    assert comparison.pictures == 120
    report = (tmp_path / "b.export.md").read_text()
    assert all(f"| {name} |" in report for name in manifest.artifacts)
    assert "1 of 2 recipes passed the gate" in report
    assert "tflite-int8 against FP32: " in (tmp_path / "b" / "MODEL_CARD.md").read_text()


def test_weights_of_nan_are_refused(chain: Chain, tmp_path: Path, waste_edge: Callable[..., Outcome]) -> None:
    run = spoiled(chain, tmp_path, float("nan"))
    done = waste_edge("export", run, "--data", chain.data, "--out", tmp_path / "b")
    assert done.exit_code == 2
    assert "are NaN or infinite" in done.stderr
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--best", "--recipe", "static_wi8_ai8"), "leave out --recipe, or leave out --best"),
        (("--recipe", "mixed.toml"), "keep_fp32 names blocks.9, the network has conv_stem,"),
    ],
)
def test_wrong_requests(
    chain: Chain, tmp_path: Path, arguments: tuple[str, ...], complaint: str, waste_edge: Callable[..., Outcome]
) -> None:
    recipe = tmp_path / "mixed.toml"
    recipe.write_text('name = "static_wi8_ai8_mixed"\nkeep_fp32 = ["blocks.9"]\ncalibration_pictures = 24\n')
    given = [recipe if argument == "mixed.toml" else argument for argument in arguments]
    done = waste_edge("export", chain.student, "--data", chain.data, "--out", tmp_path / "b", *given)
    assert done.exit_code == 2, done.stderr
    assert complaint in " ".join(done.stderr.split())
    assert not (tmp_path / "b").exists()
