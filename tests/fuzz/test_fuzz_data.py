"""Tables, archives and what a server says."""

from __future__ import annotations

import email.message
import io
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import strategies as st
from PIL import Image

from tests.fuzz.harness import fuzzed, mutated, survive
from waste_edge.dataset import open_dataset
from waste_edge.training.data.unpack import unpack
from waste_edge.training.data.web import FetchFailedError, content_length, content_range

TABLE = b"path,label,text,group,part\na.png,glass,green bottle,1,train\nb.png,paper,,2,test\n"
TAR_FORMATS = (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
GROUPS = b"file,group\nglass/a.png,1\npaper/b.png,1\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for name in ("a.png", "b.png", "set/glass/a.png", "set/paper/b.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(root / name)
    return root


@fuzzed("table", 0.06, content=mutated([TABLE]))
def test_tables(folder: Path, content: bytes) -> None:
    (folder / "data.csv").write_bytes(content)
    survive("table", lambda: open_dataset(folder / "data.csv"))


@fuzzed("groups", 0.04, content=mutated([GROUPS]))
def test_groups(folder: Path, content: bytes) -> None:
    (folder / "set" / "groups.csv").write_bytes(content)
    survive("groups", lambda: open_dataset(folder / "set"))


def zipped(compression: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name in ("d/glass/a.jpg", "d/paper/b.jpg"):
            archive.writestr(name, b"picture" * 20)
    return stream.getvalue()


def tarred(mode: str, form: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        for name in ("d/glass/a.jpg", "d/paper/" + "b" * 120 + ".jpg"):
            member = tarfile.TarInfo(name)
            member.size = 140
            archive.addfile(member, io.BytesIO(b"picture" * 20))
    return stream.getvalue()


ARCHIVES = [
    zipped(zipfile.ZIP_STORED),
    zipped(zipfile.ZIP_DEFLATED),
    zipped(zipfile.ZIP_LZMA),
    *(tarred(mode, form) for mode in ("w", "w:gz", "w:xz", "w:bz2") for form in TAR_FORMATS),
]


@fuzzed("archive", 0.12, content=mutated(ARCHIVES))
def test_archives(folder: Path, content: bytes) -> None:
    (folder / "archive").write_bytes(content)
    with tempfile.TemporaryDirectory(dir=folder) as out:
        target = Path(out) / "target"
        target.mkdir()
        survive("archive", lambda: unpack(folder / "archive", {"d": "."}, target, lambda files: None))
        assert [path.name for path in Path(out).iterdir()] == ["target"]
        assert not any(path.is_symlink() for path in target.rglob("*"))


WORDS = st.one_of(st.text(max_size=30), st.from_regex(r"bytes [0-9²]{0,25}-[0-9]{0,4}/[0-9*²]{0,25}", fullmatch=True))


@fuzzed("headers", 0.03, length=st.one_of(WORDS, st.from_regex(r"[0-9²+-]{1,25}", fullmatch=True)), span=WORDS)
def test_headers(length: str, span: str) -> None:
    headers = email.message.Message()
    headers["Content-Length"], headers["Content-Range"] = length.replace("\n", ""), span.replace("\n", "")
    survive("headers", lambda: content_length(headers))
    survive("headers", lambda: content_range(headers), (FetchFailedError,))
