"""USB sticks for a guest: images with signed bundles on them, and the monitor of QEMU that plugs them in under way."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import socket
import struct
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any

from root import CHECKOUT

BUNDLE = CHECKOUT / "waste_edge/bundles/small"
SECTOR, FIRST = 512, 2048  # bytes; sectors before the partition, as every program leaves them
FAT_MB = 48  # FAT32 needs 33


def make_sticks(folder: Path) -> None:
    """Make every stick of the trial, and the two public keys that a station requires, one after the other.

    Args:
        folder: is given the images NAME.img, and keys/first.pub and keys/second.pub.
    """
    shutil.rmtree(folder, ignore_errors=True)
    keys = {name: make_key(folder / "keys", name) for name in ("first", "second")}
    # Versions above any that is shipped: the first one has to be newer than what the station came with.
    on_fat = {
        "newer": zipped(bundle(folder / "newer", "101", keys["first"])),
        "unsigned": zipped(bundle(folder / "unsigned", "102")),
        "older": zipped(bundle(folder / "older", "100.9", keys["first"])),
        "damaged": zipped(damaged(bundle(folder / "damaged", "102", keys["first"]))),
        "photographs": photographs(folder / "photographs"),
    }
    for name, content in on_fat.items():
        fat_stick(folder / f"{name}.img", content)
    for name, version, key in (("revoked", "102", "first"), ("next", "103", "second"), ("pulled", "104", "second")):
        ext4_stick(folder / f"{name}.img", bundle(folder / name / f"small-{version}", version, keys[key]).parent)


def make_key(folder: Path, name: str) -> Path:
    """A pair of keys, by the commands of docs/bundle.md; returns the private one."""
    folder.mkdir(parents=True, exist_ok=True)
    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", private)
    run("openssl", "pkey", "-in", private, "-pubout", "-out", public)
    return private


def bundle(folder: Path, version: str, key: Path | None = None) -> Path:
    """The shipped bundle in another version, signed if there is a key."""
    shutil.copytree(BUNDLE, folder)
    manifest = folder / "manifest.json"
    document = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**document, "version": version}, indent=1))
    if key is not None:
        signature = folder / "manifest.sig"
        run("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", manifest, "-out", signature)
    return folder


def damaged(folder: Path) -> Path:
    """One byte of each network changed after signing."""
    for network in (*folder.glob("*.onnx"), *folder.glob("*.tflite")):
        content = network.read_bytes()
        middle = len(content) // 2
        network.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    return folder


def zipped(folder: Path) -> Path:
    """A folder that holds the bundle as one .zip, and what else lies on a stick."""
    stick = photographs(folder.with_name(f"{folder.name}-stick"))
    with zipfile.ZipFile(stick / f"{folder.name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return stick


def photographs(folder: Path) -> Path:
    """What a stick that has nothing to do with a station holds."""
    (folder / "DCIM").mkdir(parents=True)
    (folder / "DCIM/holiday.jpg").write_bytes(b"\xff\xd8 no bundle")
    return folder


def fat_stick(image: Path, content: Path) -> None:
    """A stick as it is sold: a partition table, one partition, FAT32."""
    partition = image.with_suffix(".fat")
    with partition.open("wb") as file:
        file.truncate(FAT_MB << 20)
    run("mkfs.vfat", "-F", "32", "-n", "STICK", partition)
    run("mcopy", "-s", "-i", partition, *sorted(content.iterdir()), "::")
    sectors = (FAT_MB << 20) // SECTOR
    entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", 0x0C, b"\xfe\xff\xff", FIRST, sectors)
    table = bytes(446) + entry + bytes(48) + b"\x55\xaa"
    image.write_bytes(table + bytes((FIRST - 1) * SECTOR) + partition.read_bytes())
    partition.unlink()


def ext4_stick(image: Path, content: Path) -> None:
    """A stick without a partition table, its files those of another machine's user."""
    owner = "root_owner=1000:1000"
    run("mke2fs", "-q", "-t", "ext4", "-d", content, "-E", owner, image, "32M")


def run(*command: str | Path) -> None:
    """One command to its end; what it says is shown if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout}")


class Ports:
    """The USB ports of a guest, by QEMU's monitor.

    What runs inside writes NAME.plug or NAME.pull into /share/usb, and waits until that is gone.

    Args:
        monitor: QEMU's socket, which speaks QMP.
        sticks: the folder of the images.
        orders: /share/usb of the guest, seen from here.
    """

    def __init__(self, monitor: Path, sticks: Path, orders: Path) -> None:
        self._monitor, self._sticks, self._orders = monitor, sticks, orders
        self._before: dict[str, str] = {}

    def serve(self) -> None:
        """Do what was asked for, if anything was."""
        for suffix, do in ((".plug", self._plug), (".pull", self._pull)):
            for order in self._orders.glob(f"*{suffix}"):
                do(order.stem)
                order.unlink()

    def _plug(self, name: str) -> None:
        image = self._sticks / f"{name}.img"
        self._before[name] = digest(image)
        file = {"driver": "file", "filename": str(image)}
        self._say("blockdev-add", {"driver": "raw", "node-name": name, "file": file})
        self._say("device_add", {"driver": "usb-storage", "id": f"stick-{name}", "drive": name, "removable": True})

    def _pull(self, name: str) -> None:
        """Pull it out, and tell the inside whether one bit of it was changed."""
        self._say("device_del", {"id": f"stick-{name}"})
        for _ in range(50):  # until QEMU has let go of it
            with contextlib.suppress(RuntimeError):
                self._say("blockdev-del", {"node-name": name})
                break
            time.sleep(0.2)
        same = digest(self._sticks / f"{name}.img") == self._before[name]
        (self._orders / f"{name}.{'same' if same else 'changed'}").touch()

    def _say(self, command: str, arguments: dict[str, Any]) -> None:
        """One command of QMP; raises RuntimeError if QEMU refuses it."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(60)
            link.connect(str(self._monitor))
            with link.makefile("rw") as stream:
                stream.readline()  # its greeting
                for words in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                    stream.write(json.dumps(words) + "\n")
                    stream.flush()
                    answer = json.loads(stream.readline())
                    while "event" in answer:
                        answer = json.loads(stream.readline())
                    if "error" in answer:
                        raise RuntimeError(f"QEMU: {command}: {answer['error']['desc']}")


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
