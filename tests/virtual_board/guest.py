"""The virtual board from outside: QEMU without KVM, told what to do over a shared folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

# QEMU 7.2's emulation of AVX and what builds on it crashes NumPy and spoils ONNX Runtime's INT8.
CPU = "max,avx2=off,avx=off,f16c=off,fma=off"
# Time inside passes with the instructions that are executed, 4 ns each: a second there is a second's work of a small
# board, however busy this machine is, and waiting costs nothing.
TIME = ("-icount", "shift=2,sleep=off", "-rtc", "clock=vm")
BOOT_S = 1800.0


@dataclass(frozen=True)
class Done:
    """A command that was run inside: its exit code and what it said."""

    code: int
    said: str


class Guest:
    """One running guest.

    Args:
        root: where kernel and initrd are taken from.
        image: its disk; written to, so of this run alone.
        share: the folder that it sees as /share.
    """

    def __init__(self, root: Path, image: Path, share: Path) -> None:
        self._share = share
        self._number = 0
        for name in ("do", "done"):
            shutil.rmtree(share / name, ignore_errors=True)
            (share / name).mkdir(parents=True)
        command = [
            "qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", CPU, "-m", "3072", *TIME,
            "-kernel", root / "vmlinuz", "-initrd", root / "initrd.img",
            "-append", "root=/dev/vda rw console=ttyS0 quiet mitigations=off systemd.show_status=0",
            "-drive", f"file={image},if=virtio,format=raw,cache=unsafe",
            "-virtfs", f"local,path={share},mount_tag=share,security_model=none",
            "-nic", "none", "-display", "none", "-serial", f"file:{share}/console", "-monitor", "none",
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def wait_for_boot(self, boots: int = 1) -> float:
        """Seconds until the agent inside says that it is there for this many a time; raises TimeoutError."""
        started = time.monotonic()
        agent = self._share / "boots"
        while not (agent.exists() and len(agent.read_text().split()) >= boots):
            if self.process.poll() is not None or time.monotonic() - started > BOOT_S:
                raise TimeoutError(f"the guest did not boot; see {self._share}/console")
            time.sleep(0.5)
        return time.monotonic() - started

    def run(self, command: str, timeout_s: float) -> Done:
        """Run a shell command inside as root; one that takes longer is ended with code 124."""
        self._number += 1
        order = self._share / "do" / f"{self._number:04}"
        order.with_suffix(".new").write_text(json.dumps({"command": command, "timeout_s": timeout_s}))
        order.with_suffix(".new").rename(order)
        answer = self._share / "done" / order.name
        started = time.monotonic()
        while not answer.exists():
            if self.process.poll() is not None:
                return Done(125, "the guest has ended")
            if time.monotonic() - started > timeout_s + 60:
                return Done(126, "the guest's agent does not answer")
            time.sleep(0.2)
        told = json.loads(answer.read_text())
        return Done(told["code"], told["said"])

    def stop(self) -> None:
        """Power off, by force if need be."""
        if self.process.poll() is None:
            self._number += 1
            order = self._share / "do" / f"{self._number:04}"
            order.write_text(json.dumps({"command": "systemctl --no-block poweroff", "timeout_s": 10}))
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
