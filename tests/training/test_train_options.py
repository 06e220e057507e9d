"""What teaches, and what never does."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from tests.training.loop.test_fit import RECIPE, Silent
from tests.training.sources import write_sources
from waste_edge.dataset import open_domains
from waste_edge.errors import ConfigError, DataError, UserError
from waste_edge.training.loop.fit import fit
from waste_edge.training.recipe import Recipe, StockSpec
from waste_edge.training.train_options import TrainOptions

LABELS = ("blue", "green", "red")
STOCK = StockSpec(side_px=40, whole=1, station=1, strange=2, drawn=2, surfaces=2, per_epoch=16)

_opened: list[str] = []
_listening = False


def _listen(event: str, arguments: tuple[object, ...]) -> None:
    if _listening and event == "open" and isinstance(arguments[0], str | bytes):
        _opened.append(arguments[0] if isinstance(arguments[0], str) else arguments[0].decode(errors="replace"))


@pytest.fixture
def opened() -> list[str]:
    """Every file that is opened from here on, by whatever library."""
    global _listening
    if not _opened:
        sys.addaudithook(_listen)
    _opened.clear()
    _listening = True
    return _opened


@pytest.fixture
def domains(tmp_path: Path) -> Path:
    return write_sources(tmp_path / "sources", LABELS)


def with_stock() -> Recipe:
    return msgspec.structs.replace(RECIPE, stock=STOCK)


@pytest.mark.parametrize("stock", [False, True])
def test_no_measuring_picture_is_read(
    colour_photos: Path, domains: Path, tmp_path: Path, opened: list[str], stock: bool
) -> None:
    recipe = with_stock() if stock else RECIPE
    info = fit(recipe, colour_photos, tmp_path / "run", Silent(), extra=TrainOptions(domains=domains))
    pictures = [name for name in opened if name.endswith(".jpg")]
    assert any("/licensed/" in name for name in pictures)
    assert not [name for name in pictures if "/measuring/" in name]
    assert set(info.domains) == {"bottles", "litter", "shop"}


def test_a_source_is_left_out(colour_photos: Path, domains: Path, tmp_path: Path, opened: list[str]) -> None:
    extra = TrainOptions(domains=domains, leave_out=("litter",))
    info = fit(RECIPE, colour_photos, tmp_path / "run", Silent(), extra=extra)
    assert set(info.domains) == {"bottles", "shop"}
    assert info.left_out == ["litter"]
    assert not [name for name in opened if "/litter/" in name]


def test_data_that_are_for_measuring_are_refused(colour_photos: Path, tmp_path: Path) -> None:
    data = tmp_path / "measuring" / "photos"
    data.parent.mkdir()
    data.symlink_to(colour_photos)
    assert fit(RECIPE, data, tmp_path / "a", Silent()).labels == list(LABELS), "a link is what it points to"
    real = tmp_path / "measuring" / "own"
    real.mkdir()
    for path in sorted(colour_photos.rglob("*")):
        if path.is_file():
            copy = real / path.relative_to(colour_photos)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=r"measuring/, whose pictures no network may be taught"):
        fit(RECIPE, real, tmp_path / "b", Silent())


def test_a_held_out_copy_of_what_teaches_is_refused_by_name(colour_photos: Path, domains: Path, tmp_path: Path) -> None:
    everything = open_domains(domains).teaching()
    teach, held_out = (
        everything.of(["bottles"]).divided(RECIPE.split)[0],
        everything.of(["litter"]).divided(RECIPE.split)[1],
    )
    taught, judged = teach.photos[0].path, held_out.photos[0].path
    assert taught is not None
    assert judged is not None
    with Image.open(taught) as picture:
        picture.resize((200, 160), Image.Resampling.NEAREST).save(judged, quality=60)
    with pytest.raises(DataError) as refused:
        fit(RECIPE, colour_photos, tmp_path / "a", Silent(), extra=TrainOptions(domains=domains))
    assert f"{judged} is a near-copy of {taught}" in str(refused.value)
    assert "--allow-leak" in str(refused.value)
    allowed = msgspec.structs.replace(RECIPE, split=msgspec.structs.replace(RECIPE.split, allow_leak=True))
    fit(allowed, colour_photos, tmp_path / "b", Silent(), extra=TrainOptions(domains=domains))


def test_what_teaches_is_part_of_what_is_resumed(colour_photos: Path, domains: Path, tmp_path: Path) -> None:
    plain = fit(RECIPE, colour_photos, tmp_path / "plain", Silent())
    taught = fit(RECIPE, colour_photos, tmp_path / "taught", Silent(), extra=TrainOptions(domains=domains))
    assert plain.data_fingerprint == taught.data_fingerprint
    assert plain.weights_sha256 != taught.weights_sha256


def test_wrong_words_are_told(colour_photos: Path, domains: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--leave-out names sources of --domains"):
        fit(RECIPE, colour_photos, tmp_path / "a", Silent(), extra=TrainOptions(leave_out=("web",)))
    with pytest.raises(DataError, match="has no source 'moon'"):
        fit(RECIPE, colour_photos, tmp_path / "b", Silent(), extra=TrainOptions(domains=domains, leave_out=("moon",)))


def test_a_gpu_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert TrainOptions().torch_device().type == "cpu"
    with pytest.raises(UserError, match="torch sees no GPU here"):
        TrainOptions(device="cuda").torch_device()
