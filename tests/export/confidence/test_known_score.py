"""What a bundle tells the unknown by: chosen and fitted at export, and the same on the device."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.export.conftest import QUANTIZE, Chain, command_line
from waste_edge.bundle.bundle import open_bundle
from waste_edge.bundle.manifest import MANIFEST_NAME, Manifest
from waste_edge.engines.classifier import load_classifier
from waste_edge.engines.engine import Engine
from waste_edge.errors import ConfigError, DataError
from waste_edge.evaluation.evaluate import Outputs, predict_photos, without_progress
from waste_edge.evaluation.rendered_pictures import outlier_pictures
from waste_edge.evaluation.unknowns import area_between
from waste_edge.export.confidence import known_score
from waste_edge.export.confidence.known_score import (
    CANDIDATES,
    EXPOSED,
    PARAMETERS_NAME,
    Choice,
    choose_known,
    write_parameters,
)
from waste_edge.export.recipe import read_export_recipe
from waste_edge.export.work import Work, open_work
from waste_edge.files.strict import read_json, to_json
from waste_edge.rejection import KNOWN_SCORES, SCORES_OF_FEATURES, KnownScore, Scorer
from waste_edge.rendering.outliers import render_outlier
from waste_edge.training.runs import open_run


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def work(chain: Chain, told: list[str]) -> Work:
    return open_work(open_run(chain.student), chain.data, told.append, without_progress)


@pytest.fixture(scope="module")
def asked(chain: Chain, work: Work) -> tuple[Engine, Outputs]:
    """The chain's INT8 TFLite, and its answers to the validation photographs."""
    with open_bundle(chain.bundle) as bundle:
        classifier = load_classifier(bundle, artifact="tflite-int8")
        answers = predict_photos(classifier, work.validation)
    return classifier.engine, Outputs(answers.logits, answers.features)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_score, "_PHOTOGRAPHS", 60)
    monkeypatch.setattr(known_score, "_OUTLIERS_TO_FIT", 60)
    monkeypatch.setattr(known_score, "_OUTLIERS_TO_CHOOSE", 20)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("name", KNOWN_SCORES)
def test_a_device_computes_what_was_fitted(
    name: KnownScore, chain: Chain, work: Work, asked: tuple[Engine, Outputs], tmp_path: Path
) -> None:
    engine, answers = asked
    found = choose_known(work, engine, answers, 1.3, Choice(name))
    assert found.scorer.name == name
    assert (found.scorer.learnt is None) == (name not in SCORES_OF_FEATURES) == (found.fitted_on == "")
    if found.scorer.learnt is None:
        return
    write_parameters(tmp_path / PARAMETERS_NAME, found.scorer.learnt)
    with open_bundle(chain.bundle) as bundle:
        learnt = bundle._learnt(name, known_arrays(tmp_path / PARAMETERS_NAME))
    again = Scorer(name, 1.3, learnt)
    assert again(*answers).tolist() == found.scorer(*answers).tolist(), "nothing is lost in the file"


def known_arrays(path: Path):  # type: ignore[no-untyped-def]
    from waste_edge.bundle.arrays import Arrays

    return Arrays(path.read_bytes(), str(path))


@pytest.mark.usefixtures("few")
def test_a_direction_tells_strangers_it_has_not_seen(work: Work, asked: tuple[Engine, Outputs]) -> None:
    engine, answers = asked
    found = choose_known(work, engine, answers, 1.0, Choice("linear"))
    fresh = [engine.infer(pixels) for pixels in work.prepared(outlier_pictures(render_outlier, 100)[60:])]
    outputs = Outputs(np.stack([one.logits for one in fresh]), np.stack([one.features for one in fresh]))
    assert area_between(found.scorer(*answers), found.scorer(*outputs)) > 0.7, "one epoch of a tiny network"
    assert "60 training pictures, 0 of them on other backgrounds too, and 60 rendered strangers" in found.fitted_on


@pytest.mark.usefixtures("few")
def test_the_best_is_chosen_by_strangers_that_none_was_fitted_on(
    work: Work, asked: tuple[Engine, Outputs], told: list[str]
) -> None:
    engine, answers = asked
    told.clear()
    found = choose_known(work, engine, answers, 1.0, Choice("best"))
    lines = [line for line in told if "AUROC" in line]
    areas = [float(line.split("AUROC ")[1].split()[0]) for line in lines]
    assert len(areas) == len(CANDIDATES) == 7
    assert not {"linear", *EXPOSED} & set(CANDIDATES), "it would be judged by what it was taught with"
    assert found.scorer.name == CANDIDATES[int(np.argmax(areas))]
    assert found.fitted_on.endswith("; chosen by 20 rendered strangers")


def test_a_label_without_training_pictures_has_no_mean(work: Work, asked: tuple[Engine, Outputs]) -> None:
    training = [photo for photo in work.parts["train"] if photo.label != "red"]
    without = replace(work, parts={**work.parts, "train": training})
    with pytest.raises(DataError, match="no training picture of red; add some, or take a known score of logits"):
        choose_known(without, *asked, 1.0, Choice("cosine"))


def test_the_default_is_the_largest_logit_and_its_threshold(chain: Chain, asked: tuple[Engine, Outputs]) -> None:
    calibration = open_bundle(chain.bundle).manifest.calibration
    assert (calibration.known_score, calibration.known_parameters) == ("max_logit", None)
    assert calibration.min_known_score == round(float(np.quantile(asked[1].logits.max(axis=1), 0.01)), 4)


def test_a_bundle_with_a_direction_is_made_and_heeded(chain: Chain, tmp_path: Path) -> None:
    recipe, bundle_path = tmp_path / "linear.toml", tmp_path / "bundle"
    recipe.write_text(QUANTIZE + 'known_score = "linear"\nknown_share = 0.95\nmin_confidence = 0.0\n')
    done = command_line("export", chain.student, "--data", chain.data, "--out", bundle_path, "--recipe", recipe)
    assert done.returncode == 0, done.stderr
    manifest = read_json(bundle_path / MANIFEST_NAME, Manifest)
    assert (bundle_path / MANIFEST_NAME).read_text() == to_json(manifest)
    calibration = manifest.calibration
    assert calibration.known_score == "linear"
    assert calibration.known_parameters is not None
    assert calibration.known_parameters in manifest.files()
    assert "rendered strangers" in calibration.fitted_on
    assert "learnt direction" in (bundle_path / "MODEL_CARD.md").read_text()
    rejected = {name: one.scores.rejected for name, one in manifest.metrics.artifacts.items()}
    assert rejected["tflite-int8"] == pytest.approx(0.05, abs=0.01)
    for artifact in ("tflite-int8", "onnx-fp32"):
        done = command_line("evaluate", bundle_path, "--data", chain.data, "--artifact", artifact, "--json")
        assert json.loads(done.stdout)["scores"]["rejected"] == rejected[artifact]
    with open_bundle(bundle_path) as bundle:
        classifier = load_classifier(bundle)
        said = [classifier.classify(photo.pixels()) for photo in outlier_pictures(render_outlier, 40)]
    assert 0 < sum(one.label == "unknown" for one in said) < 40
    assert all((one.label == "unknown") == (one.known_score < calibration.min_known_score) for one in said)


def test_the_command_line_overrides_the_recipes_score() -> None:
    assert read_export_recipe("static_wi8_ai8").known_score == "max_logit"
    assert read_export_recipe("static_wi8_ai8", "best").known_score == "best"
    with pytest.raises(ConfigError, match=r"--known-score entropy: expected one of max_probability, .*, best$"):
        read_export_recipe("static_wi8_ai8", "entropy")


def test_a_score_that_there_is_not_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('name = "static_wi8_ai8"\nknown_score = "entropy"\n')
    with pytest.raises(ConfigError, match="known_score"):
        read_export_recipe(str(path))
    path.write_text('name = "static_wi8_ai8"\nknown_score = "best"\n')
    assert read_export_recipe(str(path)).known_score == "best"
    assert msgspec.structs.asdict(read_export_recipe(str(path)))["known_share"] == 0.99
