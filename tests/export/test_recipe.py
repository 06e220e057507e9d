from pathlib import Path

import pytest

from waste_edge.errors import ConfigError
from waste_edge.export.recipe import SHIPPED, read_export_recipe
from waste_edge.files.resources import shipped


def test_every_shipped_recipe_is_read_and_tried_by_best() -> None:
    files = {path.stem for path in shipped("export").glob("static_*.toml")}
    assert files == set(SHIPPED)
    for name in SHIPPED:
        assert read_export_recipe(name).name == name


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('name = "static_wi8_ai8"\nranges = "mse"', "expected 'static_wi8_ai8_mse', got 'static_wi8_ai8'"),
        ('name = "static_wi8_ai8_mse"', "expected 'static_wi8_ai8', got"),
        ('name = "static_wi8_ai8"\nranges = "kurtosis"', "ranges"),
        ('name = "static_wi8_ai8"\nranges = "entropy"', "expected 'static_wi8_ai8_entropy', got 'static_wi8_ai8'"),
        ('name = "static_wi8_ai8"\nkeep_fp32 = ["a"]', "expected 'static_wi8_ai8_mixed'"),
        ('name = "static_wi8_ai8"\nper_channel = true', "unknown key `per_channel`"),
        ('name = "static_wi8_ai8"\npercentile = 50.0', "percentile must be 90 to 100"),
        ('name = "static_wi8_ai8"\nmax_drop_points = -1.0', "max_drop_points must be 0 to 100"),
        ('name = "static_wi8_ai8"\n[onnx]\nactivations = "uint4"', "activations"),
        ('name = "static_wi8_ai8"\n[onnx]\nreduce_range = true', "expected 'static_wi8_ai8_w7'"),
    ],
)
def test_names_decode_and_unknown_keys_are_refused(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_export_recipe(str(path))
    assert complaint in str(refused.value)


def test_everything_at_once_has_one_name(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(
        'name = "static_wi8_ai8_percentile_equalized_mixed_s8s8_w7"\nranges = "percentile"\nequalize = true\n'
        'keep_fp32 = ["a.b"]\n[onnx]\nactivations = "int8"\nreduce_range = true\n'
    )
    assert read_export_recipe(str(path)).keep_fp32 == ["a.b"]
