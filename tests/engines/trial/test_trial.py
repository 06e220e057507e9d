"""Networks that are not known good are tried in a child: whatever they do there is told in one line."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.conftest import SIZE_PX, tiny_network
from waste_edge.bundle.bundle import Bundle, open_bundle, pack
from waste_edge.bundle.manifest import ArtifactName
from waste_edge.engines.classifier import load_classifier
from waste_edge.engines.trial import known_good, trial
from waste_edge.engines.trial.known_good import is_known_good, remember
from waste_edge.engines.trial.trial import ChildReport, ensure_tried, memory_limit, try_bundle
from waste_edge.engines.verify import Verification
from waste_edge.errors import BundleError, EngineError
from waste_edge.files.limits import TRIAL_SHARED_BYTES

Replace = Callable[[Path, str, bytes], None]
WasteEdge = Callable[..., Any]


def network(nodes: Sequence[Any], constants: dict[str, Any]) -> bytes:
    """An ONNX network of the tiny bundle's inputs and outputs; `nodes` make logits and features."""
    from onnx import TensorProto as T
    from onnx import helper, numpy_helper

    graph = helper.make_graph(
        nodes,
        "odd",
        [helper.make_tensor_value_info("pixels", T.UINT8, (1, SIZE_PX, SIZE_PX, 3))],
        [helper.make_tensor_value_info(name, T.FLOAT, (1, 3)) for name in ("logits", "features")],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def from_one_number() -> list[Any]:
    """Nodes that make the two outputs of a scalar `number`."""
    from onnx import helper

    return [helper.make_node("Expand", ["number", "shape"], [name]) for name in ("logits", "features")]


def greedy() -> bytes:
    """Asks for 4.9 GB, from one number in the file."""
    from onnx import helper

    nodes = [
        helper.make_node("ReduceMean", ["levels"], ["mean"], keepdims=0),
        helper.make_node("Cast", ["pixels"], ["levels"], to=1),
        helper.make_node("Expand", ["mean", "huge"], ["field"]),
        helper.make_node("ReduceMax", ["field"], ["number"], keepdims=0),
    ]
    nodes[:2] = nodes[1::-1]
    return network([*nodes, *from_one_number()], {"huge": np.array([35_000, 35_000]), "shape": np.array([1, 3])})


def endless() -> bytes:
    """Two thousand products of matrices of a thousand rows, from one number: an hour of work without a loop."""
    from onnx import helper

    nodes = [
        helper.make_node("Cast", ["pixels"], ["levels"], to=1),
        helper.make_node("ReduceMean", ["levels"], ["mean"], keepdims=0),
        helper.make_node("Expand", ["mean", "large"], ["m0"]),
        *(helper.make_node("MatMul", [f"m{index}", "m0"], [f"m{index + 1}"]) for index in range(2_000)),
        helper.make_node("ReduceMax", ["m2000"], ["number"], keepdims=0),
    ]
    return network([*nodes, *from_one_number()], {"large": np.array([1_000, 1_000]), "shape": np.array([1, 3])})


def not_finite(of_dark_pictures_only: bool) -> bytes:
    """Gives NaN: for all pictures, or for those darker than the golden ones and than what is tried at the start."""
    from onnx import helper

    nodes = [
        helper.make_node("Cast", ["pixels"], ["levels"], to=1),
        helper.make_node("ReduceMean", ["levels"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["mean", "least"], ["above"]),
        helper.make_node("Sqrt", ["above"], ["number"]),
    ]
    least = np.float32(0.5 if of_dark_pictures_only else 300)
    return network([*nodes, *from_one_number()], {"least": least, "shape": np.array([1, 3])})


@pytest.fixture
def odd_bundle(bundle_copy: Path, replace_file: Replace) -> Callable[[bytes], Path]:
    """The tiny bundle with another INT8 network, one that the manifest vouches for."""

    def make(content: bytes) -> Path:
        replace_file(bundle_copy, "artifacts.onnx-int8", content)
        return bundle_copy

    return make


def test_a_good_network_is_tried_once(trials: Path, bundle_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_bundle(bundle_copy) as bundle:
        assert load_classifier(bundle).artifact == "onnx-int8"
        kept = json.loads(trials.read_text(encoding="utf-8"))["good"]
        assert [(entry["digest"], entry["artifact"]) for entry in kept] == [(bundle.digest, "onnx-int8")]
        assert kept[0]["engine"].startswith("onnxruntime-")
        monkeypatch.setattr(trial, "try_bundle", lambda *_, **__: pytest.fail("tried again"))
        load_classifier(bundle)
        with pytest.raises(pytest.fail.Exception):
            load_classifier(bundle, precision="fp32")


def test_what_ships_is_known_good_wherever_it_lies(trials: Path, default_bundle: Path, tmp_path: Path) -> None:
    pack(default_bundle, tmp_path / "copy.zip")
    with open_bundle(tmp_path / "copy.zip") as bundle:
        assert is_known_good(bundle, list(bundle.manifest.artifacts))
    assert not trials.exists(), "nothing is written for it"


def test_a_network_that_takes_all_memory(trials: Path, odd_bundle: Callable[[bytes], Path]) -> None:
    with open_bundle(odd_bundle(greedy())) as bundle, pytest.raises(BundleError) as caught:
        load_classifier(bundle)
    assert "onnx-int8" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "(tried in a process of its own)" in str(caught.value)
    assert not trials.exists()


def test_a_network_that_never_answers(
    trials: Path, odd_bundle: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "TRIAL_CPU_S", 1)
    with open_bundle(odd_bundle(endless())) as bundle, pytest.raises(BundleError, match="processor time while"):
        load_classifier(bundle)


def test_verify_tells_what_it_did_and_ends(
    trials: Path, odd_bundle: Callable[[bytes], Path], waste_edge: WasteEdge
) -> None:
    folder = odd_bundle(greedy())
    outcome = waste_edge("verify", folder, "--json")
    assert (outcome.exit_code, outcome.stderr) == (2, "")
    statuses = {row.artifact: row.status for row in msgspec.json.decode(outcome.stdout, type=Verification).artifacts}
    assert statuses == {"onnx-fp32": "ok", "onnx-int8": "failed"}


def test_a_good_bundle_verifies_in_the_child(trials: Path, bundle_copy: Path, waste_edge: WasteEdge) -> None:
    outcome = waste_edge("verify", bundle_copy)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert outcome.stdout.count("3/3") == 2
    with open_bundle(bundle_copy) as bundle:
        assert is_known_good(bundle, ["onnx-fp32", "onnx-int8"])


def test_a_bundle_that_changes_under_way(trials: Path, bundle_copy: Path) -> None:
    with open_bundle(bundle_copy) as bundle:
        manifest = bundle_copy / "manifest.json"
        manifest.write_bytes(manifest.read_bytes() + b" ")
        with pytest.raises(BundleError, match="was changed while it was opened"):
            ensure_tried(bundle, ["onnx-int8"])


def test_golden_pictures_that_are_none(trials: Path, bundle_copy: Path, replace_file: Replace) -> None:
    replace_file(bundle_copy, "golden", b"PK\x05\x06" + bytes(18))
    with open_bundle(bundle_copy) as bundle, pytest.raises(BundleError, match="lacks the array pixels"):
        load_classifier(bundle)


def test_an_engine_of_another_version_tries_again(
    trials: Path, opened_tiny: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(opened_tiny, ["onnx-int8"])
    assert is_known_good(opened_tiny, ["onnx-int8"])
    monkeypatch.setattr(known_good, "_installed", lambda artifact: "onnxruntime-1.0")
    assert not is_known_good(opened_tiny, ["onnx-int8"])


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b'{"good": 3}', b"\xff", b" " * 200_000])
def test_a_damaged_memory_of_what_is_good_is_none(trials: Path, opened_tiny: Bundle, content: bytes) -> None:
    trials.parent.mkdir(parents=True)
    trials.write_bytes(content)
    assert not is_known_good(opened_tiny, ["onnx-int8"])
    remember(opened_tiny, ["onnx-int8"])
    assert is_known_good(opened_tiny, ["onnx-int8"])


def test_another_user_s_memory_of_what_is_good_is_none(
    trials: Path, opened_tiny: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(opened_tiny, ["onnx-int8"])
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert not is_known_good(opened_tiny, ["onnx-int8"])


def test_a_cache_that_cannot_be_written_is_passed_over(
    trials: Path, opened_tiny: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    remember(opened_tiny, ["onnx-int8"])
    assert not is_known_good(opened_tiny, ["onnx-int8"])


def test_a_network_that_gives_no_numbers(trials: Path, odd_bundle: Callable[[bytes], Path]) -> None:
    with (
        open_bundle(odd_bundle(not_finite(of_dark_pictures_only=False))) as bundle,
        pytest.raises(BundleError, match="gives numbers that are not finite"),
    ):
        load_classifier(bundle, artifact="onnx-int8")


def test_a_network_that_gives_no_numbers_later(trials: Path, odd_bundle: Callable[[bytes], Path]) -> None:
    with open_bundle(odd_bundle(not_finite(of_dark_pictures_only=True))) as bundle:
        classifier = load_classifier(bundle, artifact="onnx-int8")
        with pytest.raises(EngineError, match="onnx-int8 gave numbers that are not finite"):
            classifier.classify(np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8))


def test_what_is_remembered_has_an_end(trials: Path, opened_tiny: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_good, "MOST_ENTRIES", 1)
    remember(opened_tiny, ["onnx-fp32"])
    remember(opened_tiny, ["onnx-int8"])
    assert not is_known_good(opened_tiny, ["onnx-fp32"])
    assert is_known_good(opened_tiny, ["onnx-int8"])


# ---------------------------------------------------------------- how a child may end


def ending(code: str, memory_bytes: int = 1 << 30) -> tuple[str, list[ChildReport]]:
    child = trial._Child([sys.executable, "-c", code], memory_bytes)
    with contextlib.closing(child):
        words = list(child.words())
    return child.ending, words


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("", ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "died of SIGSEGV"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "an instruction that this processor lacks"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", "of processor time"),
        ("import sys; sys.stderr.write('libx.so: no such file\\n'); sys.exit(3)", "ended with libx.so: no such file"),
        ("raise SystemExit(5)", "ended with exit code 5"),
        ("import os; os.write(2, b'terminate: std::bad_alloc'); os.abort()", "of memory"),
        ("print('x' * 3_000_000)", "wrote nonsense"),
    ],
)
def test_how_it_ended_in_words(code: str, expected: str) -> None:
    said, words = ending(code)
    assert (expected in said) if expected else (said == "")
    assert words == []


def test_a_child_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "TRIAL_PATIENCE_S", 0.3)
    started = time.monotonic()
    said, _ = ending("import time; time.sleep(60)")
    assert said == "gave no answer within 0.3 s"
    assert time.monotonic() - started < 10


def test_a_child_that_grows_is_ended() -> None:
    said, _ = ending("import time; x = bytearray(200 << 20); x[:] = bytes([1]) * len(x); time.sleep(60)", 64 << 20)
    assert "64 MiB of memory" in said


def test_much_on_stderr_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    said, _ = ending("import sys; [sys.stderr.write('x' * 100_000 + '\\n') for _ in range(100)]; sys.exit(4)")
    assert said.startswith("ended with xxx")
    assert len(said) < 300


def test_the_child_has_no_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQTT_PASSWORD", "secret")
    assert "secret" not in trial._environment().values()
    assert trial._environment()["ORT_DISABLE_TELEMETRY"] == "1"


def test_the_limits_fit_a_unit_of_400_mb(default_bundle: Path) -> None:
    """Beside the child: a station that has not loaded its engine yet, and its capture process, 60 MB each."""
    with open_bundle(default_bundle) as bundle:
        most = memory_limit(bundle.manifest, list(bundle.manifest.artifacts)) + TRIAL_SHARED_BYTES
        tried = try_bundle(bundle, list(bundle.manifest.artifacts))
    assert most + 2 * 60e6 < 400e6
    assert all(replay.status == "ok" for replay in tried.replays)
    assert 0 < tried.peak_mb < most / 1e6


# ---------------------------------------------------------------- damage of all kinds


def mutations(whole: bytes, count: int) -> list[bytes]:
    """Copies with a few changed bytes, more often where the structure is than in the weights."""
    generator = np.random.default_rng(5)
    made = []
    for index in range(count):
        content = bytearray(whole)
        places = generator.integers(0, len(whole), 2) if index % 3 == 0 else generator.integers(0, 8_000, 2)
        for place in places % len(whole):
            content[place] = generator.integers(256)
        made.append(bytes(content[: int(generator.integers(len(whole)))] if index % 20 == 0 else content))
    return made


@pytest.mark.long
@pytest.mark.parametrize("artifact", ["tflite-int8", "tflite-fp32", "onnx-int8"])
def test_mutations_of_a_shipped_network_never_reach_this_process(
    trials: Path, default_bundle: Path, tmp_path: Path, replace_file: Replace, artifact: ArtifactName
) -> None:
    folder = tmp_path / "mutated"
    pack(default_bundle, tmp_path / "whole.zip")
    with open_bundle(tmp_path / "whole.zip") as bundle:
        contents = mutations(bundle.artifact(artifact).content, 120)
    import shutil

    shutil.copytree(default_bundle, folder)
    for content in contents:
        replace_file(folder, f"artifacts.{artifact}", content)
        started = time.monotonic()
        with open_bundle(folder) as bundle, contextlib.suppress(BundleError):
            load_classifier(bundle, artifact=artifact)
        assert time.monotonic() - started < 20


def test_the_tiny_network_passes_the_check(trials: Path, odd_bundle: Callable[[bytes], Path]) -> None:
    with open_bundle(odd_bundle(tiny_network(quantized=True))) as bundle:
        ensure_tried(bundle, ["onnx-int8"])
