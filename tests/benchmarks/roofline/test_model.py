"""Roofs and floors: arithmetic that a pencil can follow, and boards as they ship."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from waste_edge.benchmarks.roofline import model as module
from waste_edge.benchmarks.roofline.model import Board, Int8Kernel, Measured, floors_of, read_boards, roofline
from waste_edge.bundle.manifest import ArtifactName
from waste_edge.engines.graph.costs import Costs, Layer
from waste_edge.files.strict import read_json, read_toml, to_json

TWO_LAYERS = Costs(
    layers=(
        Layer("heavy", "CONV_2D", macs=8_000_000, weight_bytes=10_000, activation_bytes=90_000),
        Layer("wide", "DEPTHWISE_CONV_2D", macs=400_000, weight_bytes=0, activation_bytes=2_000_000),
    ),
    uncounted=(),
)
BOARD = Board(
    name="made_up",
    title="Made up",
    core="Core",
    cores=4,
    clock_mhz=1000,
    fp32_macs_per_cycle=4,
    memory_gb_per_s=2.0,
    int8=[Int8Kernel(instruction="SDOT", macs_per_cycle=16), Int8Kernel(instruction="SMLAL", macs_per_cycle=8)],
    based_on=["nothing"],
)


def measured(bundle: Path, artifact: ArtifactName, p50_ms: float = 1.0) -> Measured:
    kind, _, precision = artifact.partition("-")
    return Measured(f"small/{artifact}/x/1/ours", bundle / f"model-{precision}.{kind}", artifact, 1, p50_ms)


@pytest.fixture
def known_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """10 billion multiply-accumulates and 4 billion bytes a second."""
    monkeypatch.setattr(module, "peak_gmacs_per_s", lambda engine, precision, threads: 10.0)
    monkeypatch.setattr(module, "memory_gb_per_s", lambda working_bytes, threads: 4.0)


@pytest.mark.usefixtures("known_machine")
def test_a_layer_takes_the_longer_of_its_two_times(monkeypatch: pytest.MonkeyPatch, default_bundle: Path) -> None:
    monkeypatch.setattr(module, "count_costs", lambda graph: TWO_LAYERS)
    (roof,) = roofline([measured(default_bundle, "tflite-int8", p50_ms=2.0)]).roofs
    assert [(layer.bound, layer.least_ms) for layer in roof.layers] == [
        ("compute", pytest.approx(0.8)),
        ("memory", pytest.approx(0.5)),
    ]
    assert roof.least_ms == pytest.approx(1.3)
    assert roof.roof_share == pytest.approx(0.65)
    assert roof.peak_share == pytest.approx(8_400_000 / 2e-3 / 10e9)
    assert roof.memory_bound_share == pytest.approx(0.5 / 1.3)


def test_floors_follow_cores_clock_and_width() -> None:
    network = Measured("small/tflite-int8/litert/1/ours", Path("x"), "tflite-int8", 1, 1.0)
    floors = {(one.instruction, one.threads): one for one in floors_of(network, TWO_LAYERS, BOARD)}
    assert set(floors) == {("SDOT", 1), ("SDOT", 4), ("SMLAL", 1), ("SMLAL", 4)}
    assert floors["SDOT", 1].compute_ms == pytest.approx(8.4e6 / 16e9 * 1e3)
    assert floors["SMLAL", 4].compute_ms == pytest.approx(8.4e6 / 32e9 * 1e3)
    # 8 million / 16 a cycle against 0.1 MB / 2 GB/s; 0.4 million / 16 a cycle against 2 MB / 2 GB/s.
    assert floors["SDOT", 1].uncached_ms == pytest.approx(0.5 + 1.0)
    floats = floors_of(network._replace(artifact="tflite-fp32"), TWO_LAYERS, BOARD)
    assert {(one.instruction, one.threads): one.compute_ms for one in floats} == {
        ("FMLA", 1): pytest.approx(2.1),
        ("FMLA", 4): pytest.approx(0.525),
    }


@pytest.mark.usefixtures("known_machine")
def test_floors_are_for_each_precision_once_and_survive_json(tmp_path: Path, default_bundle: Path) -> None:
    names: list[ArtifactName] = ["tflite-fp32", "tflite-int8", "onnx-fp32", "onnx-int8"]
    told = roofline([measured(default_bundle, name) for name in names])
    assert {floor.key.split("/")[1] for floor in told.floors} == {"tflite-fp32", "tflite-int8"}
    assert len(told.floors) == 2 * (4 + 4 + 1)  # one core and all; four boards at both precisions, one has two kernels
    assert all(floor.compute_ms <= floor.uncached_ms for floor in told.floors)
    (tmp_path / "a.json").write_text(to_json(told), encoding="utf-8")
    assert read_json(tmp_path / "a.json", type(told)) == told


@pytest.mark.usefixtures("known_machine")
def test_where_the_schema_is_missing_a_roof_is_skipped_with_the_remedy(
    default_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)  # as where only tflite-runtime is installed
    told = roofline([measured(default_bundle, "tflite-int8"), measured(default_bundle, "onnx-int8")])
    assert "pip install ai-edge-litert" in told.roofs[0].skipped
    assert told.roofs[1].skipped == ""
    assert {floor.key.split("/")[1] for floor in told.floors} == {"onnx-int8"}


def test_shipped_boards_are_the_four_with_their_sources() -> None:
    boards = {board.name: board for board in read_boards()}
    assert list(boards) == ["zero2w", "pi3", "pi4", "pi5"]
    for board in boards.values():
        assert all("github.com" in source or "Arm" in source for source in board.based_on)
    assert [kernel.instruction for kernel in boards["pi5"].int8] == ["SDOT", "SMLAL"]
    assert all([kernel.instruction for kernel in boards[name].int8] == ["SMLAL"] for name in ("zero2w", "pi3", "pi4"))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [("cores = 0", "above 0"), ("int8 = []", "int8"), ("based_on = []", "based_on"), ("speed = 1", "speed")],
)
def test_a_wrong_board_is_named(tmp_path: Path, change: str, complaint: str) -> None:
    values = {
        "name": '"x"', "title": '"X"', "core": '"C"', "cores": "4", "clock_mhz": "1000", "fp32_macs_per_cycle": "4",
        "memory_gb_per_s": "2.0", "int8": '[{instruction = "SMLAL", macs_per_cycle = 8}]', "based_on": '["y"]',
    }  # fmt: skip
    key, _, value = change.partition(" = ")
    lines = [f"{name} = {given}" for name, given in (values | {key: value}).items()]
    (tmp_path / "x.toml").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ValueError, match=complaint):
        read_toml(tmp_path / "x.toml", Board)
