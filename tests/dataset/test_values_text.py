from pathlib import Path

import pytest

from waste_edge.dataset import Photo, text_of, text_of_name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("glass/green-bottle_02.jpg", "green bottle 02"),
        ("glass101.jpg", "glass101"),
        ("IMG.2024-01-05 (1).JPEG", "IMG 2024 01 05 1"),
        ("botella_plástico.png", "botella plástico"),
        ("___.png", ""),
    ],
)
def test_a_name_becomes_words(name: str, text: str) -> None:
    assert text_of_name(Path(name)) == text
    photo = Photo(Path(name), name, "any", name, text="as the column says")
    assert text_of(photo, "file_name") == text
    assert text_of(photo, "column") == "as the column says"
