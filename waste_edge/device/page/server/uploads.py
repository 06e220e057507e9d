"""Pictures that are sent to the page: kept in memory, bounded, and gone once they were looked at."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator

from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from waste_edge.files.limits import MAX_UPLOAD_BYTES, MIB

_FORM = "multipart/form-data"
_FORM_BYTES = MIB // 64  # of a form's own, beside the picture
_NAME_LETTERS = 100


class UploadError(Exception):  # not an error of ours: what a client sent
    """A picture cannot be taken; `status` is HTTP's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Upload:
    """A picture in memory that only its file descriptor leads to.

    Attributes:
        name: as the client calls it.
        handle: the descriptor.
        size_bytes: of what has come.
    """

    def __init__(self) -> None:
        self.name = "picture"
        self.size_bytes = 0
        self.handle = os.memfd_create("waste-edge-upload", os.MFD_CLOEXEC)

    def write(self, data: bytes) -> None:
        """Take more of it; raises UploadError beyond the limit."""
        self.size_bytes += len(data)
        if self.size_bytes > MAX_UPLOAD_BYTES:
            raise _too_large()
        view = memoryview(data)
        while view:
            view = view[os.write(self.handle, view) :]


@contextlib.asynccontextmanager
async def received(request: Request) -> AsyncIterator[Upload]:
    """The picture of a request, as its body or as a file of a form.

    Raises:
        UploadError: it is too large, there is none, or the form cannot be read.
    """
    upload = Upload()
    try:
        await _receive(request, upload)
        if not upload.size_bytes:
            raise UploadError(400, "no picture; send one as the body, or as a file of a form")
        yield upload
    finally:
        os.close(upload.handle)


async def _receive(request: Request, upload: Upload) -> None:
    kind = request.headers.get("content-type", "")
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_UPLOAD_BYTES + _FORM_BYTES:
        raise _too_large()
    form = _Form(kind, upload) if kind.lower().startswith(_FORM) else None
    total = 0
    try:
        async for chunk in request.stream():
            total += len(chunk)
            if total > MAX_UPLOAD_BYTES + _FORM_BYTES:
                raise _too_large()
            if form is None:
                upload.write(chunk)
            else:
                form.write(chunk)
    except ClientDisconnect as error:
        raise UploadError(400, "the picture did not come whole") from error


class _Form:
    """Takes the first file out of a form as it comes; python-multipart's own would write it to the disk."""

    def __init__(self, kind: str, upload: Upload) -> None:
        _, options = parse_options_header(kind)
        boundary = options.get(b"boundary", b"")
        if not boundary or len(boundary) > 200:
            raise UploadError(400, "a form without a boundary")
        self._upload = upload
        self._header = self._value = b""
        self._takes = self._had = False
        calls = {
            "on_part_begin": self._begin,
            "on_header_field": self._field,
            "on_header_value": self._more,
            "on_header_end": self._end_header,
            "on_part_data": self._data,
        }
        self._parser = MultipartParser(boundary, calls, max_size=MAX_UPLOAD_BYTES + _FORM_BYTES)  # type: ignore[arg-type]

    def write(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except UploadError:
            raise
        except Exception as error:
            raise UploadError(400, "a form that cannot be read") from error

    def _begin(self) -> None:
        self._had, self._takes = self._had or self._takes, False

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]
        self._bounded()

    def _more(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._bounded()

    def _bounded(self) -> None:
        if len(self._header) + len(self._value) > _FORM_BYTES:
            raise UploadError(400, "a form whose headers are too long")

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition" and not self._had:
            _, options = parse_options_header(self._value)
            if b"filename" in options:
                self._takes = True
                name = options[b"filename"].decode("utf-8", "replace")
                self._upload.name = "".join(one for one in name if one.isprintable())[:_NAME_LETTERS] or "picture"
        self._header = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._takes:
            self._upload.write(data[start:end])


def _too_large() -> UploadError:
    return UploadError(413, f"at most {MAX_UPLOAD_BYTES // MIB} MiB are taken; make the picture smaller")
