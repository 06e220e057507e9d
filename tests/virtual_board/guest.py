"""The virtual board from outside: QEMU, told what to do over a shared folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

KVM = ("-accel", "kvm", "-cpu", "host")
# Without KVM. QEMU 7.2's emulation of AVX and what builds on it crashes NumPy and spoils ONNX Runtime's INT8. Time
# inside passes with the instructions that are executed, 2 ns each: a second there is a second's work of a small board,
# however busy this machine is.
EMULATED = (
    "-accel", "tcg,thread=single,tb-size=512", "-cpu", "max,avx2=off,avx=off,f16c=off,fma=off,erms=off",
    "-icount", "shift=1,sleep=on", "-rtc", "clock=vm",
)  # fmt: skip
# Twice as fast by its own clock, and half as fast by ours: two looks at an item then fit into the 300 ms that a station
# has for them, as on a Pi 3.
EMULATED_QUICK = tuple(word.replace("shift=1", "shift=0") for word in EMULATED)
BOOT_S = {KVM: 180.0, EMULATED: 2400.0, EMULATED_QUICK: 2400.0}
KERNEL = (
    "root=/dev/vda rw console=ttyS0 quiet mitigations=off no_timer_check audit=0 apparmor=0 systemd.show_status=0 "
    "module_blacklist=vmw_vmci,vmw_vsock_vmci_transport,vsock,psmouse,pcspkr,i2c_piix4,ata_piix,parport_pc"
)


def why_no_kvm() -> str:
    """What keeps this machine from running a guest at full speed; empty if nothing is known to."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "no /dev/kvm"
    if not {"vmx", "svm"} & set(Path("/proc/cpuinfo").read_text().split()):
        # Such a /dev/kvm interprets a kernel that was not made for it, slower than QEMU emulates it.
        return "/dev/kvm, but neither vmx nor svm"
    return ""


@dataclass(frozen=True)
class Done:
    """A command that was run inside: its exit code and what it said."""

    code: int
    said: str


class Guest:
    """One running guest.

    Args:
        root: where kernel and initrd are taken from.
        image: its disk, which stays as it is: what the guest writes is thrown away at its end.
        share: the folder that it sees as /share.
        machine: `KVM`, `EMULATED` or `EMULATED_QUICK`.

    Attributes:
        monitor: socket that takes QEMU's commands (QMP).
        meanwhile: is called again and again while a command runs inside.
    """

    def __init__(self, root: Path, image: Path, share: Path, machine: tuple[str, ...]) -> None:
        self._share = share
        self._number = 0
        self._boot_s = BOOT_S[machine]
        self.monitor = share.with_suffix(".monitor")
        self.meanwhile: Callable[[], None] = lambda: None
        (share / "boots").unlink(missing_ok=True)
        for name in ("do", "done"):
            shutil.rmtree(share / name, ignore_errors=True)
            (share / name).mkdir(parents=True)
        command = [
            "nice", "-n", "3", "qemu-system-x86_64", *machine, "-m", "2048", "-nodefaults", "-vga", "none",
            "-kernel", root / "vmlinuz", "-initrd", root / "initrd.img", "-append", KERNEL,
            "-drive", f"file={image},if=virtio,format=raw,snapshot=on",
            "-virtfs", f"local,path={share},mount_tag=share,security_model=none",
            "-display", "none", "-serial", f"file:{share}/console", "-monitor", "none",
            "-qmp", f"unix:{self.monitor},server=on,wait=off", "-device", "qemu-xhci",
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def wait_for_boot(self, boots: int = 1) -> float:
        """Seconds until the agent inside says that it is there for this many a time; raises TimeoutError."""
        started = time.monotonic()
        agent = self._share / "boots"
        while not (agent.exists() and len(agent.read_text().split()) >= boots):
            if self.process.poll() is not None or time.monotonic() - started > self._boot_s:
                raise TimeoutError(f"the guest did not boot; see {self._share}/console")
            time.sleep(0.5)
        return time.monotonic() - started

    def run(self, command: str, timeout_s: float) -> Done:
        """Run a shell command inside as root; one that takes longer, by the time inside, is ended with code 124."""
        self._number += 1
        order = self._share / "do" / f"{self._number:04}"
        order.with_suffix(".new").write_text(json.dumps({"command": command, "timeout_s": timeout_s}))
        order.with_suffix(".new").rename(order)
        answer = self._share / "done" / order.name
        until = time.monotonic() + 20 * timeout_s + 600  # emulated time may be as much slower
        while not answer.exists():
            if self.process.poll() is not None:
                return Done(125, "the guest has ended")
            if time.monotonic() > until:
                return Done(126, "the guest's agent does not answer")
            self.meanwhile()
            time.sleep(0.2)
        told = json.loads(answer.read_text())
        return Done(told["code"], told["said"])

    def stop(self) -> None:
        """Power off, by force."""
        self.process.kill()
        self.process.wait()
