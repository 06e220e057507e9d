"""How the emulated board's answers are judged; the emulation itself is `make test-arm64`."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.arm64 import checks, emulated, try_out
from tests.arm64.checks import NETWORKS, TOLERANCE, Check, all_replayed, compare, four_rows, levels, tried
from waste_edge.bundle.bundle import find_bundle, open_bundle
from waste_edge.files.resources import BUNDLES

LIBRARIES = {"numpy": "1"}
ARTIFACTS = {f"{bundle} {artifact}" for bundle, artifacts in NETWORKS.items() for artifact in artifacts}


def answers(machine: str, off: float = 0.0, without: str = "") -> dict[str, object]:
    rows = [[0.5 - off, 0.3 + off, 0.2], [0.2, 0.2, 0.6]]
    networks = {name: rows for name in sorted(ARTIFACTS) if name != without}
    return {"machine": machine, "libraries": LIBRARIES, "probabilities": networks}


def board(off: float = 0.0, without: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess([], 0, json.dumps(answers("aarch64", off, without)), "")


def test_answers_that_agree_are_right_and_say_by_how_much():
    found = compare("a53", board(5e-5), answers("x86_64"))
    assert [check.ok for check in found] == [True] * 6
    assert found[0].found.startswith("0 of 2 labels differ; probabilities by at most 5e-05")


def test_int8_may_differ_more_than_fp32():
    found = {check.name.partition(" on ")[0]: check.ok for check in compare("a53", board(0.004), answers("x86_64"))}
    assert found == {name: name.endswith("int8") for name in ARTIFACTS}
    assert TOLERANCE["fp32"] < 0.004 < TOLERANCE["int8"]


def test_a_label_that_differs_is_wrong_however_close():
    found = compare("a53", board(0.101), answers("x86_64", 0.0999))
    assert [check.ok for check in found] == [False] * 6
    assert "1 of 2 labels differ" in found[0].found


def test_a_network_that_does_not_run_there_is_wrong():
    found = compare("a53", board(without="accurate onnx-int8"), answers("x86_64"))
    assert {check.name.partition(" on ")[0] for check in found if not check.ok} == {"accurate onnx-int8"}


def test_a_board_on_which_nothing_answers_is_wrong():
    (found,) = compare("a53", subprocess.CompletedProcess([], 139, "", "qemu\nSegmentation fault"), answers("x86_64"))
    assert (found.ok, found.found) == (False, "exit code 139: Segmentation fault")


def test_a_board_without_a_camera_is_right_and_one_without_an_engine_is_not():
    def doctor(*bad: str) -> str:
        lines = [{"part": part, "level": "bad", "text": "is not there"} for part in bad]
        return json.dumps({"conditions": [*lines, {"part": "disk", "level": "ok", "text": ""}]})

    assert levels(doctor("camera")) == "2 lines, bad: camera (is not there)"
    with pytest.raises(ValueError, match="engine-onnx"):
        levels(doctor("camera", "engine-onnx"))


def ended(code: int, stdout: str = "", stderr: str = ""):
    return lambda root, command: subprocess.CompletedProcess(command, code, stdout, stderr)


def test_a_command_is_right_if_it_ends_well_and_says_what_it_must(monkeypatch, tmp_path):
    monkeypatch.setattr(checks, "inside", ended(0, "words"))
    assert tried(tmp_path, ["a"], str.strip) == Check("a", True, "words", {"exit_code": 0})
    assert not tried(tmp_path, ["a"], lambda out: "").ok
    assert not tried(tmp_path, ["a"], json.loads).ok
    monkeypatch.setattr(checks, "inside", ended(-11, "", "one\nSegmentation fault"))
    found = tried(tmp_path, ["a"], str.strip)
    assert (found.ok, found.found) == (False, "exit code -11: Segmentation fault")


def test_a_film_is_tried_again_and_it_is_said(monkeypatch, tmp_path):
    ends = [ended(2, "", "gave nothing"), ended(0, "words"), ended(0, "words")]
    monkeypatch.setattr(checks, "inside", lambda root, command: ends.pop(0)(root, command))
    assert checks.patiently(tmp_path, ["a"], str.strip).found == "words (at attempt 2)"
    assert checks.patiently(tmp_path, ["a"], str.strip).found == "words"
    monkeypatch.setattr(checks, "inside", ended(2, "", "gave nothing"))
    assert checks.patiently(tmp_path, ["a"], str.strip).found == "exit code 2: gave nothing (at attempt 3)"


def test_every_shipped_network_is_tried():
    for name, networks in NETWORKS.items():
        with open_bundle(find_bundle(name)) as bundle:
            assert bundle.manifest.artifacts.keys() == networks
    assert NETWORKS.keys() == {path.name for path in BUNDLES.iterdir() if path.is_dir()}


@pytest.mark.parametrize("bundle", NETWORKS)
def test_all_networks_must_be_replayed(bundle):
    judge = all_replayed(bundle)
    rows = [{"artifact": name, "status": "ok", "reason": "", "logits_difference": 0.1} for name in NETWORKS[bundle]]
    assert "onnx-int8 ok, logits off 0.1" in judge(json.dumps({"artifacts": rows}))
    with pytest.raises(ValueError, match=rows[0]["artifact"]):
        judge(json.dumps({"artifacts": rows[:1]}))
    rows[0] |= {"status": "failed", "reason": "it differs"}
    with pytest.raises(ValueError, match="failed it differs"):
        judge(json.dumps({"artifacts": rows}))


def test_all_four_networks_must_be_timed():
    timed = [{"artifact": name, "status": "measured"} for name in NETWORKS["small"]]
    assert four_rows(json.dumps({"rows": timed})).count(",") == 3
    assert four_rows(json.dumps({"rows": timed[1:]})) == ""


def test_what_is_missing_is_named_with_its_package(monkeypatch):
    monkeypatch.setattr(emulated.shutil, "which", lambda tool: None if tool == "debootstrap" else f"/bin/{tool}")
    assert emulated.what_is_missing() == "not on this machine; sudo apt-get install -y debootstrap"
    monkeypatch.setattr(emulated.shutil, "which", lambda tool: f"/bin/{tool}")
    monkeypatch.setattr(emulated.os, "geteuid", lambda: 1000)
    assert "needs root" in emulated.what_is_missing()
    monkeypatch.setattr(try_out, "what_is_missing", lambda: "no tool")
    monkeypatch.setattr("sys.argv", ["try_out"])
    assert try_out.main() == 2
