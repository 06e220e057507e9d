from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from waste_edge.bundle.manifest import Calibration
from waste_edge.dataset import DomainPhoto, Domains, LabelMap, Photo, SplitSpec
from waste_edge.evaluation.domains.measure import Home, measure_domains
from waste_edge.evaluation.domains.report import DomainsReport
from waste_edge.evaluation.domains.tables import domains_html, domains_markdown, sources_table, unknown_table
from waste_edge.evaluation.evaluate import Outputs, Progress
from waste_edge.evaluation.unknowns import GroupedArea, drawn_means
from waste_edge.files.strict import read_json, to_json
from waste_edge.metrics.significance import group_bootstrap_mean
from waste_edge.rejection import Scorer

LABELS = ("glass", "metal")
ALL_KEPT = Calibration(temperature=1.0, min_confidence=0.0, min_known_score=-100.0, fitted_on="nothing")


@dataclass
class Said:
    """A model that answers by a picture's key: `right`, `wrong` or `unsure`, each as surely as it is told."""

    name: str = "said"
    role: str = "INT8"
    engine: str = "Python"
    labels: tuple[str, ...] = LABELS
    label_map: LabelMap = field(default_factory=LabelMap)
    split: SplitSpec = field(default_factory=lambda: SplitSpec(val_fraction=0.5))
    calibration: Calibration | None = ALL_KEPT
    scorer: Scorer | None = field(default_factory=lambda: Scorer("max_logit"))
    domains: Mapping[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def predict(self) -> Callable[[Sequence[Photo], Progress], Outputs]:
        def answer(photos: Sequence[Photo], progress: Progress) -> Outputs:
            logits = np.zeros((len(photos), 2), np.float32)
            for row, photo in enumerate(photos):
                self.asked.append(photo.key)
                index = LABELS.index(photo.label) if photo.label in LABELS else 0
                logits[row, index if "wrong" not in photo.key else 1 - index] = 1.0 if "unsure" in photo.key else 5.0
                progress(row + 1, len(photos))
            return Outputs(logits, logits)

        return answer


def rows(source: str, label: str, answers: Sequence[str]) -> list[DomainPhoto]:
    return [
        DomainPhoto(Photo(None, f"{source}/{label}/{n}-{answer}", label, f"{source}{label}{n}"), source)
        for n, answer in enumerate(answers)
    ]


@pytest.fixture
def domains() -> Domains:
    return Domains(
        Path("domains.csv"),
        (
            *rows("table", "glass", ["right"] * 6 + ["wrong"] * 2),
            *rows("web_shop", "metal", ["right"] * 2 + ["wrong"] * 2),
            *rows("table", "battery", ["sure"] * 3 + ["unsure"]),
            *rows("wood_shop", "wood", ["unsure"] * 4),
        ),
    )


HOME = Home("tins", [row.photo for row in rows("tins", "metal", ["right"] * 9 + ["wrong"])], "ten tins")


def measured(domains: Domains, *models: Said, home: Home = HOME) -> DomainsReport:
    return measure_domains(models or [Said()], home, domains, lambda name: lambda done, total: None)


def test_each_source_has_a_row_and_the_worst_comes_first(domains: Domains) -> None:
    (model,) = measured(domains).models
    assert [(one.source, one.pictures, one.accuracy.value) for one in model.sources] == [
        ("web_shop", 4, 0.5),
        ("table", 8, 0.75),
    ]
    assert model.home is not None
    assert (model.home.source, model.home.pictures, model.home.accuracy.value) == ("home", 10, 0.9)
    assert model.worst == "web_shop"
    assert model.mean is not None
    assert model.mean.value == pytest.approx((0.5 + 0.75) / 2), "sources count alike, whatever their size"
    assert model.mean.low < model.mean.value < model.mean.high
    assert model.mean_ece == pytest.approx(np.mean([one.ece for one in model.sources]))
    assert model.sources[0].ece == pytest.approx(1 / (1 + np.exp(-5)) - 0.5)


def test_what_is_unknown_has_a_row_a_kind_the_worst_told_first_and_a_battery_by_name(domains: Domains) -> None:
    (model,) = measured(domains).models
    battery, wood = model.unknown
    assert (battery.kind, battery.pictures, battery.dangerous, battery.sources) == ("battery", 4, True, ["table"])
    assert battery.home is not None
    assert battery.home.value == pytest.approx((3 * 0.5 + 1) / 4), "three score as known ones do, one below"
    assert wood.kind == "wood"
    assert not wood.dangerous
    assert [one and one.value for one in (wood.home, wood.web, wood.elsewhere)] == [1.0, 1.0, 1.0]
    assert wood.by_source == {"table": 1.0, "web_shop": 1.0}
    assert model.mean_unknown["web"] == pytest.approx((0.625 + 1) / 2)
    (row, *_) = unknown_table(model).rows
    assert row[0] == "battery !"


def test_thresholds_say_what_is_kept_out_and_what_is_wrong_of_the_rest(domains: Domains) -> None:
    strict = Calibration(temperature=1.0, min_confidence=0.9, min_known_score=-100.0, fitted_on="nothing")
    more = Domains(domains.path, (*domains.rows, *rows("web_shop", "glass", ["wrong-unsure"] * 4)))
    (model,) = measured(more, Said(calibration=strict)).models
    shop = next(one for one in model.sources if one.source == "web_shop")
    assert (shop.accuracy.value, shop.kept_out, shop.wrong) == (0.25, 0.5, 0.5)
    assert [one.kept_out for one in model.unknown] == [0.25, 1.0]
    (run,) = measured(more, Said(calibration=None, scorer=None)).models
    assert run.score == "largest probability"
    assert {one.kept_out for one in run.sources} == {None}
    assert "called unknown" not in sources_table(run).headings


def test_of_a_source_that_taught_only_held_out_groups_are_scored_and_none_counts(domains: Domains) -> None:
    taught = Said(domains={"table": 6})
    (model,) = measured(domains, taught).models
    table = next(one for one in model.sources if one.source == "table")
    held_out = domains.of(["table"]).divided(taught.split)[1]
    assert table.taught
    assert table.pictures == len(held_out.of_label("glass").rows) < 8
    assert {key for key in taught.asked if key.startswith("table")} == {row.photo.key for row in held_out.rows}
    assert (model.worst, model.mean and model.mean.value) == ("web_shop", 0.5)
    assert {one.kind: one.taught for one in model.unknown}["wood"] is False


def test_two_models_are_held_against_each_other_on_the_same_pictures(domains: Domains) -> None:
    other = Said(name="other", label_map=LabelMap())
    report = measured(domains, Said(), other)
    (pair,) = report.pairs
    assert (pair.first, pair.second, pair.points.value, pair.points.low, pair.points.high) == (
        "said",
        "other",
        0.0,
        0.0,
        0.0,
    )
    assert measured(domains, Said(domains={"table": 1, "web_shop": 1}), other).pairs == []


def test_without_home_nothing_is_said_of_it(domains: Domains) -> None:
    (model,) = measured(domains, home=Home("nothing", [], "")).models
    assert model.home is None
    assert {one.home for one in model.unknown} == {None}
    assert "home" not in model.mean_unknown


def test_the_report_is_a_strict_document_and_every_form_shows_its_numbers(domains: Domains, tmp_path: Path) -> None:
    report = measured(domains)
    (tmp_path / "report.json").write_text(to_json(report))
    assert read_json(tmp_path / "report.json", DomainsReport) == report
    page, text = domains_html(report), domains_markdown(report)
    for form in (page, text):
        for words in ("web_shop", "battery !", "mean over sources", "worst source: web_shop", "62.5%", "ten tins"):
            assert words in form
    assert "http" not in page.replace("http://www.w3.org", ""), "it opens offline"


def test_intervals_are_of_groups_drawn_anew() -> None:
    generator = np.random.default_rng(0)
    values, groups = generator.random(60), [str(n // 3) for n in range(60)]
    expected = group_bootstrap_mean(values, groups, 2000)
    low, high = np.percentile(drawn_means(values, groups), [2.5, 97.5])
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.02)
    alone = np.percentile(drawn_means(np.repeat(values[:20], 3), [str(n) for n in range(60)]), [2.5, 97.5])
    together = np.percentile(drawn_means(np.repeat(values[:20], 3), groups), [2.5, 97.5])
    assert together[1] - together[0] > 1.3 * (alone[1] - alone[0]), "three of one are one"


def test_an_area_is_that_of_single_pictures_and_varies_with_whole_groups() -> None:
    generator = np.random.default_rng(1)
    known, unknown = generator.normal(1, 1, 40), generator.normal(0, 1, 30)
    single = GroupedArea(known, [str(n) for n in range(40)], unknown, [str(n) for n in range(30)])
    paired = GroupedArea(known, [str(n // 4) for n in range(40)], unknown, [str(n) for n in range(30)])
    wins = (known[:, None] > unknown[None]).mean()
    assert single.value == paired.value == pytest.approx(wins)
    assert single.draws().mean() == pytest.approx(wins, abs=0.02)
    assert single.draws().tolist() == single.draws().tolist(), "the same twice"
