"""Camera protocol. Each kind of camera is one file beside this one, and a row in `openers.KINDS`.

Everything in this folder runs in the capture process, which may belong to an interpreter that has the standard
library, numpy and one camera's own library, and nothing else. No file imports more than that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

from waste_edge.files.limits import MAX_SIDE_PX

if TYPE_CHECKING:  # the program names a camera before it has imported numpy
    import numpy as np
    from numpy.typing import NDArray

Layout = Literal["rgb", "bgr", "yuv420", "nv12"]


@dataclass(frozen=True, eq=False)
class RawFrame:
    """One picture as the camera laid it out, not converted yet.

    Attributes:
        data: uint8 (rows, stride). For `rgb` and `bgr` a row holds `width_px` triples, then padding. For `yuv420`
            `height_px` rows of luma are followed by U and V, whose rows lie two to a stride; for `nv12` by half as many
            rows of U and V in turns.
        layout: the order of the bytes.
        width_px: even for `yuv420` and `nv12`.
        height_px: even for `yuv420` and `nv12`.
        captured_ns: monotonic clock at capture, in nanoseconds.
        name: where it came from, for messages: a file's path, or empty.
    """

    data: NDArray[np.uint8]
    layout: Layout
    width_px: int
    height_px: int
    captured_ns: int
    name: str = ""

    def __post_init__(self) -> None:
        width, height = self.width_px, self.height_px
        if not (1 <= width <= MAX_SIDE_PX and 1 <= height <= MAX_SIDE_PX):
            raise ValueError(f"expected a picture of 1 to {MAX_SIDE_PX} pixels a side, got {width}x{height}")
        planar = self.layout in ("yuv420", "nv12")
        if planar and (width % 2 or height % 2 or self.data.shape[-1] % 2):
            raise ValueError(f"YUV needs an even width, height and stride, got {width}x{height}, {self.data.shape}")
        rows, row_bytes = (height * 3 // 2, width) if planar else (height, width * 3)
        data = self.data
        if data.dtype != "uint8" or data.ndim != 2 or data.shape[0] != rows or data.shape[1] < row_bytes:
            wanted = f"uint8 ({rows}, at least {row_bytes}) for {self.layout} {width}x{height}"
            raise ValueError(f"expected {wanted}, got {data.dtype} {data.shape}")


def packed(pixels: NDArray[np.uint8], layout: Layout, captured_ns: int, name: str = "") -> RawFrame:
    """A frame from uint8 (H, W, 3) pixels, `rgb` or `bgr`, without a copy if they are contiguous."""
    height, width = pixels.shape[:2]
    return RawFrame(pixels.reshape(height, width * 3), layout, width, height, captured_ns, name)


class Camera(Protocol):
    """An opened camera, or anything that gives frames like one. One thread owns it.

    Attributes:
        title: for people, e.g. `picamera:0 (imx708)`.
        still_images: each frame is a picture by itself and none may be dropped, as in a folder of photographs.
    """

    title: str
    still_images: bool

    def read(self) -> RawFrame | None:
        """Wait for the next frame and return it; None when there will be no more.

        Raises:
            CameraError: the camera has gone; close it and open it anew.
            PictureError: this one picture cannot be read; the next call goes on with the next picture.
        """
        ...

    def close(self) -> None:
        """Give the device back. Harmless when called twice."""
        ...


@dataclass(frozen=True)
class CameraKind:
    """A kind of camera: how it is opened, and what its process may do beyond reading files.

    Attributes:
        opener: `module:name` of what takes an argument and a clock and gives an opened `Camera`; imported in the
            capture process.
        importer: `module:name` of what imports the camera's library, without arguments, where `opener`'s module does
            not: its time is not the camera's.
        by_name: `--camera` takes it by its name: `NAME`, or `NAME:ARGUMENT`.
        argument: a regular expression that the argument behind the name must match as a whole.
        check: `module:name` of what raises CameraError of an argument; called where the ID is read.
        network: it opens connections.
        programs: it starts programs.
        reads_file: its argument is a file, which it must see wherever that is.
        system_library: a module that may be there for the system's interpreter only; the camera is then read by that.
    """

    opener: str
    importer: str = ""
    by_name: bool = True
    argument: str = ".*"
    check: str = ""
    network: bool = False
    programs: bool = False
    reads_file: bool = False
    system_library: str = ""


@dataclass(frozen=True)
class Candidate:
    """One camera that a source may turn out to be, in words that a process of its own understands.

    Attributes:
        kind: a key of `openers.KINDS`, or the name of the plug-in's entry point.
        argument: what that kind takes: an index, a device, a file, an address, a rate.
        python: the interpreter that has this camera's library.
        withheld: variables of the environment that its process is not given: they hold secrets.
        hidden: files and folders that its process must not see.
        plugin: what a plug-in says of its kind; None for the package's own kinds.
    """

    kind: str
    argument: str
    python: str
    withheld: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    plugin: CameraKind | None = None


@dataclass(frozen=True)
class Source:
    """Source that can be opened as a camera, again and again.

    Attributes:
        title: what the user asked for, in words.
        open: gives a `Camera` in this process or raises CameraError; slow, since it waits for a first frame.
        live: it may come and go, and is worth waiting for; a file that is missing stays missing.
        still_images: see `Camera`.
        candidates: how a process of its own opens it, tried in this order; none: it is read in this process.
    """

    title: str
    open: Callable[[], Camera]
    live: bool
    still_images: bool = False
    candidates: tuple[Candidate, ...] = ()

    def keeping_secret(self, withheld: tuple[str, ...], hidden: tuple[str, ...]) -> Source:
        """The same, whose processes are not given these variables and do not see these files and folders."""
        candidates = tuple(replace(each, withheld=withheld, hidden=hidden) for each in self.candidates)
        return replace(self, candidates=candidates)
