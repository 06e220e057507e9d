"""`compare` and `evaluate --report`, from the command line to the page."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tests.conftest import COLOURS, write_photos
from tests.evaluation.conftest import Silent, recipe
from waste_edge.dataset import SplitSpec, open_dataset
from waste_edge.evaluation.comparison.build import ReportExtras, build_report
from waste_edge.evaluation.comparison.held_out import pictures_for_one
from waste_edge.evaluation.evaluate import without_progress
from waste_edge.evaluation.report.content import ComparisonReport
from waste_edge.evaluation.report.markdown import to_markdown
from waste_edge.evaluation.report.page import thumbnails_for, to_html
from waste_edge.evaluation.report.tables import models_table
from waste_edge.files.strict import read_json, to_json
from waste_edge.training.evaluation.evaluate import model_of_run
from waste_edge.training.loop.fit import fit

WasteEdge = Callable[..., Any]


class Page(HTMLParser):
    """What a page loads, which sections it has, and whether its tags are closed."""

    VOID = ("meta", "img", "br", "link", "line", "rect", "circle")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if tag == "a" else []
        self.loaded += [given[name] or "" for name in ("src", "srcset", "data") if name in given]
        assert tag not in ("script", "link", "iframe", "object")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def check_self_contained(text: str) -> Page:
    page = Page(text)
    assert page.open == []
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.loaded)
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids), "a link leads nowhere in the page"
    assert not re.search(r"@import|url\(|https?://", text)
    return page


def test_two_runs_and_a_bundle_make_one_report(
    waste_edge: WasteEdge,
    teacher: Path,
    student: Path,
    tiny_bundle: Path,
    colour_photos: Path,
    strange: Path,
    tmp_path: Path,
) -> None:
    page, tables = tmp_path / "report.html", tmp_path / "tables.md"
    outcome = waste_edge(
        *("compare", teacher, student, f"{tiny_bundle}:onnx-int8", "--data", colour_photos, "--unknown", strange),
        *("--out", page, "--markdown", tables, "--json"),
    )
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    report = read_json(page.with_suffix(".json"), ComparisonReport)
    assert outcome.stdout == to_json(report) == page.with_suffix(".json").read_text(), "one content, three places"
    assert [(model.name, model.role) for model in report.models] == [
        ("teacher", "teacher"),
        ("student", "student"),
        ("tiny:onnx-int8", "INT8"),
    ]
    assert report.protocol == "the validation part, 6 of 30 pictures of the models' own data"
    assert (report.pictures, report.groups, report.grouped, report.unknown.pictures) == (6, 3, True, 6)  # type: ignore[union-attr]
    assert report.labels == ["blue", "green", "red"]
    assert [(pair.first, pair.second) for pair in report.pairs] == [
        ("teacher", "student"),
        ("teacher", "tiny:onnx-int8"),
        ("student", "tiny:onnx-int8"),
    ]
    bundle = report.models[2]
    assert (bundle.scores.accuracy, bundle.facts.parameters, bundle.facts.macs) == (1.0, 9, 9)
    assert all(model.facts.latency_ms and model.facts.latency_ms > 0 for model in report.models)
    assert [len(model.training) for model in report.models] == [2, 1, 0]
    assert len(bundle.rejection.results) == 6, "its own score as shipped, and five"
    assert all(one.auroc is not None for one in bundle.rejection.results)
    text = page.read_text(encoding="utf-8")
    sections = check_self_contained(text).ids
    for name in (
        "headline",
        "table",
        "differences",
        "curves",
        "confusion",
        "disputed",
        "rejection",
        "model-1",
        "model-3",
    ):
        assert name in sections
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    markdown = tables.read_text(encoding="utf-8")
    for title in ("Models", "Differences", "F1 by label", "Confusion of student", "AUROC against unknown pictures"):
        assert f"## {title}\n" in markdown
    assert "data:" not in markdown
    assert report.leaks == [], "files are numbered in each folder"
    accuracy = report.models[0].intervals.accuracy
    assert f"| {accuracy.value:.1%} ({accuracy.low:.1%} to {accuracy.high:.1%}) |" in markdown


def test_people_get_tables(waste_edge: WasteEdge, tiny_bundle: Path, colour_photos: Path) -> None:
    outcome = waste_edge("compare", f"{tiny_bundle}:all", "--data", colour_photos)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    for words in ("tiny:onnx-fp32", "tiny:onnx-int8", "100.0% (100.0% to 100.0%)", "Differences", "1.000", "6 of 30"):
        assert words in outcome.stdout


def test_one_models_page_has_every_section(
    waste_edge: WasteEdge, teacher: Path, colour_photos: Path, strange: Path, tmp_path: Path
) -> None:
    page = tmp_path / "one.html"
    outcome = waste_edge("evaluate", teacher, "--data", colour_photos, "--report", page, "--unknown", strange, "--json")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    text = page.read_text(encoding="utf-8")
    sections = check_self_contained(text).ids
    for name in ("table", "confusion", "curves", "calibration", "rejection", "training", "mistakes", "right"):
        assert name in sections
    report = read_json(page.with_suffix(".json"), ComparisonReport)
    (model,) = report.models
    right = sum(model.scores.confusion[index][index] for index in range(3))
    assert text.count("<img ") == len(model.mistakes) + len(model.right) == 6
    assert (len(model.right), len(model.mistakes)) == (right, 6 - right)
    assert "temperature" in text
    evaluation = json.loads(outcome.stdout)
    assert evaluation["scores"] == json.loads(to_json(model.scores))
    assert [one["score"] for one in evaluation["rejection"]] == [one.score for one in model.rejection.results]
    plain = json.loads(waste_edge("evaluate", teacher, "--data", colour_photos, "--json").stdout)
    assert plain["scores"] == evaluation["scores"], "the report's way and the short way give one number"
    assert plain["protocol"] == evaluation["protocol"]


def test_a_bundle_meets_the_unknown_without_a_page(
    waste_edge: WasteEdge, tiny_bundle: Path, colour_photos: Path, strange: Path
) -> None:
    given = ("evaluate", tiny_bundle, "--artifact", "onnx-fp32", "--data", colour_photos)
    outcome = waste_edge(*given, "--unknown", strange, "--json")
    result = json.loads(outcome.stdout)
    plain = json.loads(waste_edge(*given, "--json").stdout)
    assert result["artifact"] == "onnx-fp32"
    assert len(result["rejection"]) == 6
    assert plain["rejection"] == []
    assert (result["scores"], result["engine"]) == (plain["scores"], plain["engine"])
    assert "AUROC" in waste_edge(*given, "--unknown", strange).stdout


def test_a_board_without_the_training_packages_measures_a_bundle_and_the_unknown(
    tiny_bundle: Path, colour_photos: Path, strange: Path, tmp_path: Path
) -> None:
    program = """
import sys
for name in ("torch", "torchvision", "jinja2", "markupsafe", "matplotlib", "sklearn", "safetensors", "onnx"):
    sys.modules[name] = None
from waste_edge.cli.main import main
main(sys.argv[1:])
"""

    def call(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, *map(str, words), "--data", str(colour_photos)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = call("evaluate", tiny_bundle, "--unknown", strange, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["rejection"]) == 6
    done = call("compare", f"{tiny_bundle}:all")
    assert (done.returncode, done.stdout) == (2, "")
    assert "sklearn" in done.stderr
    assert "pip install 'waste-edge[train]'" in done.stderr
    done = call("evaluate", tiny_bundle, "--report", tmp_path / "page.html")
    assert (done.returncode, done.stdout) == (2, "")
    assert "jinja2 is not installed" in done.stderr
    assert "pip install 'waste-edge[train]'" in done.stderr


def test_seeds_of_one_recipe_are_one_row(
    waste_edge: WasteEdge, teacher: Path, colour_photos: Path, tmp_path: Path
) -> None:
    fit(recipe(seed=3), colour_photos, tmp_path / "again", Silent())
    report = json.loads(waste_edge("compare", teacher, tmp_path / "again", "--data", colour_photos, "--json").stdout)
    (row,) = report["folded"]
    accuracies = [model["scores"]["accuracy"] for model in report["models"]]
    assert (row["recipe"], row["how"], row["members"]) == ("mini", "runs", ["teacher", "again"])
    assert row["accuracy"]["mean"] == pytest.approx(sum(accuracies) / 2)
    assert row["accuracy"]["runs"] == 2


def test_labels_are_the_runs_own_and_in_its_order(
    waste_edge: WasteEdge, teacher: Path, tiny_bundle: Path, colour_photos: Path, tmp_path: Path
) -> None:
    """A bundle with the same labels in another order, weights and all, answers as it did."""
    turned = Path(shutil.copytree(tiny_bundle, tmp_path / "turned"))
    manifest = json.loads((turned / "manifest.json").read_text())
    manifest["labels"] = ["green", "blue", "red"]  # wrong on purpose: it now calls every blue picture green
    (turned / "manifest.json").write_text(json.dumps(manifest))
    report = json.loads(waste_edge("compare", tiny_bundle, turned, "--data", colour_photos, "--json").stdout)
    assert report["labels"] == ["blue", "green", "red"]
    first, second = (model["scores"]["confusion"] for model in report["models"])
    assert first == [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
    assert second == [[0, 2, 0], [2, 0, 0], [0, 0, 2]]


@pytest.fixture
def other_labels(tmp_path: Path) -> Path:
    photos = write_photos(tmp_path / "two", dict.fromkeys(list(COLOURS)[:2], 8))
    fit(recipe(epochs=1), photos, tmp_path / "short", Silent())
    return tmp_path / "short"


def test_other_labels_are_an_error_that_names_both(
    waste_edge: WasteEdge, teacher: Path, other_labels: Path, colour_photos: Path
) -> None:
    outcome = waste_edge("compare", teacher, other_labels, "--data", colour_photos)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "short has the labels blue, green, teacher has blue, green, red" in outcome.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["{run}"], "one model alone"),
        (["{run}", "{run}"], "given twice"),
        (["{run}", "nothing"], "nothing: no such bundle"),
        (["{run}", "{bundle}:tflite-int8"], "has no artifact tflite-int8"),
        (["{run}", "{bundle}", "--unknown", "/nowhere"], "/nowhere: no such folder"),
        (["{run}", "{bundle}", "--unknown", "{empty}"], "holds no pictures"),
        (["{run}", "{bundle}", "--out", "/nowhere/report.html"], "a folder that exists"),
        (["{run}", "{bundle}", "--out", "{empty}/report.json"], "ends in .html"),
    ],
)
def test_mistakes_are_one_line(
    waste_edge: WasteEdge,
    teacher: Path,
    tiny_bundle: Path,
    colour_photos: Path,
    tmp_path: Path,
    given: list[str],
    message: str,
) -> None:
    places = {"run": teacher, "bundle": tiny_bundle, "empty": tmp_path}
    outcome = waste_edge("compare", *(word.format(**places) for word in given), "--data", colour_photos)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert message in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1


def test_a_damaged_split_is_an_error(
    waste_edge: WasteEdge, teacher: Path, tiny_bundle: Path, colour_photos: Path, tmp_path: Path
) -> None:
    damaged = Path(shutil.copytree(teacher, tmp_path / "damaged"))
    (damaged / "split.csv").write_text("file,label,group,part\nred/0.png,red,g,training\n")
    outcome = waste_edge("compare", damaged, tiny_bundle, "--data", colour_photos)
    assert outcome.exit_code == 2
    assert "split.csv: missing or damaged" in outcome.stderr


def test_splits_that_leave_nothing_are_refused(
    waste_edge: WasteEdge, colour_photos: Path, teacher: Path, tmp_path: Path
) -> None:
    """Another recipe and another split: what one held out, the other was trained on."""
    other = recipe(seed=5, split=SplitSpec(seed=1, val_fraction=0.2), epochs=1)
    fit(other, colour_photos, tmp_path / "other", Silent())
    outcome = waste_edge("compare", teacher, tmp_path / "other", "--data", colour_photos)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "was trained on by one of the models (teacher, other)" in outcome.stderr


def test_leaks_are_said_before_any_number(teacher: Path, colour_photos: Path) -> None:
    dataset = open_dataset(colour_photos)
    model = model_of_run(teacher, "teacher")
    leaks = [SimpleNamespace(sentence="The <file> name alone names 100 % of the labels; chance is 33 %.")]
    pictures = pictures_for_one(model, dataset, "auto")
    report = build_report([model], dataset, pictures, lambda name: without_progress, ReportExtras(leaks=leaks))
    assert report.leaks == [leaks[0].sentence]
    page = to_html(report, thumbnails_for(report, pictures.scored))
    check_self_contained(page)
    warning = page.index("The &lt;file&gt; name alone names 100 % of the labels")
    assert warning < page.index('id="headline"') < page.index("<table")
    markdown = to_markdown(report)
    assert markdown.index("Leak:") < markdown.index("## Models")
    without = build_report([model], dataset, pictures, lambda name: without_progress)
    assert 'id="leaks"' not in to_html(without, thumbnails_for(without, pictures.scored))


def test_a_binary_task_has_one_curve_a_model(other_labels: Path, tmp_path: Path) -> None:
    dataset = open_dataset(tmp_path / "two")
    model = model_of_run(other_labels, "short")
    pictures = pictures_for_one(model, dataset, "all")
    report = build_report([model], dataset, pictures, lambda name: without_progress)
    page = to_html(report, thumbnails_for(report, pictures.scored))
    curves = page[page.index('id="curves"') : page.index('id="calibration"')]
    assert curves.count('class="line ') == 2, "one ROC, one PR"
    assert "of green" in curves


def test_names_that_tell_the_label_are_a_leak(
    waste_edge: WasteEdge, tiny_bundle: Path, colour_photos: Path, tmp_path: Path
) -> None:
    for path in sorted(colour_photos.glob("images/*/*.png")):
        target = tmp_path / "named" / path.parent.name / f"{path.parent.name}-{path.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    outcome = waste_edge("compare", f"{tiny_bundle}:all", "--data", tmp_path / "named")
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.stdout.startswith("leak: The file name alone predicts the label"), "before any number"


def test_a_text_is_shown_in_the_place_of_a_picture(teacher: Path, colour_photos: Path) -> None:
    dataset = open_dataset(colour_photos)
    model = model_of_run(teacher, "teacher")
    pictures = pictures_for_one(model, dataset, "auto")
    report = build_report([model], dataset, pictures, lambda name: without_progress)
    said = [msgspec.structs.replace(one, text="a <torn> box") for one in report.models[0].right]
    spoken = msgspec.structs.replace(report.models[0], right=said, mistakes=[])
    page = to_html(msgspec.structs.replace(report, models=[spoken]), {})
    assert "<img" not in page
    assert page.count("a &lt;torn&gt; box") == len(said)


def test_times_of_a_busy_machine_are_called_so(teacher: Path, colour_photos: Path) -> None:
    dataset = open_dataset(colour_photos)
    model = model_of_run(teacher, "teacher")
    pictures = pictures_for_one(model, dataset, "auto")
    report = build_report([model], dataset, pictures, lambda name: without_progress, ReportExtras(machine="a board"))

    def note(latency_ms: float, cpu_ms: float) -> str:
        facts = msgspec.structs.replace(report.models[0].facts, latency_ms=latency_ms, cpu_ms=cpu_ms)
        models = [msgspec.structs.replace(report.models[0], facts=facts)]
        return models_table(msgspec.structs.replace(report, models=models)).note

    assert report.models[0].facts.cpu_ms
    assert "up to 7.0 times as long" in note(28.0, 4.0)
    assert "busy" not in note(4.4, 4.0)
    assert "on a board" in note(4.4, 4.0)
