"""A camera that does as it is told, in the shape of picamera2.

Only the parts that are used, with the signatures of the real ones (see test_picamera.py). The file that FAKE_CAMERA
names holds one word, looked at again and again: what the camera does now. Needs numpy and nothing else.

With the words `items`, `empty`, `torn`, `half`, `black` and `nothing` it films the bin of passing.py, in RGB.
"""

import os
import sys
import time
from pathlib import Path

import libcamera
import numpy as np

from picamera2 import passing

RED = (220, 30, 30)  # RGB
PADDING = 64  # bytes at the end of each row of YUV420
LOG = []
CAMERA = {"Model": "imx708", "Id": "/base/axi/pcie@1000120000/rp1/i2c@88000/imx708@1a", "Num": 0}
WEBCAM = {"Model": "HD Webcam", "Id": "/base/soc/usb@7e980000/1-1.2", "Num": 0}


def mode():
    path = os.environ.get("FAKE_CAMERA")
    return Path(path).read_text().strip() if path else "ok"


def hang():
    time.sleep(3600)


class Picamera2:
    def __init__(self, camera_num=0, verbose_console=None, tuning=None, allocator=None):
        if mode() == "hang-open":
            hang()
        LOG.append(f"open {camera_num}")

    @staticmethod
    def global_camera_info():
        return {"absent": [], "usb": [WEBCAM]}.get(mode(), [CAMERA])

    def create_video_configuration(
        self,
        main={},  # noqa: B006
        lores=None,
        raw={},  # noqa: B006
        transform=libcamera.Transform(),  # noqa: B008
        colour_space=None,
        buffer_count=6,
        controls={},  # noqa: B006
        display="main",
        encode="main",
        queue=True,
        sensor={},  # noqa: B006
        use_case="video",
    ):
        assert lores is None or all(small <= large for small, large in zip(lores["size"], main["size"], strict=True))
        wanted = {"main": dict(main), "lores": dict(lores or {}), "raw": dict(raw), "queue": queue}
        return wanted | {"colour_space": colour_space}

    def configure(self, camera_config=None):
        LOG.append(camera_config)
        self.config = camera_config
        if mode() == "other-format":
            self.config["main"]["format"] = "MJPEG"

    def camera_configuration(self):
        return self.config

    def start(self, config=None, show_preview=False):
        if mode() == "busy":
            raise RuntimeError("Failed to start camera\nDevice or resource busy")
        LOG.append("start")

    def capture_array(self, name="main", wait=None, signal_function=None):
        now = mode()
        if now == "hang":
            hang()
        if now == "timeout":
            raise TimeoutError
        if now == "die":
            print("libcamera: first line\nlibcamera: the pipeline broke", file=sys.stderr, flush=True)
            os._exit(3)
        if now == "chatter":
            print("warning " * 500, file=sys.stderr, flush=True)
        if now in MADNESS:
            MADNESS[now]()
        assert wait
        assert not self.config["queue"]
        if now in FILMED:
            period_ns = 1_000_000_000 // passing.FPS
            time.sleep((period_ns - time.monotonic_ns() % period_ns) / 1e9)
            return FILMED[now](time.monotonic_ns())
        time.sleep(0.005)
        stream = self.config[name]
        return picture(stream["format"], *stream["size"])

    def cancel_all_and_flush(self):
        LOG.append("flush")

    def close(self):
        LOG.append("close")


def picture(form, width, height):
    """All red, laid out in memory as libcamera does: "BGR888" is R, G, B."""
    if form != "YUV420":
        return np.full((height, width, 3), {"BGR888": RED, "RGB888": RED[::-1]}[form], np.uint8)
    stride = width + PADDING
    red, green, blue = RED
    luma = 16 + 0.257 * red + 0.504 * green + 0.098 * blue  # BT.601, as Smpte170m
    planes = np.full((height * 3 // 2, stride), 255, np.uint8)  # padding is white
    planes[:height, :width] = round(luma)
    chroma = planes[height:].reshape(-1, stride // 2)
    chroma[: height // 2, : width // 2] = round(128 - 0.148 * red - 0.291 * green + 0.439 * blue)
    chroma[height // 2 :, : width // 2] = round(128 + 0.439 * red - 0.368 * green - 0.071 * blue)
    return planes


def torn(time_ns):
    """Every other picture breaks off in the middle: the rest is grey, as decoders leave it."""
    seen = passing.picture(time_ns, items=False)
    if time_ns // 100_000_000 % 2:
        seen[passing.HEIGHT // 2 :] = 128
    return seen


FILMED = {
    "items": passing.picture,
    "empty": lambda time_ns: passing.picture(time_ns, items=False),
    "torn": torn,
    "half": lambda time_ns: passing.picture(time_ns)[: passing.HEIGHT // 2],
    "black": lambda time_ns: passing.picture(time_ns) // 64,
    "nothing": lambda time_ns: None,
}


def say_garbage():
    """Into the socket by which the capture process tells its news."""
    os.write(int(sys.argv[1]), b"\xff\x00 no news, and no JSON either\n")
    hang()


def write_garbage():
    """Into the memory in which frames are handed over, then say that there is one."""
    os.pwrite(int(sys.argv[2]), b"\xee" * 64, 0)
    os.write(int(sys.argv[1]), b"\n")
    hang()


MADNESS = {"say-garbage": say_garbage, "write-garbage": write_garbage}
