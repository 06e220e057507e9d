"""`evaluate --domains` and `compare --domains` with bundles alone, on a board too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import colour_picture
from waste_edge.dataset import open_dataset, split
from waste_edge.evaluation.domains.report import DomainsReport
from waste_edge.files.strict import read_json
from waste_edge.rendering.scene import render_view

WasteEdge = Callable[..., Any]


def write_domains(folder: Path, copied: Path | None = None) -> Path:
    """Two sources of colours, one of which calls every green one red, and a battery; perhaps a copy beside them."""
    generator = np.random.default_rng(7)
    lines = ["file,label,source,group"]
    for source, label, colour in (
        ("shop", "red", "red"),
        ("shop", "green", "green"),
        ("web_shop", "red", "red"),
        ("web_shop", "red", "green"),
        ("shop", "battery", "blue"),
    ):
        for number in range(4):
            name = f"{source}-{label}-{colour}-{number}.png"
            Image.fromarray(colour_picture(colour, generator)).save(folder / name)
            lines.append(f"{name},{label},{source},{source}{number}")
    if copied is not None:
        with Image.open(copied) as picture:
            picture.resize((60, 60)).save(folder / "copy.jpg", quality=70)
        lines.append("copy.jpg,red,shop,copy")
    table = folder / "elsewhere.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return table


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_domains(tmp_path)


@pytest.fixture
def asked(waste_edge: WasteEdge, tiny_bundle: Path, colour_photos: Path) -> WasteEdge:
    """`waste-edge evaluate` of the tiny bundle on its own data, with more options."""
    return lambda *options: waste_edge("evaluate", tiny_bundle, "--data", colour_photos, *options)


def reported(text: str, tmp_path: Path) -> DomainsReport:
    (tmp_path / "printed.json").write_text(text, encoding="utf-8")
    return read_json(tmp_path / "printed.json", DomainsReport)


def test_the_json_is_a_strict_document_of_every_source(asked: WasteEdge, table: Path, tmp_path: Path) -> None:
    outcome = asked("--domains", table, "--json")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    report = reported(outcome.stdout, tmp_path)
    assert "the validation part, 6 of 30 pictures of the model's own data" in report.protocol
    (model,) = report.models
    assert model.home is not None
    assert (model.home.pictures, model.home.accuracy.value) == (6, 1.0)
    assert [(one.source, one.accuracy.value) for one in model.sources] == [("web_shop", 0.5), ("shop", 1.0)]
    assert [(one.kind, one.dangerous) for one in model.unknown] == [("battery", True)]


def test_the_screen_the_page_and_the_tables_show_it(asked: WasteEdge, table: Path, tmp_path: Path) -> None:
    page, tables = tmp_path / "page.html", tmp_path / "tables.md"
    outcome = asked("--domains", table, "--report", page, "--markdown", tables)
    assert outcome.exit_code == 0
    assert max(map(len, outcome.stdout.splitlines()[:20])) <= 80
    for text in (outcome.stdout, page.read_text(), tables.read_text()):
        assert "web_shop" in text
        assert "battery !" in text
    assert read_json(page.with_suffix(".json"), DomainsReport).domains == "elsewhere.csv"


def test_a_planted_copy_of_a_training_picture_is_refused_by_name(
    asked: WasteEdge, waste_edge: WasteEdge, tmp_path: Path
) -> None:
    data = tmp_path / "photos"
    for row, label in enumerate(("blue", "green", "red")):
        (data / label).mkdir(parents=True)
        for number in range(10):
            scene = render_view("glass", np.random.default_rng([row, number]), 96, 96)
            Image.fromarray(scene).save(data / label / f"{number}.png")
    bundle = made_from(data, tmp_path)
    dataset = open_dataset(data)
    taught = split(dataset, read_split(bundle))["train"][0].path
    assert taught is not None
    table = write_domains(tmp_path, copied=taught)
    refused = waste_edge("evaluate", bundle, "--data", data, "--domains", table)
    assert refused.exit_code == 2
    assert f"{tmp_path / 'copy.jpg'} is a near-copy of {taught}" in refused.stderr
    assert "--allow-leak" in refused.stderr
    allowed = waste_edge("evaluate", bundle, "--data", data, "--domains", table, "--allow-leak", "--json")
    assert allowed.exit_code == 0
    (copy,) = reported(allowed.stdout, tmp_path).copies
    assert "copy.jpg" in copy


def made_from(data: Path, tmp_path: Path) -> Path:
    from tests.conftest import write_tiny_bundle

    folder = tmp_path / "tiny"
    folder.mkdir()
    write_tiny_bundle(folder, open_dataset(data).fingerprint())
    return folder


def read_split(bundle: Path) -> Any:
    from waste_edge.bundle.bundle import open_bundle

    return open_bundle(bundle).manifest.provenance.split


def test_two_bundles_are_compared(
    waste_edge: WasteEdge, tiny_bundle: Path, colour_photos: Path, table: Path, tmp_path: Path
) -> None:
    outcome = waste_edge("compare", f"{tiny_bundle}:all", "--data", colour_photos, "--domains", table, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    report = reported(outcome.stdout, tmp_path)
    assert [pair.points.value for pair in report.pairs] == [0.0]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--allow-leak",), "--allow-leak: is of --domains"),
        (("--domains", "TABLE", "--robustness"), "two reports"),
        (("--domains", "TABLE", "--unknown", "rendered"), "two reports"),
        (("--domains", "none.csv"), "none.csv: no such file"),
    ],
)
def test_what_does_not_go_together_is_told(
    asked: WasteEdge, table: Path, options: tuple[str, ...], complaint: str
) -> None:
    outcome = asked(*(str(table) if one == "TABLE" else one for one in options))
    assert outcome.exit_code == 2
    assert complaint in outcome.stderr
