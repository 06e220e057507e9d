"""Every kind of run has its report: text alone, picture alone, both, and what is put together from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Outcome
from tests.reading import train_miniature
from waste_edge.evaluation.report.content import ComparisonReport
from waste_edge.files.strict import read_json

WasteEdge = Callable[..., Outcome]


@pytest.mark.parametrize("member", ["", "text", "image"])
def test_a_fusion_and_its_members_have_reports(
    waste_edge: WasteEdge, fused_run: Path, talking_photos: Path, tmp_path: Path, member: str
) -> None:
    page = tmp_path / "page.html"
    done = waste_edge("evaluate", fused_run / member, "--data", talking_photos, "--report", page)
    assert done.exit_code == 0, done.stderr
    (model,) = read_json(page.with_suffix(".json"), ComparisonReport).models
    assert model.facts.size_bytes > 0
    assert (model.facts.macs > 0) == (member == "image")


def test_a_run_of_text_leaks_and_says_so_before_any_number(
    waste_edge: WasteEdge, fused_run: Path, talking_photos: Path, tmp_path: Path
) -> None:
    members = [fused_run / "text", fused_run / "image"]
    page = tmp_path / "page.html"
    done = waste_edge("compare", *members, "--data", talking_photos, "--out", page)
    assert done.exit_code == 0, done.stderr
    assert 0 <= done.stdout.find("leak: ") < done.stdout.find("%")
    assert page.read_text(encoding="utf-8").find("alone predicts the label") > 0


def test_a_concatenated_network_has_a_report(
    waste_edge: WasteEdge, reading_recipes: Path, talking_photos: Path, tmp_path: Path
) -> None:
    train_miniature(reading_recipes / "both.toml", talking_photos, tmp_path / "run", "fit.epochs=1")
    page = tmp_path / "page.html"
    done = waste_edge("evaluate", tmp_path / "run", "--data", talking_photos, "--report", page)
    assert done.exit_code == 0, done.stderr
    assert [model.recipe for model in read_json(page.with_suffix(".json"), ComparisonReport).models] == ["both"]
