from pathlib import Path

import numpy as np
import pytest

from waste_edge.dataset import Photo
from waste_edge.export.quantization.gate import compare_quantized, complaint, preference, remedy
from waste_edge.export.recipe import ExportRecipe

LABELS = ("glass", "metal")
RECIPE = ExportRecipe(name="static_wi8_ai8", max_drop_points=1.0)


def photos(count: int) -> list[Photo]:
    return [Photo(Path("x"), f"p{index}", LABELS[index % 2], str(index)) for index in range(count)]


def logits(count: int, wrong: int) -> np.ndarray:
    """Right for all but the first `wrong` pictures, surer with each picture."""
    truth = np.arange(count) % 2
    said = np.where(np.arange(count) < wrong, 1 - truth, truth)
    return (np.eye(2)[said] * (1 + np.arange(count) / count)[:, None]).astype(np.float32)


@pytest.mark.parametrize(("wrong", "opens"), [(0, True), (2, True), (3, False), (60, False)])
def test_the_limit_is_the_recipes(wrong: int, opens: bool) -> None:
    answers = {"onnx-fp32": logits(200, 0), "tflite-fp32": logits(200, 0), "onnx-int8": logits(200, 0)}
    found = compare_quantized({**answers, "tflite-int8": logits(200, wrong)}, photos(200), LABELS)
    said = complaint(found, RECIPE)
    assert (said == "") is opens
    if not opens:
        assert "onnx-int8" not in said, "that one is as good as FP32"
        assert f"{wrong / 2:.1f} points lower (95 %:" in said
        assert f"worst p{wrong - 1} (" in said, "the surest of the wrong ones"


def test_better_than_fp32_is_no_loss() -> None:
    answers = {"onnx-fp32": logits(50, 9), "tflite-fp32": logits(50, 9), "onnx-int8": logits(50, 0)}
    found = compare_quantized({**answers, "tflite-int8": logits(50, 0)}, photos(50), LABELS)
    assert found["tflite-int8"].drop_points == pytest.approx(-18.0)
    assert complaint(found, RECIPE) == ""


def test_a_network_of_nan_does_not_pass() -> None:
    nothing = np.full((50, 2), np.nan, np.float32)
    answers = {"onnx-fp32": logits(50, 0), "tflite-fp32": logits(50, 0), "onnx-int8": logits(50, 0)}
    assert complaint(compare_quantized({**answers, "tflite-int8": nothing}, photos(50), LABELS), RECIPE)


def test_what_to_try_next_depends_on_what_was_tried() -> None:
    assert "--best" in remedy([RECIPE])
    assert "--best" not in remedy([RECIPE, RECIPE])
    assert "--debug DIR" in remedy([RECIPE])


def test_accuracy_counts_before_agreement() -> None:
    floats = {"onnx-fp32": logits(100, 5), "tflite-fp32": logits(100, 5)}
    right, same = (
        compare_quantized({**floats, "onnx-int8": int8, "tflite-int8": int8}, photos(100), LABELS)
        for int8 in (logits(100, 0), logits(100, 5))
    )
    assert preference(right) > preference(same)
    assert right["onnx-int8"].agreement < same["onnx-int8"].agreement == 1.0
