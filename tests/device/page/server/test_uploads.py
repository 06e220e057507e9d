"""Pictures that are sent to the page, and what they may not do."""

from __future__ import annotations

import io
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from tests.conftest import COLOURS
from tests.device.page.pages import FedPage, fed_page
from waste_edge.bundle.bundle import open_bundle
from waste_edge.device.page.packets import ModelOrder
from waste_edge.files.limits import MAX_UPLOAD_BYTES
from waste_edge.site import site_of_labels

pytest.importorskip("uvicorn", reason="the extra [web] is not installed")


def order_of(folder: Path) -> ModelOrder:
    with open_bundle(folder) as bundle:
        site = site_of_labels(bundle.manifest.labels)
        raw = msgspec.Raw(msgspec.json.encode(site))
        return ModelOrder(bundle=str(folder), digest=bundle.digest, artifact="onnx-int8", engine="auto", site=raw)


def encoded(colour: tuple[int, int, int], kind: str = "PNG", size: tuple[int, int] = (40, 40)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, kind)
    return stream.getvalue()


@pytest.fixture(scope="module")
def page(tiny_bundle):
    with fed_page(model=order_of(tiny_bundle)) as page:
        yield page


def form(content: bytes, name: str = "a.png", field: str = "picture") -> tuple[bytes, str]:
    head = '--edge\r\nContent-Disposition: form-data; name="other"\r\n\r\nno picture\r\n--edge\r\n'
    head += f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\nContent-Type: image/png\r\n\r\n'
    return head.encode() + content + b"\r\n--edge--\r\n", "multipart/form-data; boundary=edge"


def test_a_picture_is_answered_as_classify_does(page, waste_edge, tmp_path, tiny_bundle):
    (tmp_path / "a.png").write_bytes(encoded(COLOURS["red"]))
    told = json.loads(waste_edge("classify", tmp_path / "a.png", "--bundle", tiny_bundle, "--json").stdout)
    status, headers, body = page.post("/classify", encoded(COLOURS["red"]))
    found = json.loads(body)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert set(told) <= set(found)
    assert {name: found[name] for name in ("label", "confidence", "probabilities", "known_score")} == {
        name: told[name] for name in ("label", "confidence", "probabilities", "known_score")
    }
    assert found["decision"]["stream"] == "red"
    assert found["decision"]["reason"]


def test_a_form_s_first_file_is_the_picture(page):
    body, kind = form(encoded(COLOURS["green"], "JPEG"))
    status, _, answer = page.post("/classify", body, Content_Type=kind)
    assert (status, json.loads(answer)["label"], json.loads(answer)["path"]) == (200, "green", "a.png")


@pytest.mark.parametrize(
    ("body", "kind", "status", "said"),
    [
        (b"", "image/png", 400, "no picture"),
        (b"no picture at all", "image/png", 415, "picture: not a picture"),
        (b"GIF89a" + b"\0" * 40, "image/gif", 415, "picture"),
        (b"x", "multipart/form-data", 400, "without a boundary"),
        (b"--edge\r\nno form", "multipart/form-data; boundary=edge", 400, "no picture|cannot be read"),
        (form(b"", field="a")[0], "multipart/form-data; boundary=edge", 400, "no picture"),
    ],
)
def test_what_is_no_picture_is_said(page, body, kind, status, said):
    found, _, answer = page.post("/classify", body, Content_Type=kind)
    assert found == status, answer
    assert any(word in json.loads(answer)["error"] for word in said.split("|"))
    assert "/proc/" not in answer.decode()


def test_a_picture_of_too_many_pixels_ends_nothing(page):
    started = json.loads(page.post("/classify", encoded(COLOURS["blue"]))[2])
    assert started["label"] == "blue"
    stream = io.BytesIO()
    Image.fromarray(np.zeros((6000, 8000, 3), np.uint8)).save(stream, "PNG")
    status, _, answer = page.post("/classify", stream.getvalue())
    assert (status, "takes more memory than is spent on one" in answer.decode()) == (413, True), answer
    assert page.post("/classify", encoded(COLOURS["blue"]))[0] == 200


def test_a_length_beyond_the_limit_is_refused_before_anything_is_read(page):
    with socket.create_connection(("127.0.0.1", page.port), 30) as client:
        head = f"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: {MAX_UPLOAD_BYTES * 20}\r\n\r\n"
        client.sendall(head.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 413")


def test_only_so_many_wait_at_once(page):
    with ThreadPoolExecutor(12) as pool:
        picture = encoded(COLOURS["red"], size=(3000, 3000))
        statuses = list(pool.map(lambda _: page.post("/classify", picture)[0], range(12)))
    assert set(statuses) <= {200, 503}
    assert 200 in statuses


def test_a_bundle_that_was_changed_meanwhile_is_not_used(bundle_copy):
    order = msgspec.structs.replace(order_of(bundle_copy), digest="0" * 64)
    with fed_page(model=order) as page:
        status, _, answer = page.post("/classify", encoded(COLOURS["red"]))
        assert status == 500
        assert "was changed since the station was started" in json.loads(answer)["error"]


def test_a_page_without_a_model_takes_none():
    with fed_page() as page:
        assert page.post("/classify", b"x")[0] == 404
        page.tell_state()
        until = time.monotonic() + 30
        while not json.loads(page.get("/api/state")[2])["state"]:
            assert time.monotonic() < until
        assert json.loads(page.get("/api/state")[2])["takes_pictures"] is False


def test_no_picture_reaches_the_disk(page, tmp_path):
    """The process may write nothing: neither a temporary file nor a cache."""
    assert page.post("/classify", encoded(COLOURS["red"]))[0] == 200
    for name in (str(page.process.pid), *_children(page)):
        files = [Path(one).readlink() for one in Path(f"/proc/{name}/fd").iterdir()]
        assert not [file for file in files if file.is_file() and "upload" in str(file)]


def _children(page: FedPage) -> list[str]:
    return Path(f"/proc/{page.process.pid}/task/{page.process.pid}/children").read_text().split()
