"""First light in miniature: photographs to teacher to student to bundle to the loop."""

import json
from pathlib import Path

import pytest

from tests.export.conftest import Chain, command_line
from waste_edge.bundle.bundle import open_bundle
from waste_edge.bundle.manifest import ARTIFACT_NAMES
from waste_edge.engines.graph.report import report_graphs


def test_the_bundle_verifies_and_holds_everything(chain: Chain) -> None:
    done = command_line("verify", chain.bundle, "--json")
    assert done.returncode == 0, done.stderr
    replays = json.loads(done.stdout)["artifacts"]
    assert [replay["artifact"] for replay in replays] == list(ARTIFACT_NAMES)
    assert all(replay["status"] == "ok" and replay["labels_agreeing"] == 6 for replay in replays)


def test_the_student_beats_chance_in_every_artifact(chain: Chain) -> None:
    for artifact in ARTIFACT_NAMES:
        done = command_line("evaluate", chain.bundle, "--data", chain.data, "--artifact", artifact, "--json")
        assert done.returncode == 0, done.stderr
        evaluation = json.loads(done.stdout)
        assert evaluation["scores"]["pictures"] == 120, "the validation fifth, found again without the run"
        assert evaluation["scores"]["accuracy_low"] > 1 / 3, artifact


def test_the_bundle_carries_the_students_label_tree(chain: Chain) -> None:
    assert open_bundle(chain.bundle).manifest.tree == {"red": "warm", "blue": "cold", "green": "cold"}


def test_evaluate_gives_the_accuracy_that_export_wrote_down(chain: Chain) -> None:
    manifest = open_bundle(chain.bundle).manifest
    for artifact in ARTIFACT_NAMES:
        done = command_line("evaluate", chain.bundle, "--data", chain.data, "--artifact", artifact, "--json")
        assert json.loads(done.stdout)["scores"]["accuracy"] == manifest.metrics.artifacts[artifact].scores.accuracy


def test_a_run_is_evaluated_like_a_bundle(chain: Chain) -> None:
    done = command_line("evaluate", chain.student, "--data", chain.data, "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads((chain.student / "run.json").read_text())
    assert json.loads(done.stdout)["scores"]["accuracy"] == facts["scores"]["accuracy"]


def test_the_loop_runs_the_new_bundle(chain: Chain) -> None:
    done = command_line("run", "--source", chain.data / "red", "--bundle", chain.bundle, "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    decisions = [line for line in lines if line["kind"] == "decision"]
    assert len(decisions) == 200
    labels = [decision["label"] for decision in decisions]
    assert labels.count("red") > 200 / 3


def test_the_card_and_the_provenance_tell_the_story(chain: Chain) -> None:
    manifest = open_bundle(chain.bundle).manifest
    origin = manifest.provenance
    assert origin.recipe == "student"
    assert origin.teacher.startswith("teacher sha256:")
    assert origin.calibration_pictures == 24
    card = (chain.bundle / "MODEL_CARD.md").read_text()
    assert all(words in card for words in ("120 validation pictures", "| red |", "## Limits", "Distilled from"))


def test_the_saved_table_counts_operators_and_names_them(chain: Chain) -> None:
    report = chain.bundle.with_name("bundle.export.md").read_text()
    for graph in report_graphs(open_bundle(chain.bundle)):
        row = next(line for line in report.splitlines() if line.startswith(f"| {graph.artifact} |"))
        assert row.split(" | ")[2] == str(sum(graph.operators.values()))
        assert f"- {graph.artifact}: " + ", ".join(f"{n} {kind}" for kind, n in graph.operators.items()) in report
    assert "- tflite-int8: 14 CONV_2D, 13 DEPTHWISE_CONV_2D, 1 MEAN, 1 FULLY_CONNECTED" in report
    assert "The torch network is the one in float." in report


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_artifacts_agree_with_torch(chain: Chain, precision: str) -> None:
    metrics = open_bundle(chain.bundle).manifest.metrics.artifacts
    for name, one in metrics.items():
        if name.endswith(precision):
            # One epoch leaves many of the 120 answers near a tie, and INT8 tips a tenth of them.
            assert one.agreement >= (1.0 if precision == "fp32" else 0.85)
            assert one.max_logit_difference < (1e-3 if precision == "fp32" else 3.0)


def test_other_data_than_the_runs_are_refused_and_nothing_is_left(chain: Chain, tmp_path: Path) -> None:
    done = command_line("export", chain.student, "--data", chain.data / "nowhere", "--out", tmp_path / "b")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    picture = chain.data / "red" / "0.png"
    other = tmp_path / "photos"
    for label in ("red", "green", "blue"):
        (other / label).mkdir(parents=True)
        (other / label / "0.png").write_bytes(picture.read_bytes())
    done = command_line("export", chain.student, "--data", other, "--out", tmp_path / "b")
    assert done.returncode == 2
    assert "fingerprint differs" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


def test_too_few_calibration_pictures_are_refused(chain: Chain, tmp_path: Path) -> None:
    recipe = tmp_path / "greedy.toml"
    recipe.write_text('name = "static_wi8_ai8"\ncalibration_pictures = 481\n')
    done = command_line("export", chain.student, "--data", chain.data, "--out", tmp_path / "b", "--recipe", recipe)
    assert done.returncode == 2
    assert "480 training pictures, calibration needs 481" in done.stderr
    assert not (tmp_path / "b").exists()
