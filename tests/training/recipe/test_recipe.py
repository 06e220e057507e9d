from pathlib import Path

import pytest

from waste_edge.errors import ConfigError
from waste_edge.export.recipe import read_export_recipe
from waste_edge.files.resources import shipped
from waste_edge.training.recipe import read_recipe, shipped_recipes

MINIMAL = """
name = "mini"
[model]
architecture = "mobilenet_v1"
[input]
width_px = 32
height_px = 32
[fit]
epochs = 1
"""


@pytest.mark.parametrize("path", shipped_recipes(), ids=lambda path: path.stem)
def test_shipped_recipes_parse_and_are_called_what_their_file_is(path: Path) -> None:
    assert read_recipe(str(path)).name == path.stem
    assert read_recipe(path.stem) == read_recipe(str(path))


def test_shipped_export_recipes_parse() -> None:
    paths = sorted(shipped("export").glob("*.toml"))
    assert paths
    for path in paths:
        assert read_export_recipe(path.stem).name == path.stem


@pytest.mark.parametrize("name", ["student_mobilenet_v1_025", "student_mobilenet_v1_035"])
def test_teacher_and_student_share_split_and_input(name: str) -> None:
    teacher, student = read_recipe("teacher_mobilenet_v2"), read_recipe(name)
    assert teacher.split == student.split, "the student's validation pictures would be the teacher's training ones"
    assert teacher.input == student.input
    assert student.distill is not None


def test_the_quantization_aware_recipe_goes_on_where_the_student_ended() -> None:
    student, tuned = read_recipe("student_mobilenet_v1_025"), read_recipe("qat_student_mobilenet_v1_025")
    assert (tuned.model, tuned.input, tuned.split) == (student.model, student.input, student.split)
    assert tuned.quantize_aware is not None
    assert tuned.fit.learning_rate < student.fit.learning_rate / 5


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ("[fit]\nepochs = 1\nlearning_rat = 1", "learning_rat`, in `fit`; did you mean learning_rate\\?"),
        ("[fit]\nepochs = 0", "fit.epochs"),
        ("[fit]\nepochs = 'many'", "fit.epochs"),
        ("[fit]\nepochs = 1\nlabel_smoothing = 1.5", "label_smoothing"),
        ("[fit]\nepochs = 1\n[split]\nval_fraction = 0.6\ntest_fraction = 0.5", "val_fraction"),
        ("[fit]\nepochs = 1\n[augment]\nmin_area = 0.0", "min_area"),
        ("[fit]\nepochs = 1\n[distill]\ntemperature = 0.0", "temperature"),
        ("[fit]\nepochs = 1\n[rendered]\nviews_per_label = -1", "views_per_label"),
        ("[fit]\nepochs = 1\n[fit]", "fit"),
        ("[fit]\nepochs = 3\n[quantize_aware]\nobserve_batches = 0", "observe_batches"),
        ("[fit]\nepochs = 3\n[quantize_aware]\nrange_momentum = 0.0", "range_momentum"),
        ("[fit]\nepochs = 3\n[quantize_aware]\nfreeze_ranges_after = -1.0", "freeze_ranges_after"),
        ("[fit]\nepochs = 2\n[quantize_aware]\nfreeze_ranges_after = 2.0", "less than fit.epochs"),
        ("[fit]\nepochs = 1\n[augment]\nbad_camera = 1.5", "augment.bad_camera must be 0 to 1, got 1.5"),
        ("[fit]\nepochs = 1\n[backgrounds]\nshare = 2.0", "backgrounds.share must be 0 to 1, got 2.0"),
        ("[fit]\nepochs = 1\n[backgrounds]\nsurfaces = 0", "backgrounds.surfaces must be 1 to 10000, got 0"),
        ("[fit]\nepochs = 1\n[strangers]\nviews = -1", "strangers.views must be 0 to 10000, got -1"),
        ("[fit]\nepochs = 1\n[strangers]\nview = 1", "did you mean views\\?"),
        (
            "[fit]\nepochs = 1\n[augment]\nenabled = false\n[backgrounds]\nshare = 0.5",
            r"backgrounds.share must be 0 without \[input\] or with augment.enabled = false, got 0.5",
        ),
        (
            "[fit]\nepochs = 1\n[strangers]\nviews = 3\n[distill]\nmethod = 'dist'",
            "strangers.views must be 0 with distill.method = 'dist'",
        ),
        ("[fit]\nepochs = 1\n[augment]\nview_sets = -1", "augment.view_sets must be 0 or more, got -1"),
        ("[fit]\nepochs = 1\n[augment]\nenabled = false\nview_sets = 2", "augment.view_sets must be 0 with"),
        ("[fit]\nepochs = 1\nworkers = 2\n[augment]\nview_sets = 2", "fit.workers must be 0 or 1 .* got 2"),
        (
            "[fit]\nepochs = 1\nclass_weights = true\n[strangers]\nviews = 3",
            "fit.class_weights and strangers.views exclude each other",
        ),
    ],
)
def test_a_wrong_recipe_is_an_error_that_names_file_and_key(tmp_path: Path, change: str, names: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(MINIMAL.partition("[fit]")[0] + change, encoding="utf-8")
    with pytest.raises(ConfigError, match=names) as caught:
        read_recipe(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("blocks", "says"),
    [
        ("[1, 2, 2, 6]", r"five counts, at most \[1, 2, 2, 6, 2\], .* got \[1, 2, 2, 6\]"),
        ("[1, 2, 3, 6, 2]", "at most"),
        ("[1, 2, -1, 6, 2]", "at most"),
        ("[1, 2, 0, 6, 2]", "none after a 0 but 0"),
        ("[0, 0, 0, 0, 0]", "the first not 0"),
        ("[1.5, 2, 2, 6, 2]", "model.blocks"),
    ],
)
def test_blocks_are_at_most_the_networks_and_end_at_the_end(tmp_path: Path, blocks: str, says: str) -> None:
    path = tmp_path / "blocks.toml"
    path.write_text(MINIMAL.replace("[input]", f"blocks = {blocks}\n[input]"), encoding="utf-8")
    with pytest.raises(ConfigError, match=says) as caught:
        read_recipe(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_mobilenet_v1_has_blocks(tmp_path: Path) -> None:
    path = tmp_path / "blocks.toml"
    path.write_text(MINIMAL.replace("[input]", "blocks = [1, 2, 2, 6, 2]\n[input]"), encoding="utf-8")
    assert read_recipe(str(path)).model.blocks == [1, 2, 2, 6, 2]
    path.write_text(path.read_text().replace("mobilenet_v1", "cnn4"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"model.blocks is for mobilenet_v1 only, got 'cnn4'; remove it"):
        read_recipe(str(path))


def test_models_of_text_have_no_strangers_and_no_backgrounds(tmp_path: Path) -> None:
    text = "name = 'reads'\n[text]\nencoder = 'bert'\n[fit]\nepochs = 1\n"
    for part, says in (
        ("[strangers]\nviews = 2", r"strangers.views must be 0 with \[text\]"),
        ("[backgrounds]\nshare = 0.5", r"backgrounds.share must be 0 without \[input\]"),
    ):
        path = tmp_path / "text.toml"
        path.write_text(text + part, encoding="utf-8")
        with pytest.raises(ConfigError, match=says):
            read_recipe(str(path))


def test_an_unknown_name_lists_the_shipped_recipes() -> None:
    with pytest.raises(ConfigError, match="teacher_mobilenet_v2"):
        read_recipe("no-such-recipe")
