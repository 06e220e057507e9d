"""What is in the exported files: the operators the target wants, and none besides."""

from collections import Counter

import pytest
import torch

from tests.export.conftest import Chain
from waste_edge.bundle.bundle import open_bundle
from waste_edge.bundle.manifest import ARTIFACT_NAMES, ArtifactName
from waste_edge.engines.graph.report import read_graph, report_graphs
from waste_edge.engines.graph.rules import read_target
from waste_edge.export.formats.graphs import fold_batch_norms
from waste_edge.training.networks import build_network
from waste_edge.training.recipe import ModelSpec
from waste_edge.training.runs import open_run


@pytest.mark.parametrize("artifact", ARTIFACT_NAMES)
def test_every_export_is_made_for_its_target(chain: Chain, artifact: ArtifactName) -> None:
    with open_bundle(chain.bundle) as bundle:
        report = next(report for report in report_graphs(bundle) if report.artifact == artifact)
    assert (report.skipped, report.findings) == ("", [])


def test_the_int8_tflite_suits_a_full_integer_accelerator(chain: Chain) -> None:
    with open_bundle(chain.bundle) as bundle:
        reports = {report.artifact: report for report in report_graphs(bundle, read_target("edgetpu-like"))}
    assert (reports["tflite-int8"].skipped, reports["tflite-int8"].findings) == ("", [])
    assert reports["tflite-int8"].operators == {
        "CONV_2D": 14,
        "DEPTHWISE_CONV_2D": 13,
        "MEAN": 1,
        "FULLY_CONNECTED": 1,
    }


def test_the_fp32_tflite_adds_one_cast_and_its_arithmetic(chain: Chain) -> None:
    counts = {
        name: Counter(read_graph(chain.bundle / f"model-{name}.tflite", "tflite-fp32").counts())
        for name in ("fp32", "int8")
    }
    extra = counts["fp32"] - counts["int8"]
    assert extra["CAST"] == 1
    assert set(extra) <= {"CAST", "SUB", "MUL"}


def test_the_onnx_files_pool_in_one_operator(chain: Chain) -> None:
    artifacts: tuple[ArtifactName, ...] = ("onnx-fp32", "onnx-int8")
    for artifact in artifacts:
        operators = read_graph(chain.bundle / f"model-{artifact[5:]}.onnx", artifact).counts()
        assert operators["GlobalAveragePool"] == 1
        assert operators["Conv"] == 27
        assert not {"ReduceMean", "Gather"} & set(operators)


def test_no_file_names_the_machine_that_made_it(chain: Chain) -> None:
    for path in chain.bundle.iterdir():
        assert b"site-packages" not in path.read_bytes(), path.name


@pytest.mark.parametrize("architecture", ["mobilenet_v1", "mobilenet_v2", "cnn4"])
def test_folding_batch_norms_changes_no_answer(architecture: str) -> None:
    torch.manual_seed(0)
    network = build_network(ModelSpec(architecture=architecture, width=0.35), 5)  # type: ignore[arg-type]
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean = torch.randn_like(module.running_mean) * 0.1  # type: ignore[arg-type]
            module.running_var = torch.rand_like(module.running_var) + 0.5  # type: ignore[arg-type]
    network.eval()
    folded = fold_batch_norms(network)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    x = torch.randn(2, 3, 64, 64)
    for got, expected in zip(folded(x), network(x), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-4)


def test_folding_leaves_the_run_as_it_was(chain: Chain) -> None:
    network = open_run(chain.student).network
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fold_batch_norms(network)
    assert before.keys() == network.state_dict().keys()
