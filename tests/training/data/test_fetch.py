from __future__ import annotations

import io
import json
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from waste_edge.errors import DataError
from waste_edge.training.data.unpack import Limits, unpack

HONEST = Limits()
FILES = {"top/one/a.png": b"a", "top/two/b.png": b"bb", "top/two/deep/c.png": b"ccc"}


def make_zip(files: dict[str, bytes] = FILES, compression: int = zipfile.ZIP_STORED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def make_tar(files: dict[str, bytes] = FILES, mode: str = "w", extra: tarfile.TarInfo | None = None) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        if extra is not None:
            archive.addfile(extra)
    return packed.getvalue()


@pytest.fixture
def unpacked(tmp_path: Path) -> Callable[..., Path]:
    """Unpacks these bytes and gives the folder."""

    def call(content: bytes, folders: dict[str, str] | None = None, limits: Limits = HONEST) -> Path:
        archive, target = tmp_path / "archive", tmp_path / "target"
        archive.write_bytes(content)
        target.mkdir()
        unpack(archive, folders or {"top": ""}, target, lambda _: None, limits)
        return target

    return call


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("mode", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
def test_every_archive_is_told_by_its_content(unpacked, mode) -> None:
    content = make_zip() if mode == "zip" else make_tar(mode=mode)
    assert files_of(unpacked(content)) == {"one/a.png": b"a", "two/b.png": b"bb", "two/deep/c.png": b"ccc"}


def test_only_the_wanted_folders_come_and_nothing_hidden(unpacked) -> None:
    extra = {"__MACOSX/top/one/._a.png": b"x", "top/.DS_Store": b"x", "top/one/.hidden/d.png": b"x", "read.me": b"x"}
    assert set(files_of(unpacked(make_zip(FILES | extra)))) == {"one/a.png", "two/b.png", "two/deep/c.png"}


def test_folders_are_renamed_and_what_a_pattern_matched_is_kept(unpacked) -> None:
    files = {"TRAIN.1/B/x.jpg": b"1", "TRAIN.2/B/x.jpg": b"2", "TEST/B/x.jpg": b"3", "TRAIN.1/N/x.jpg": b"4"}
    folders = {"TRAIN.*/B": "train/rots", "TEST/B": "test/rots"}
    assert files_of(unpacked(make_zip(files), folders)) == {
        "train/rots/TRAIN.1/x.jpg": b"1",
        "train/rots/TRAIN.2/x.jpg": b"2",
        "test/rots/x.jpg": b"3",
    }


@pytest.mark.parametrize("name", ["/etc/x", "../x", "top/../../x", "top\\..\\x", "C:/x"])
@pytest.mark.parametrize("make", [make_zip, make_tar], ids=["zip", "tar"])
def test_nothing_is_written_outside(unpacked, tmp_path, make, name) -> None:
    with pytest.raises(DataError, match="outside the folder"):
        unpacked(make(FILES | {name: b"evil"}))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "target"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_no_links_and_devices_out_of_a_tar(unpacked, kind) -> None:
    member = tarfile.TarInfo("top/one/link")
    member.type, member.linkname = kind, "/etc/passwd"
    with pytest.raises(DataError, match="link or a device"):
        unpacked(make_tar(extra=member))


def test_no_links_out_of_a_zip(unpacked) -> None:
    packed = io.BytesIO(make_zip())
    with zipfile.ZipFile(packed, "a") as archive:
        member = zipfile.ZipInfo("top/one/link")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(DataError, match="link or a device"):
        unpacked(packed.getvalue())


@pytest.mark.parametrize(
    "limits", [Limits(files=2), Limits(unpacked_bytes=5)], ids=["too many files", "too many bytes"]
)
@pytest.mark.parametrize("make", [make_zip, make_tar], ids=["zip", "tar"])
def test_a_bomb_is_not_unpacked(unpacked, make, limits) -> None:
    with pytest.raises(DataError, match="no honest data set"):
        unpacked(make(), limits=limits)


def test_a_bomb_is_known_by_its_ratio(unpacked) -> None:
    content = make_zip({"top/one/zeros.png": bytes(120_000_000)}, zipfile.ZIP_DEFLATED)
    assert len(content) < 1_000_000
    with pytest.raises(DataError, match="no honest data set"):
        unpacked(content)


def test_a_file_that_comes_twice_is_refused(unpacked) -> None:
    with pytest.raises(DataError, match="comes twice"):
        unpacked(make_zip({"a/one/x.png": b"1", "b/one/x.png": b"2"}), {"a": "", "b": ""})


@pytest.mark.parametrize(
    "content",
    [b"", b"just text", make_zip()[:-30], make_tar()[:700], make_zip().replace(b"bb", b"bX")],
    ids=["empty", "text", "cut zip", "cut tar", "changed byte"],
)
def test_what_cannot_be_read_is_one_line(unpacked, content) -> None:
    with pytest.raises(DataError, match="not a readable"):
        unpacked(content)


def test_an_encrypted_zip_is_one_line(unpacked) -> None:
    content = bytearray(make_zip())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = 0
        while (start := content.find(mark, start)) >= 0:
            content[start + offset] |= 1
            start += 4
    with pytest.raises(DataError, match="encrypted"):
        unpacked(bytes(content))


def test_a_missing_folder_is_named(unpacked) -> None:
    with pytest.raises(DataError, match="no pictures in other/place"):
        unpacked(make_zip(), {"top": "", "other/place": ""})


def test_fetch_makes_a_folder_that_says_where_it_is_from(waste_edge, serve, write_card, tmp_path) -> None:
    server = serve(make_zip())
    out = tmp_path / "photos"
    ended = waste_edge("data", "fetch", write_card([server.address], server.sha256), "--out", out)
    assert ended.exit_code == 0, ended.stderr
    assert "3 files of 2 labels (one, two)" in ended.stdout
    assert f"{server.sha256}, as the card says" in ended.stdout
    assert set(files_of(out)) == {"SOURCE.json", "one/a.png", "two/b.png", "two/deep/c.png"}
    source = json.loads((out / "SOURCE.json").read_text())
    assert (source["licence"], source["sha256"], source["checked"]) == ("CC0", server.sha256, True)
    assert not list(tmp_path.glob("photos.*")), "the archive is gone once it is unpacked"


def test_without_a_sum_fetch_says_the_one_it_got(waste_edge, serve, write_card, tmp_path) -> None:
    server = serve(make_tar(mode="w:gz"))
    ended = waste_edge("data", "fetch", write_card([server.address]), "--out", tmp_path / "photos", "--json")
    assert ended.exit_code == 0, ended.stderr
    answer = json.loads(ended.stdout)
    assert answer["folder"] == str(tmp_path / "photos")
    assert (answer["source"]["sha256"], answer["source"]["checked"]) == (server.sha256, False)


def test_a_folder_in_use_is_left_alone_and_nothing_is_fetched(waste_edge, serve, write_card, tmp_path) -> None:
    server = serve(make_zip())
    out = tmp_path / "photos"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    ended = waste_edge("data", "fetch", write_card([server.address], server.sha256), "--out", out)
    assert ended.exit_code == 2
    assert "exists already" in ended.stderr
    assert server.asked == []
    assert files_of(out) == {"mine.txt": b"mine"}


def test_a_wrong_sum_ends_with_2_and_leaves_no_folder(waste_edge, serve, write_card, tmp_path) -> None:
    server = serve(make_zip())
    ended = waste_edge("data", "fetch", write_card([server.address], "0" * 64), "--out", tmp_path / "photos")
    assert ended.exit_code == 2
    assert "expected 0000" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "photos").exists()


def test_what_was_fetched_but_not_unpacked_is_not_fetched_again(waste_edge, serve, write_card, tmp_path) -> None:
    server = serve(make_zip())
    out = tmp_path / "photos"
    first = waste_edge("data", "fetch", write_card([server.address], folders={"else": ""}), "--out", out)
    assert (first.exit_code, "no pictures in else" in first.stderr) == (2, True)
    second = waste_edge("data", "fetch", write_card([server.address]), "--out", out)
    assert second.exit_code == 0, second.stderr
    assert len(server.asked) == 1


def test_a_login_says_what_to_do_and_the_archive_goes_on(waste_edge, write_card, tmp_path) -> None:
    card = write_card([], login="log in at https://example.org and press Download")
    ended = waste_edge("data", "fetch", card, "--out", tmp_path / "photos")
    assert ended.exit_code == 2
    assert "press Download" in ended.stderr
    assert f"--archive FILE --out {tmp_path / 'photos'}" in ended.stderr
    archive = tmp_path / "by_hand.zip"
    archive.write_bytes(make_zip())
    ended = waste_edge("data", "fetch", card, "--out", tmp_path / "photos", "--archive", archive)
    assert ended.exit_code == 0, ended.stderr
    assert archive.exists(), "what the user fetched is the user's"


def test_an_archive_by_hand_goes_through_the_same_checks(waste_edge, write_card, tmp_path) -> None:
    archive = tmp_path / "by_hand.zip"
    archive.write_bytes(make_zip())
    card = write_card(["https://example.org/x.zip"], "0" * 64)
    ended = waste_edge("data", "fetch", card, "--archive", archive, "--out", tmp_path / "photos")
    assert (ended.exit_code, "the card mini expects 0000" in ended.stderr) == (2, True)
    ended = waste_edge("data", "fetch", card, "--archive", tmp_path / "none.zip", "--out", tmp_path / "photos")
    assert (ended.exit_code, "no such archive" in ended.stderr) == (2, True)


def test_other_class_folders_than_the_cards_are_refused(waste_edge, write_card, tmp_path) -> None:
    archive = tmp_path / "by_hand.zip"
    archive.write_bytes(make_zip({"top/one/a.png": b"a", "top/three/b.png": b"b"}))
    card = write_card([], login="ask")
    ended = waste_edge("data", "fetch", card, "--archive", archive, "--out", tmp_path / "photos")
    assert ended.exit_code == 2
    assert "class folders one, three, the card mini says one, two" in ended.stderr
    assert not (tmp_path / "photos").exists()


def test_no_room_to_unpack_is_told_before(waste_edge, write_card, tmp_path, monkeypatch) -> None:
    archive = tmp_path / "by_hand.zip"
    archive.write_bytes(make_zip())
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    card = write_card([], login="ask")
    ended = waste_edge("data", "fetch", card, "--archive", archive, "--out", tmp_path / "photos")
    assert (ended.exit_code, "10 are free" in ended.stderr) == (2, True)


def test_cards_are_listed_and_one_is_told_whole(waste_edge) -> None:
    listed = waste_edge("data", "cards")
    assert listed.exit_code == 0
    assert "trashnet" in listed.stdout
    one = waste_edge("data", "cards", "trashnet")
    assert '"black" = ["trash"]' in one.stdout
    assert "licence  MIT" in one.stdout
    values = json.loads(waste_edge("data", "cards", "trashnet", "--json").stdout)
    assert values["merge"]["four_bins"]["black"] == ["trash"]
    assert {card["name"] for card in json.loads(waste_edge("data", "cards", "--json").stdout)} >= {"trashnet"}


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_name_of_gigabytes_is_not_read_into_memory(unpacked, kind) -> None:
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = kind, 3 << 30
    with pytest.raises(DataError, match="a name or header of 3,221,225,472 bytes"):
        unpacked(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


def test_folders_count_as_files(unpacked) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for number in range(200):
            member = tarfile.TarInfo(f"top/{number}")
            member.type = tarfile.DIRTYPE
            archive.addfile(member)
    with pytest.raises(DataError, match="no honest data set"):
        unpacked(packed.getvalue(), limits=Limits(files=100))


@pytest.mark.parametrize("pax", [{"GNU.sparse.map": "a,b", "GNU.sparse.name": "top/z", "GNU.sparse.size": "5"}])
def test_a_senseless_sparse_map_is_damage(unpacked, pax) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("top/one/a.png")
        member.size, member.pax_headers = 600, pax
        archive.addfile(member, io.BytesIO(bytes(600)))
    with pytest.raises(DataError, match="not a readable"):
        unpacked(packed.getvalue())


def test_a_zip_name_that_is_not_utf8_is_damage(unpacked) -> None:
    content = bytearray(make_zip({"top/AAAA": b"x"}))
    at = content.rfind(b"PK\x01\x02")
    content[at + 8 : at + 10] = b"\0\x08"
    name = content.rfind(b"AAAA")
    content[name : name + 4] = b"\xff\xfe\xfa\x80"
    with pytest.raises(DataError, match="not a readable"):
        unpacked(bytes(content))


def test_a_download_that_cannot_be_unpacked_is_not_taken_for_one_again(serve, write_card, waste_edge, tmp_path) -> None:
    server = serve(b"no archive at all" * 100)
    card = write_card([server.address])
    for _ in range(2):
        outcome = waste_edge("data", "fetch", card, "--out", tmp_path / "out")
        assert outcome.exit_code == 2
        assert "what came was removed" in outcome.stderr
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(("out", ".out"))] == []
    server.content = make_zip({"d/a/x.png": b"1", "d/b/y.png": b"2"})
    assert len(server.asked) == 2
