from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.dataset.test_domains import write
from tests.export.conftest import QUANTIZE, Chain, command_line
from waste_edge.bundle.manifest import MANIFEST_NAME, Calibration, Manifest
from waste_edge.evaluation.evaluate import Outputs
from waste_edge.export.domains import (
    Rows,
    by_source,
    choose_confidence,
    mixed_temperature,
    mixed_threshold,
    mixed_weights,
)
from waste_edge.files.strict import read_json
from waste_edge.metrics.classification import fit_temperature

PLAIN = Calibration(temperature=1.0, min_confidence=0.4, min_known_score=-100.0, fitted_on="nothing")


def rows(confidence: list[float], right: list[bool], source: list[str]) -> Rows:
    """Two labels, the first said with this confidence, and true where it is right."""
    share = np.array(confidence)
    logits = np.stack([np.log(share), np.log(1 - share)], axis=1).astype(np.float32)
    return Rows(Outputs(logits, logits), np.where(right, 0, 1), np.array(source))


def test_every_domain_counts_alike_whatever_its_size() -> None:
    elsewhere = rows([0.9] * 4, [True] * 4, ["web", "web", "web", "shop"])
    weights = mixed_weights(2, elsewhere)
    assert weights.tolist() == pytest.approx([0.5, 0.5, 1 / 3, 1 / 3, 1 / 3, 1.0])
    assert mixed_weights(2, elsewhere, 3.0).tolist() == pytest.approx([1.5, 1.5, 1 / 3, 1 / 3, 1 / 3, 1.0])


def test_a_temperature_rises_where_other_sources_show_it_too_sure() -> None:
    home = rows([0.99] * 100, [True] * 98 + [False] * 2, ["home"] * 100)
    shop = rows([0.99] * 10, [True] * 6 + [False] * 4, ["shop"] * 10)
    alone = mixed_temperature(home.outputs, home.truth, None)
    assert alone == fit_temperature(home.outputs.logits, home.truth)
    mixed = mixed_temperature(home.outputs, home.truth, shop)
    assert mixed > 1.5 * alone
    assert alone < mixed_temperature(home.outputs, home.truth, shop, 10.0) < mixed


def test_a_threshold_keeps_its_share_of_all_domains_together() -> None:
    shop = rows([0.9] * 10, [True] * 10, ["shop"] * 10)
    home, elsewhere = np.linspace(1, 2, 100), np.linspace(0, 0.9, 10)
    threshold = mixed_threshold(home, elsewhere, shop, 0.9)
    assert (elsewhere >= threshold).mean() == pytest.approx(0.8), "half of the weight: a fifth of these, none of home"
    assert (home >= threshold).all()
    assert mixed_threshold(home, elsewhere, shop, 1.0) == 0.0


def test_the_least_confidence_leaves_few_wrong_of_what_is_sorted() -> None:
    confidence = [*np.linspace(0.99, 0.71, 29), *np.linspace(0.7, 0.6, 11)]
    elsewhere = rows(confidence, [True] * 29 + [False] * 11, ["web"] * 40)
    known = np.zeros(40)
    found = choose_confidence(elsewhere, known, PLAIN, 0.05)
    assert found == pytest.approx(0.7, abs=0.0002), "one wrong in thirty"
    kept = np.array(confidence) >= found
    assert (~np.array([True] * 29 + [False] * 11))[kept].mean() <= 0.05
    assert choose_confidence(elsewhere, known, PLAIN, 0.5) == pytest.approx(0.6, abs=0.0002)


def test_what_the_known_score_keeps_out_is_not_sorted() -> None:
    elsewhere = rows([0.99, 0.9, 0.8, 0.7], [False, True, True, True], ["web"] * 4)
    strict = Calibration(temperature=1.0, min_confidence=0.0, min_known_score=0.0, fitted_on="nothing")
    assert choose_confidence(elsewhere, np.zeros(4), strict, 0.05) is None, "the surest answer is wrong"
    known = np.array([-1.0, 0, 0, 0])
    assert choose_confidence(elsewhere, known, strict, 0.05) == pytest.approx(0.7, abs=0.0002)


def test_a_source_has_its_own_error_and_what_it_is_called_unknown() -> None:
    elsewhere = rows([0.9, 0.9, 0.3, 0.9], [True, False, True, True], ["web", "web", "web", "shop"])
    strict = Calibration(temperature=1.0, min_confidence=0.75, min_known_score=-1.0, fitted_on="nothing")
    shop, web = by_source(elsewhere, np.zeros(4), strict, "min_confidence")
    assert (shop.source, shop.pictures, shop.accuracy, shop.kept_out, shop.wrong) == ("shop", 1, 1.0, 0.0, 0.0)
    assert shop.ece == pytest.approx(0.1, abs=1e-6)
    assert (web.pictures, web.kept_out, web.wrong) == (3, pytest.approx(1 / 3), 0.5)
    nothing = Calibration(temperature=1.0, min_confidence=0.95, min_known_score=-1.0, fitted_on="nothing")
    assert by_source(elsewhere, np.zeros(4), nothing, "temperature")[0].wrong is None


@pytest.fixture
def table(chain: Chain, tmp_path: Path) -> Path:
    """The chain's own colours from two other sources, one of which may teach, and unknown things of both."""
    lines = []
    for source, folder, label in (
        ("shop", "licensed", "red"),
        ("shop", "licensed", "blue"),
        ("street", "measuring", "red"),
        ("street", "measuring", "blue"),
        ("shop", "licensed", "cloth"),
        ("street", "measuring", "battery"),
    ):
        lines += [
            (f"{folder}/{source}/{label}/{n}.png", label, source, "", "MIT", f"{source}{label}{n}") for n in range(12)
        ]
    return write(tmp_path, lines)


def test_an_export_is_confident_elsewhere_by_other_sources(chain: Chain, table: Path, tmp_path: Path) -> None:
    recipe, out = tmp_path / "recipe.toml", tmp_path / "bundle"
    recipe.write_text(QUANTIZE + 'known_score = "best"\nsorted_wrong = 0.6\n')
    options = ("--data", chain.data, "--out", out, "--recipe", recipe, "--calibration-domains", table)
    done = command_line("export", chain.student, *options)
    assert done.returncode == 0, done.stderr
    assert "choosing the known score by its worst kind of battery" in done.stderr
    calibration = read_json(out / MANIFEST_NAME, Manifest).calibration
    uses = [(one.source, one.use) for one in calibration.domains]
    assert uses[1:] == [("shop", "temperature"), ("street", "min_confidence")]
    held_out = calibration.domains[1]
    assert 0 < held_out.pictures < 24, "groups held out, not those that may teach"
    assert calibration.domains[2].pictures == 24
    assert f"{held_out.pictures} held-out pictures of shop" in calibration.fitted_on
    if calibration.known_parameters is not None:
        assert calibration.known_parameters.size_bytes <= 20_000
    card = (out / "MODEL_CARD.md").read_text()
    assert "## Confidence elsewhere" in card
    assert "| street | min_confidence | 24 |" in card
    done = command_line("evaluate", out, "--data", chain.data, "--domains", table, "--json")
    assert done.returncode == 0, done.stderr
    (model,) = json.loads(done.stdout)["models"]
    street = next(one for one in model["sources"] if one["source"] == "street")
    assert street["accuracy"]["value"] == calibration.domains[2].accuracy
    assert [one["kind"] for one in model["unknown"] if one["dangerous"]] == ["battery"]
