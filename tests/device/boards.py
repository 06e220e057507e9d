"""Folders that stand for boards: what /proc, /sys and vcgencmd of each would say. Give one to `Board` as its root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ELF_64, ELF_32 = b"\x7fELF\x02\x01\x01\0", b"\x7fELF\x01\x01\x01\0"
THROTTLED_FILE = "sys/devices/platform/soc/soc:firmware/get_throttled"
PI5_THROTTLED_FILE = "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"
CPUFREQ = "sys/devices/system/cpu/cpu0/cpufreq"

A53_A72_FEATURES = "fp asimd evtstrm crc32 cpuid"
A76_FEATURES = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"


@dataclass(frozen=True)
class FakeBoard:
    """Attributes:
    model, cpuinfo: as the machine's files hold them; None makes no file, here and below.
    temperature_c: of the thermal zone `cpu-thermal`; a radio's zone, always hotter, is there too.
    throttled: the firmware's bits, and the sysfs file that tells them; None with `vcgencmd` if that tells them.
    vcgencmd: a shell script's lines.
    frequency_mhz: now and at most.
    governor: of the first core.
    memory_mb: in all and available.
    arch: of the kernel.
    shell: how the ELF file /bin/sh begins.
    """

    model: str | None
    cpuinfo: str
    temperature_c: float | None = None
    throttled: int | None = None
    throttled_file: str = THROTTLED_FILE
    vcgencmd: str | None = None
    frequency_mhz: tuple[int, int] | None = None
    governor: str | None = None
    memory_mb: tuple[int, int] = (4000, 3000)
    arch: str = "aarch64"
    shell: bytes = ELF_64
    mounts: str = "/dev/mmcblk0p2 / ext4 rw,noatime 0 0\n/dev/mmcblk0p1 /boot/firmware vfat rw 0 0\n"

    def make(self, root: Path) -> Path:
        """Write the files under `root` and return it."""
        for name, content in self._files().items():
            if content is not None:
                write(root, name, content)
        if self.vcgencmd is not None:
            (root / "usr/bin/vcgencmd").chmod(0o755)
        return root

    def _files(self) -> dict[str, str | bytes | None]:
        total_mb, available_mb = self.memory_mb
        zones = "sys/class/thermal/thermal_zone"
        warm, clock = self.temperature_c, self.frequency_mhz
        return {
            "proc/device-tree/model": None if self.model is None else f"{self.model}\0",
            "proc/cpuinfo": self.cpuinfo,
            "proc/meminfo": f"MemTotal: {total_mb * 1000} kB\nMemFree: 1 kB\nMemAvailable: {available_mb * 1000} kB\n",
            "proc/mounts": self.mounts,
            "proc/sys/kernel/arch": f"{self.arch}\n",
            "bin/sh": self.shell,
            f"{zones}0/type": None if warm is None else "wifi\n",
            f"{zones}0/temp": None if warm is None else "99000\n",
            f"{zones}1/type": None if warm is None else "cpu-thermal\n",
            f"{zones}1/temp": None if warm is None else f"{round(warm * 1000)}\n",
            self.throttled_file: None if self.throttled is None else f"{self.throttled:x}\n",
            "usr/bin/vcgencmd": None if self.vcgencmd is None else f"#!/bin/sh\n{self.vcgencmd}\n",
            f"{CPUFREQ}/scaling_cur_freq": None if clock is None else f"{clock[0] * 1000}\n",
            f"{CPUFREQ}/cpuinfo_max_freq": None if clock is None else f"{clock[1] * 1000}\n",
            f"{CPUFREQ}/scaling_governor": None if self.governor is None else f"{self.governor}\n",
        }


def write(root: Path, name: str, content: str | bytes) -> None:
    """One file of a fake root, with the folders above it."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def arm_cpuinfo(part: str, features: str, cores: int = 4) -> str:
    core = f"BogoMIPS\t: 108.00\nFeatures\t: {features}\nCPU implementer\t: 0x41\nCPU part\t: {part}\n\n"
    return "".join(f"processor\t: {index}\n{core}" for index in range(cores))


def x86_cpuinfo(name: str, flags: str) -> str:
    return f"processor\t: 0\nmodel name\t: {name}\nflags\t\t: {flags}\n\n"


THROTTLED_PI4 = FakeBoard(
    model="Raspberry Pi 4 Model B Rev 1.4",
    cpuinfo=arm_cpuinfo("0xd08", A53_A72_FEATURES),
    temperature_c=71.1,
    vcgencmd='test "$1" = get_throttled && echo throttled=0x50005',
    frequency_mhz=(600, 1800),
    governor="ondemand",
)
HEALTHY_PI5 = FakeBoard(
    model="Raspberry Pi 5 Model B Rev 1.0",
    cpuinfo=arm_cpuinfo("0xd0b", A76_FEATURES),
    temperature_c=51.2,
    throttled=0,
    throttled_file=PI5_THROTTLED_FILE,
    frequency_mhz=(2400, 2400),
    governor="ondemand",
    memory_mb=(8000, 7000),
)
HOT_ZERO2W = FakeBoard(
    model="Raspberry Pi Zero 2 W Rev 1.0",
    cpuinfo=arm_cpuinfo("0xd03", A53_A72_FEATURES),
    temperature_c=86.4,
    throttled=0xE0006,
    frequency_mhz=(700, 1000),
    governor="ondemand",
    memory_mb=(430, 150),
)
OLD_CPU = FakeBoard(
    model=None,
    cpuinfo=x86_cpuinfo("Intel(R) Core(TM)2 Duo CPU T7500", "fpu sse sse2 ssse3"),
    temperature_c=60.0,
    frequency_mhz=(2200, 2200),
    governor="schedutil",
    arch="x86_64",
    mounts="/dev/sda1 / ext4 rw 0 0\n",
)
MISSING_GOVERNOR = FakeBoard(
    model="Raspberry Pi 3 Model B Plus Rev 1.3",
    cpuinfo=arm_cpuinfo("0xd03", A53_A72_FEATURES),
    temperature_c=62.0,
    throttled=0x80008,
)
X86_VM = FakeBoard(
    model=None,
    cpuinfo=x86_cpuinfo("AMD EPYC", "fpu sse2 avx2 avx512f avx512_vnni"),
    arch="x86_64",
    mounts="overlay / overlay rw 0 0\n",
)
PI4_OF_32_BITS = FakeBoard(
    model="Raspberry Pi 4 Model B Rev 1.4", cpuinfo=arm_cpuinfo("0xd08", A53_A72_FEATURES), shell=ELF_32, throttled=0
)
BOARDS = {
    "throttled-pi4": THROTTLED_PI4,
    "healthy-pi5": HEALTHY_PI5,
    "hot-zero2w": HOT_ZERO2W,
    "old-cpu": OLD_CPU,
    "missing-governor": MISSING_GOVERNOR,
    "x86-vm": X86_VM,
    "pi4-of-32-bits": PI4_OF_32_BITS,
}
