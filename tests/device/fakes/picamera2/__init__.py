"""A camera that does as it is told, in the shape of picamera2.

Only the parts that are used, with the signatures of the real ones (see test_picamera.py). The file that FAKE_CAMERA
names holds one word, looked at again and again: what the camera does now. Needs numpy and nothing else.

With the words `items`, `empty`, `torn`, `half`, `black` and `nothing` it films the bin of passing.py, in RGB.
"""

import io
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
METADATA = []  # of the frames to come
ADJUSTED = {"other-format": "YUYV", "nv12": "NV12", "mjpeg": "MJPEG", "rgb888": "RGB888"}  # what libcamera makes of it
CAMERA = {"Model": "imx708", "Rotation": 180, "Id": "/base/axi/pcie@1000120000/rp1/i2c@88000/imx708@1a", "Num": 0}
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
        usb = "/usb" in self.global_camera_info()[camera_num]["Id"]
        self.camera_properties = {} if usb else {"ColorFilterArrangement": 0}

    @staticmethod
    def global_camera_info():
        return {"absent": [], "usb": [WEBCAM], "second": [WEBCAM, CAMERA]}.get(mode(), [CAMERA])

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
        for stream in (self.config["main"], self.config["lores"]):
            if stream:
                stream["format"] = ADJUSTED.get(mode(), stream["format"])
                stream["stride"] = stride_of(stream)

    def camera_configuration(self):
        return self.config

    def start(self, config=None, show_preview=False):
        if mode() == "busy":
            raise RuntimeError("Failed to start camera\nDevice or resource busy")
        LOG.append("start")

    def capture_buffers(self, names=["main"], wait=None, signal_function=None):  # noqa: B006
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
            return [FILMED[now](time.monotonic_ns()).reshape(-1)], {"SensorTimestamp": time.monotonic_ns()}
        time.sleep(0.005)
        (name,) = names
        stream = self.config[name]
        return [picture(stream)], METADATA.pop(0) if METADATA else {}

    def cancel_all_and_flush(self):
        LOG.append("flush")

    def close(self):
        LOG.append("close")


def stride_of(stream):
    """RGB of passing.py comes without padding."""
    width = stream["size"][0]
    return {"YUV420": width + PADDING, "NV12": width + PADDING, "MJPEG": 0}.get(stream["format"], width * 3)


def picture(stream):
    """All red, laid out in memory as libcamera does: "BGR888" is R, G, B; the buffer is longer than the picture."""
    (width, height), form, stride = stream["size"], stream["format"], stream["stride"]
    rest = np.zeros(4096, np.uint8)
    if form == "MJPEG":
        return np.concatenate([jpeg(width, height), rest])
    if form not in ("YUV420", "NV12"):
        pixels = np.full((height, width, 3), {"BGR888": RED, "RGB888": RED[::-1]}[form], np.uint8)
        return np.concatenate([pixels.reshape(-1), rest])
    red, green, blue = RED
    luma = 16 + 0.257 * red + 0.504 * green + 0.098 * blue  # BT.601, as Smpte170m
    planes = np.full((height * 3 // 2, stride), 255, np.uint8)  # padding is white
    planes[:height, :width] = round(luma)
    u = round(128 - 0.148 * red - 0.291 * green + 0.439 * blue)
    v = round(128 + 0.439 * red - 0.368 * green - 0.071 * blue)
    if form == "NV12":
        planes[height:, 0:width:2], planes[height:, 1:width:2] = u, v
    else:
        chroma = planes[height:].reshape(-1, stride // 2)
        chroma[: height // 2, : width // 2], chroma[height // 2 :, : width // 2] = u, v
    return np.concatenate([planes.reshape(-1), rest])


def jpeg(width, height):
    """All red; of another size if the word is so."""
    from PIL import Image

    size = (width * 2, height) if mode() == "mjpeg-wide" else (width, height)
    stream = io.BytesIO()
    Image.new("RGB", size, RED).save(stream, "JPEG", quality=95)
    content = np.frombuffer(stream.getvalue(), np.uint8)
    return content[:200] if mode() == "mjpeg-half" else content


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
    "nothing": lambda time_ns: np.empty(0, np.uint8),
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
