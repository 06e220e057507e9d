"""Folders with planted faults, and one without."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from waste_edge.training.data.check.mislabels import find_doubts

LABELS = {"glass": (40, 160, 60), "metal": (150, 150, 160), "paper": (230, 220, 190)}
COUNT = 20


def picture(label: str, seed: int, size_px: tuple[int, int] = (48, 48)) -> Image.Image:
    """An arrangement of patches in the label's colour, unlike any other seed's."""
    generator = np.random.default_rng([seed, sum(LABELS[label])])
    coarse = generator.integers(-60, 61, (12, 12, 1)) + np.array(LABELS[label]) + generator.integers(-8, 9, (12, 12, 3))
    small = Image.fromarray(np.clip(coarse, 0, 255).astype(np.uint8))
    return small.resize(size_px, Image.Resampling.BILINEAR)


def fill(root: Path, seed: int = 0, count: int = COUNT) -> Path:
    for label in LABELS:
        (root / label).mkdir(parents=True)
        for index in range(count):
            name = f"IMG_{(index * len(LABELS) + list(LABELS).index(label)) * 7919 % 1009:04}.png"  # no label in it
            picture(label, seed * 1000 + index).save(root / label / name)
    return root


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    return fill(tmp_path / "photos")


@pytest.fixture
def check(waste_edge: Callable[..., Any]) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Runs `data check --json` and gives the exit code and the findings by kind."""

    def call(*arguments: object) -> tuple[int, dict[str, Any]]:
        ended = waste_edge("data", "check", *arguments, "--json")
        assert all(line.endswith(" left") for line in ended.stderr.splitlines()), "progress and nothing else"
        report = json.loads(ended.stdout)
        assert report["fit"] == (ended.exit_code == 0)
        assert len({finding["kind"] for finding in report["findings"]}) == len(report["findings"])
        return ended.exit_code, {finding["kind"]: finding for finding in report["findings"]}

    return call


def first(folder: Path, label: str) -> Path:
    return sorted((folder / label).iterdir())[0]


def files(finding: dict[str, Any]) -> list[str]:
    return sorted(suspect["file"] for suspect in finding["suspects"])


def test_a_clean_folder_is_fit(check, clean) -> None:
    code, found = check(clean)
    assert code == 0
    assert {finding["severity"] for finding in found.values()} == {"note"}, found
    assert set(found) == {"classes", "extremes"}


def test_every_planted_fault_is_found(check, clean, tmp_path) -> None:
    (clean / "glass" / "corrupt.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(200))
    shutil.copy(first(clean, "glass"), clean / "metal" / "again.png")
    (clean / ".thumbnails").mkdir()
    shutil.copy(first(clean, "paper"), clean / ".thumbnails" / "small.png")
    (clean / "paper" / "notes.png").write_text("shopping list", encoding="utf-8")
    (clean / "plastic").mkdir()
    code, found = check(clean, "--out", tmp_path / "report")
    assert code == 2
    assert files(found["unreadable"]) == ["glass/corrupt.jpg", "paper/notes.png"]
    assert files(found["copies_across_labels"]) == sorted(
        [first(clean, "glass").relative_to(clean).as_posix(), "metal/again.png"]
    )
    assert found["hidden"]["suspects"][0]["file"] == ".thumbnails"
    assert "named like pictures: 1" in found["hidden"]["suspects"][0]["says"]
    assert files(found["empty_class"]) == ["plastic"]
    assert {kind for kind, one in found.items() if one["severity"] == "error"} == {
        "unreadable", "copies_across_labels", "empty_class",
    }  # fmt: skip
    for kind, finding in found.items():
        assert finding["sheet"] == f"{kind}.png"
        with Image.open(tmp_path / "report" / finding["sheet"]) as sheet:
            assert sheet.width > 1000
    assert json.loads((tmp_path / "report" / "check.json").read_text())["findings"]


def test_a_cut_jpeg_is_unreadable_and_says_so(check, clean) -> None:
    path = clean / "glass" / "cut.jpg"
    picture("glass", 99, (200, 200)).save(path)
    path.write_bytes(path.read_bytes()[:-300])
    code, found = check(clean)
    assert code == 2
    assert [(one["file"], "truncated" in one["says"]) for one in found["unreadable"]["suspects"]] == [
        ("glass/cut.jpg", True)
    ]


def test_stray_files_are_warned_of(check, clean) -> None:
    (clean / "glass" / "Thumbs.db").write_bytes(b"x")
    picture("glass", 98).save(clean / "glass" / "icon.ico")
    picture("glass", 97).save(clean / "loose.png")
    for name in ("groups.csv", "SOURCE.json", "README.md", "LICENSE"):
        (clean / name).write_text("file,group\n", encoding="utf-8")
    code, found = check(clean)
    assert code == 0
    assert {one["file"]: one["says"] for one in found["stray"]["suspects"]} == {
        "glass/Thumbs.db": "not a picture",
        "glass/icon.ico": "a picture (ICO) of a kind that is passed over",
        "loose.png": "lies in no label's folder",
    }


def test_copies_and_look_alikes(check, clean) -> None:
    original = first(clean, "glass")
    shutil.copy(original, clean / "glass" / "copy.png")
    Image.open(first(clean, "metal")).save(clean / "metal" / "again.jpg", quality=60)
    Image.open(first(clean, "paper")).resize((40, 40)).save(clean / "metal" / "paper.png")
    code, found = check(clean)
    assert code == 0, "none of these is an error"
    assert files(found["copies"]) == sorted(["glass/copy.png", original.relative_to(clean).as_posix()])
    assert "metal/again.jpg" in files(found["alike"])
    assert found["alike"]["severity"] == "note"
    assert "metal/paper.png" in files(found["alike_across_labels"])
    assert found["alike_across_labels"]["severity"] == "warning"


def test_the_same_picture_on_two_sides_is_an_error(check, tmp_path) -> None:
    photos = tmp_path / "photos"
    fill(photos / "TRAIN", 1)
    fill(photos / "test", 2, 5)
    assert check(photos)[0] == 0
    shutil.copy(first(photos / "TRAIN", "glass"), photos / "test" / "glass" / "again.png")
    Image.open(first(photos / "TRAIN", "metal")).save(photos / "test" / "metal" / "again.jpg", quality=70)
    code, found = check(photos)
    assert code == 2
    assert "test/glass/again.png" in files(found["copies_across_parts"])
    assert "test/metal/again.jpg" in files(found["alike_across_parts"])
    assert {one["says"] for one in found["copies_across_parts"]["suspects"]} == {"glass, train", "glass, test"}


def test_a_label_that_is_not_trained_is_an_error_and_one_not_tested_a_warning(check, tmp_path) -> None:
    photos = tmp_path / "photos"
    fill(photos / "train", 1)
    fill(photos / "test", 2, 5)
    shutil.rmtree(photos / "test" / "paper")
    code, found = check(photos)
    assert (code, found["missing_in_part"]["severity"]) == (0, "warning")
    assert files(found["missing_in_part"]) == ["test/paper"]
    shutil.rmtree(photos / "train" / "glass")
    code, found = check(photos)
    assert (code, found["missing_in_part"]["severity"]) == (2, "error")


def test_rare_labels_and_imbalance(check, clean) -> None:
    for path in sorted((clean / "paper").iterdir())[1:]:
        path.unlink()
    code, found = check(clean)
    assert code == 0
    assert "paper" in found["few"]["text"]
    assert found["classes"]["severity"] == "warning"
    assert "20.0 times" in found["classes"]["text"]


def test_outliers_of_size_shape_light_and_sharpness(check, clean) -> None:
    picture("glass", 90, (20, 30)).save(clean / "glass" / "tiny.png")
    picture("glass", 91, (400, 60)).save(clean / "glass" / "long.png")
    noise = np.random.default_rng(1).integers(0, 12, (48, 48, 3)).astype(np.uint8)
    Image.fromarray(noise).save(clean / "metal" / "night.png")
    Image.fromarray(np.full((48, 48, 3), 128, np.uint8)).save(clean / "metal" / "grey.png")
    picture("paper", 92).resize((4, 4)).resize((400, 400), Image.Resampling.BICUBIC).save(clean / "paper" / "soft.png")
    code, found = check(clean)
    assert code == 0
    assert files(found["small"]) == ["glass/tiny.png"]
    assert files(found["narrow"]) == ["glass/long.png"]
    assert {one["file"]: one["says"].split(",")[0] for one in found["light"]["suspects"]} == {
        "metal/night.png": "dark",
        "metal/grey.png": "one colour",
    }
    assert "paper/soft.png" in files(found["blurred"])


def test_a_wrong_label_is_suspected(check, clean) -> None:
    picture("paper", 80).save(clean / "glass" / "is_paper.png")
    code, found = check(clean)
    assert code == 0
    assert files(found["mislabels"]) == ["glass/is_paper.png"]
    assert "looks like paper" in found["mislabels"]["suspects"][0]["says"]
    assert "colours and edges" in found["mislabels"]["text"]


def test_doubts_need_two_groups_of_each_label() -> None:
    features = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert find_doubts(features, labels, np.array([0, 1, 2, 3, 3, 3])) is None
    assert find_doubts(features, labels, np.arange(6)) is not None


def test_names_that_give_the_label_away_are_told(check, tmp_path) -> None:
    photos = fill(tmp_path / "photos")
    for label in LABELS:
        for index, path in enumerate(sorted((photos / label).iterdir())):
            path.rename(path.with_name(f"{label}{index}.png"))
    code, found = check(photos)
    assert (code, found["leak"]["severity"]) == (0, "warning")
    assert "file name alone predicts the label" in found["leak"]["text"]


def test_a_folder_called_unknown_needs_a_word(check, clean) -> None:
    fill(clean / "x", 5, 3)
    (clean / "x" / "metal").rename(clean / "unknown")
    shutil.rmtree(clean / "x")
    code, found = check(clean)
    assert (code, found["reserved"]["severity"]) == (2, "error")
    code, found = check(clean, "--unknown-ok")
    assert (code, "reserved" in found, "few" in found) == (0, False, False)


@pytest.mark.parametrize("content", ["nothing", "only pictures", "one class"])
def test_what_is_no_data_set_is_not_fit(check, tmp_path, content) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    if content == "only pictures":
        picture("glass", 1).save(folder / "a.png")
    if content == "one class":
        (folder / "glass").mkdir()
        picture("glass", 1).save(folder / "glass" / "a.png")
    code, found = check(folder)
    assert code == 2
    assert set(found) & {"layout", "one_class"}


def test_a_folder_whose_every_file_is_broken_is_told_whole(check, tmp_path) -> None:
    for label in LABELS:
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "photos" / label / "a.png").write_bytes(b"")
    code, found = check(tmp_path / "photos", "--out", tmp_path / "report")
    assert code == 2
    assert len(files(found["unreadable"])) == len(files(found["empty_class"])) == 3


def test_no_such_folder_is_one_line(waste_edge, tmp_path) -> None:
    ended = waste_edge("data", "check", tmp_path / "none")
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert "no such folder" in ended.stderr


def test_the_report_does_not_lie_among_the_photographs(waste_edge, clean) -> None:
    ended = waste_edge("data", "check", clean, "--out", clean / "report")
    assert (ended.exit_code, "choose another --out" in ended.stderr) == (2, True)
    assert not (clean / "report").exists()


def test_a_report_that_is_there_is_kept(waste_edge, clean, tmp_path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "check.json").write_text("mine", encoding="utf-8")
    ended = waste_edge("data", "check", clean, "--out", tmp_path / "report")
    assert (ended.exit_code, "exists already" in ended.stderr) == (2, True)
    assert (tmp_path / "report" / "check.json").read_text(encoding="utf-8") == "mine"


def test_the_table_says_what_and_the_verdict(waste_edge, clean) -> None:
    (clean / "glass" / "[bold]notes.png").write_text("text", encoding="utf-8")
    ended = waste_edge("data", "check", clean)
    assert ended.exit_code == 2
    assert "error   unreadable: files that cannot be read as pictures: 1" in ended.stdout
    assert "glass/[bold]notes.png: not a picture" in ended.stdout
    assert "not fit to train on; mend the errors (kinds of error: 1, of warning: 0)" in ended.stdout


def test_a_network_may_look_instead(waste_edge, clean, tmp_path) -> None:
    import torch
    from safetensors.torch import save_file

    from waste_edge.training.networks import build_network
    from waste_edge.training.recipe import ModelSpec

    torch.manual_seed(0)
    weights = tmp_path / "net.safetensors"
    save_file(build_network(ModelSpec(architecture="mobilenet_v1", width=0.25), 5).state_dict(), weights)
    ended = waste_edge("data", "check", clean, "--weights", weights, "--json")
    assert ended.exit_code == 0, ended.stderr
    assert "MobileNetV1 of width 0.25 with net.safetensors; right about" in json.loads(ended.stdout)["mislabels_by"]


def test_weights_of_something_else_are_one_line(waste_edge, clean, tmp_path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("text")
    for name in ("other.safetensors", "text.safetensors", "none.safetensors"):
        ended = waste_edge("data", "check", clean, "--weights", tmp_path / name)
        assert (ended.exit_code, ended.stderr.count("\n")) == (2, 1), ended.stderr
        assert name in ended.stderr


def test_trashnets_faults_are_found(check, shared) -> None:
    code, found = check(shared / "data" / "trashnet")
    assert code == 2, "three photographs are filed under two labels"
    assert len(found["copies_across_labels"]["suspects"]) == 6
    assert "metal/metal91.jpg" in files(found["copies_across_labels"])
    assert set(found) >= {"alike", "leak", "mislabels", "classes", "extremes"}
    assert "unreadable" not in found
