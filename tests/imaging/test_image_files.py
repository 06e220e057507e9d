from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from waste_edge.errors import PictureError
from waste_edge.files.limits import MAX_FOLDER_DEPTH
from waste_edge.imaging import image_files
from waste_edge.imaging.image_files import find_pictures, look_for_pictures, read_picture

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8)
ORIENTATION_TAG = 0x0112


def encoded(file_format: str, image: Image.Image | None = None, **options: object) -> bytes:
    stream = io.BytesIO()
    (image or Image.fromarray(PIXELS)).save(stream, file_format, **options)
    return stream.getvalue()


def png_header(width_px: int, height_px: int) -> bytes:
    """A PNG that promises a size and holds no pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body)) + b"\0\0\0\x09IDAT"


def bmp_header(width_px: int, height_px: int) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width_px, height_px, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp"])
def test_lossless_formats_keep_every_pixel(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(encoded(suffix, **({"lossless": True} if suffix == "webp" else {})))
    assert np.array_equal(read_picture(path), PIXELS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "not a picture", id="empty"),
        pytest.param(b"I am a shopping list\n", "not a picture", id="text"),
        pytest.param(encoded("JPEG")[:300], "damaged", id="truncated JPEG"),
        pytest.param(encoded("PNG")[:60], "damaged", id="truncated PNG"),
        pytest.param(encoded("PNG")[:60] + b"\0\0" + encoded("PNG")[62:], "damaged", id="flipped byte"),
        pytest.param(png_header(8_001, 8_000), "64 megapixels", id="a little above 64 MP"),
        pytest.param(png_header(20_000, 20_000), "64 megapixels", id="400 MP"),
        pytest.param(bmp_header(30_000, 30_000), "64 megapixels", id="BMP of 900 MP"),
        pytest.param(png_header(8_000, 8_000), "takes 244 MiB to decode", id="64 MP in RGB are more than a board has"),
        pytest.param(png_header(7_000, 7_000), "damaged", id="49 MP are allowed, no pixels are not"),
    ],
)
def test_what_is_not_a_picture_is_refused_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=message) as caught:
        read_picture(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no such picture"):
        read_picture(tmp_path / "none.jpg")
    with pytest.raises(PictureError, match="is a folder"):
        read_picture(tmp_path)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_any_damage_ends_in_a_picture_or_a_picture_error(tmp_path: Path, file_format: str) -> None:
    generator = np.random.default_rng(3)
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    whole, path = encoded(file_format, exif=exif), tmp_path / "a"
    refused = 0
    for _ in range(200):
        content = bytearray(whole[: generator.integers(len(whole) // 4, len(whole) + 1)])
        for position in generator.integers(0, len(content), generator.integers(0, 4)):
            content[position] = generator.integers(256)
        path.write_bytes(content)
        try:
            assert read_picture(path).shape[2] == 3
        except PictureError:
            refused += 1
    assert refused > 20


def test_one_pixel(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded("PNG", Image.fromarray(PIXELS[:1, :1])))
    assert np.array_equal(read_picture(path), PIXELS[:1, :1])


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, PIXELS),
        (2, PIXELS[:, ::-1]),
        (3, PIXELS[::-1, ::-1]),
        (4, PIXELS[::-1]),
        (5, PIXELS.swapaxes(0, 1)),
        (6, PIXELS.swapaxes(0, 1)[:, ::-1]),
        (7, PIXELS.swapaxes(0, 1)[::-1, ::-1]),
        (8, PIXELS.swapaxes(0, 1)[::-1]),
        (9, PIXELS),
    ],
)
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_exif_orientation(tmp_path: Path, file_format: str, orientation: int, upright: np.ndarray) -> None:
    exif, path = Image.Exif(), tmp_path / "a"
    exif[ORIENTATION_TAG] = orientation
    path.write_bytes(encoded(file_format, exif=exif))
    assert np.array_equal(read_picture(path), upright)


def test_an_odd_exif_block_does_not_spoil_the_pixels(tmp_path: Path) -> None:
    exif, path = Image.Exif(), tmp_path / "a.jpg"
    exif[ORIENTATION_TAG] = 6
    whole = encoded("JPEG", exif=exif)
    at = whole.index(b"Exif\0\0") + 6
    path.write_bytes(whole[:at] + b"XXXXXXXX" + whole[at + 8 :])
    assert read_picture(path).shape == (6, 4, 3)


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    levels = np.array([[0, 255, 256, 32_768, 65_535]], np.uint16)
    path = tmp_path / "a.png"
    path.write_bytes(encoded("PNG", Image.fromarray(levels)))
    assert read_picture(path)[0].tolist() == [[0] * 3, [0] * 3, [1] * 3, [128] * 3, [255] * 3]


def test_a_transparent_palette_colour_is_white(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 10, 10, 0, 90, 0])
    image.putpixel((1, 0), 1)
    path = tmp_path / "a.png"
    path.write_bytes(encoded("PNG", image, transparency=0))
    assert read_picture(path).tolist() == [[[255, 255, 255], [0, 90, 0]]]


def test_half_transparent_pixels_stand_on_white(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded("PNG", Image.new("RGBA", (1, 1), (0, 100, 255, 51))))
    assert read_picture(path)[0, 0].tolist() == pytest.approx([204, 224, 255], abs=1)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("CMYK", (8, 8), (0, 0, 0, 0)), 255),
        (Image.new("CMYK", (8, 8), (0, 0, 0, 255)), 0),
        (Image.new("L", (8, 8), 90), 90),
    ],
    ids=["CMYK paper", "CMYK black", "grey"],
)
def test_other_colour_spaces_become_rgb(tmp_path: Path, image: Image.Image, expected: int) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded("JPEG", image))
    assert read_picture(path).shape == (8, 8, 3)
    assert np.abs(read_picture(path).astype(int) - expected).max() <= 2


def test_finding_passes_over_what_is_hidden_or_no_picture(tmp_path: Path) -> None:
    for name in (
        "b.JPG",
        "a.png",
        "deep/er/c.webp",
        ".hidden.jpg",
        ".DS_Store",
        ".ipynb_checkpoints/d.jpg",
        "notes.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_pictures(tmp_path)]
    assert found == ["a.png", "b.JPG", "deep/er/c.webp"]


def test_a_link_back_up_is_walked_once(tmp_path):
    (tmp_path / "sub").mkdir()
    Image.new("RGB", (2, 2)).save(tmp_path / "sub" / "a.png")
    (tmp_path / "sub" / "loop").symlink_to("..")
    (tmp_path / "linked").symlink_to("sub")
    names = [path.relative_to(tmp_path).as_posix() for path in find_pictures(tmp_path)]
    assert names == ["linked/a.png", "sub/a.png"]


def test_links_that_double_the_ways_on_each_level_come_to_an_end(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(20):
        (folder / "next").mkdir()
        (folder / "same").symlink_to("next")
        folder = folder / "next"
    (folder / "a.png").touch()
    assert 1 <= len(list(find_pictures(tmp_path))) <= 200


def test_folders_deep_in_one_another_are_refused(tmp_path: Path) -> None:
    tmp_path.joinpath(*["d"] * (MAX_FOLDER_DEPTH + 1)).mkdir(parents=True)
    with pytest.raises(PictureError, match="64 folders in one another"):
        list(find_pictures(tmp_path))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "tiff_deflate"])
@pytest.mark.parametrize("mode", ["L", "I;16"])
def test_grey_tiffs_and_pngs_are_turned_too(
    tmp_path: Path, mode: str, compression: str | None, orientation: int
) -> None:
    grey = Image.fromarray(PIXELS[:, :, 0] if mode == "L" else PIXELS[:, :, 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    (tmp_path / "a.tif").write_bytes(
        encoded("TIFF", grey, exif=exif, **({"compression": compression} if compression else {}))
    )
    (tmp_path / "a.png").write_bytes(encoded("PNG", grey, exif=exif))
    (tmp_path / "rgb.png").write_bytes(encoded("PNG", Image.fromarray(np.repeat(PIXELS[:, :, :1], 3, 2)), exif=exif))
    upright = read_picture(tmp_path / "rgb.png")
    assert np.array_equal(read_picture(tmp_path / "a.tif"), upright)
    assert np.array_equal(read_picture(tmp_path / "a.png"), upright)


def test_a_pipe_or_device_named_like_a_picture_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").symlink_to("/dev/zero")
    for name, what in (("a.jpg", "is a pipe"), ("b.jpg", "is a device")):
        with pytest.raises(PictureError, match=what):
            read_picture(tmp_path / name)


def test_a_file_of_another_format_is_not_run_through_another_decoder(tmp_path: Path) -> None:
    """Pillow hands EPS to Ghostscript: a picture's name must not start a program."""
    (tmp_path / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    with pytest.raises(PictureError, match="format that is not read"):
        read_picture(tmp_path / "a.jpg")


def test_a_panorama_is_averaged_down(tmp_path: Path) -> None:
    Image.new("RGB", (16_385, 40), (90, 120, 60)).save(tmp_path / "a.png")
    pixels = read_picture(tmp_path / "a.png")
    assert pixels.shape == (20, 8_193, 3)
    assert (pixels == (90, 120, 60)).all()


def test_a_large_picture_is_averaged_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "MAX_KEPT_MEGAPIXELS", 0.001)
    monkeypatch.setattr(image_files, "_TILE_PX", 15)
    levels = np.random.default_rng(1).integers(0, 256, (61, 50, 3), dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(encoded("PNG", Image.fromarray(levels)))
    assert np.array_equal(read_picture(tmp_path / "a.png"), np.asarray(Image.fromarray(levels).reduce(2)))


def test_a_large_jpeg_is_decoded_smaller(tmp_path: Path) -> None:
    shown = np.zeros((4_400, 4_400, 3), np.uint8)
    shown[:2_200, :2_200] = (200, 40, 40)
    Image.fromarray(shown).save(tmp_path / "a.jpg", quality=90)
    pixels = read_picture(tmp_path / "a.jpg")
    assert pixels.shape == (2_200, 2_200, 3)
    assert np.abs(pixels[500, 500].astype(int) - (200, 40, 40)).max() < 12
    assert pixels[1_800, 1_800].max() < 12


@pytest.mark.parametrize(
    ("mode", "name", "size_px"),
    [
        ("RGBA", "a.png", (7_999, 7_999)),
        ("RGB", "a.webp", (7_999, 7_999)),
    ],
)
def test_what_takes_more_memory_than_a_board_has_is_refused(
    tmp_path: Path, mode: str, name: str, size_px: tuple[int, int]
) -> None:
    Image.new(mode, size_px).save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
    with pytest.raises(PictureError, match="to decode, at most 192 are spent; make it smaller, or save it as JPEG"):
        read_picture(tmp_path / name)


@pytest.mark.parametrize("size_px", [(1, 60_000_000), (60_000_000, 1)])
def test_rows_take_memory_too(tmp_path: Path, size_px: tuple[int, int]) -> None:
    (tmp_path / "a.png").write_bytes(png_header(*size_px))
    with pytest.raises(PictureError, match="to decode, at most 192 are spent"):
        read_picture(tmp_path / "a.png")


def test_libtiff_keeps_its_words_to_itself(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = bytearray(encoded("TIFF", Image.effect_noise((160, 120), 80).convert("RGB"), compression="tiff_deflate"))
    content[40] ^= 255
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(PictureError, match="damaged"):
        read_picture(tmp_path / "a.tif")
    assert capfd.readouterr().err == ""


def test_what_is_not_read_or_not_expected_is_named(tmp_path: Path) -> None:
    for name in ("a.jfif", "b.HEIC", "c.heic", "d.jpg", "notes.txt", ".hidden.heic"):
        (tmp_path / name).touch()
    found = look_for_pictures(tmp_path)
    assert [path.name for path in found.pictures] == ["a.jfif", "d.jpg"]
    assert found.remark(tmp_path) == (
        f"{tmp_path}: passed over 2 .heic: not a kind of picture that is read; convert to JPEG or PNG; "
        "read as pictures: 1 .jfif"
    )


def test_a_usual_folder_is_worth_no_word(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.PNG", "README.md"):
        (tmp_path / name).touch()
    assert look_for_pictures(tmp_path).remark(tmp_path) == ""
