from pathlib import Path

import pytest

from waste_edge.errors import ConfigError
from waste_edge.export.recipe import read_export_recipe
from waste_edge.resources import shipped
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
    ],
)
def test_a_wrong_recipe_is_an_error_that_names_file_and_key(tmp_path: Path, change: str, names: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(MINIMAL.partition("[fit]")[0] + change, encoding="utf-8")
    with pytest.raises(ConfigError, match=names) as caught:
        read_recipe(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_lists_the_shipped_recipes() -> None:
    with pytest.raises(ConfigError, match="teacher_mobilenet_v2"):
        read_recipe("no-such-recipe")
