"""What export refuses, in one line, leaving nothing behind."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.export.conftest import Chain, command_line
from waste_edge.errors import GraphError, RunError
from waste_edge.export.build import Naming, export_bundle
from waste_edge.export.formats import tflite
from waste_edge.export.formats.graphs import fold_batch_norms
from waste_edge.export.recipe import read_export_recipe
from waste_edge.export.work import refuse_bad_weights, refuse_foreign_graph
from waste_edge.training.runs import open_run


class Sine(nn.Module):
    """A network with an operator that no target has."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits, features = self.network(x)
        return torch.sin(logits), features


class TorchPadded(nn.Module):
    """A network padded as torch does it, on both sides at stride 2: TFLite needs a PAD."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.linear = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = nn.functional.relu6(self.conv(x)).mean(dim=(2, 3))
        return self.linear(features), features


def test_an_operator_the_target_lacks(chain: Chain, tmp_path: Path) -> None:
    run = open_run(chain.student)
    strange = dataclasses.replace(run, network=Sine(run.network))
    steps: list[str] = []
    with pytest.raises(GraphError) as refused:
        export_bundle(
            strange,
            chain.data,
            tmp_path / "bundle",
            read_export_recipe(str(chain.export_recipe)),
            Naming("strange", "1", "none"),
            steps.append,
            lambda _done, _total: None,
        )
    message = str(refused.value)
    assert message.startswith("onnx-fp32 for ort-cpu: operator Sin at logits: ort-cpu has no Sin in its list")
    assert "\n" not in message
    assert list(tmp_path.iterdir()) == [], "no half bundle"


def test_tflite_operators_are_checked_too(chain: Chain, tmp_path: Path) -> None:
    network = fold_batch_norms(Sine(open_run(chain.student).network))
    tflite.export_fp32(network, 48, 48, tmp_path / "sine.tflite")
    with pytest.raises(GraphError, match="tflite-fp32 for xnnpack-arm64: operator SIN at "):
        refuse_foreign_graph(tmp_path / "sine.tflite", "tflite-fp32")


def test_torch_padding_is_found(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tflite.export_fp32(TorchPadded().eval(), 32, 32, tmp_path / "padded.tflite")
    with pytest.raises(GraphError, match=r"operator PAD(V2)? at .*use SAME padding"):
        refuse_foreign_graph(tmp_path / "padded.tflite", "tflite-fp32")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_weight_that_is_no_number(chain: Chain, tmp_path: Path, value: float) -> None:
    from safetensors.torch import load_file, save_file

    from waste_edge.files.atomic import sha256_of

    run = tmp_path / "run"
    run.mkdir()
    for path in chain.student.iterdir():
        (run / path.name).write_bytes(path.read_bytes())
    weights = load_file(run / "model.safetensors")
    weights["classifier.weight"][0, 0] = value
    old = sha256_of(run / "model.safetensors")
    save_file(weights, run / "model.safetensors")
    facts = (run / "run.json").read_text().replace(old, sha256_of(run / "model.safetensors"))
    (run / "run.json").write_text(facts)
    done = command_line("export", run, "--data", chain.data, "--out", tmp_path / "b", "--recipe", chain.export_recipe)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("waste-edge: ")]
    assert len(lines) == 1
    assert "1 of 768 numbers in classifier.weight are NaN or infinite" in lines[0]
    assert "lower learning_rate" in lines[0]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_only_the_spoiled_copy_of_good_weights_is_refused(chain: Chain) -> None:
    network = open_run(chain.student).network
    refuse_bad_weights(network, chain.student)
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] = float("nan")
    with pytest.raises(RunError, match="1 of"):
        refuse_bad_weights(network, chain.student)
