from __future__ import annotations

import os
import platform
from pathlib import Path

import numpy as np
import pytest

from tests.device.boards import HEALTHY_PI5, THROTTLED_PI4, X86_VM
from waste_edge.benchmarks.facts import emulated, read_machine

PI5_CPUINFO = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n\nModel\t\t: Raspberry Pi 5\n"
PC_CPUINFO = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) CPU @ 2.20GHz\nmodel name\t: Intel(R) Xeon(R)\n"


def make_root(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    return root


def test_a_raspberry_pi(tmp_path: Path) -> None:
    machine = read_machine(
        make_root(
            tmp_path,
            {
                "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
                "proc/cpuinfo": PI5_CPUINFO,
                "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
                "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
            },
        )
    )
    assert (machine.board, machine.cpu) == ("Raspberry Pi 5 Model B Rev 1.0", "Cortex-A76")
    assert (machine.os, machine.governor) == ("Debian GNU/Linux 12 (bookworm)", "ondemand")


@pytest.mark.parametrize(
    ("cpuinfo", "cpu"),
    [(PC_CPUINFO, "Intel(R) Xeon(R) CPU @ 2.20GHz"), ("CPU part\t: 0xfff\n", "ARM core 0xfff")],
)
def test_processors(tmp_path: Path, cpuinfo: str, cpu: str) -> None:
    assert read_machine(make_root(tmp_path, {"proc/cpuinfo": cpuinfo})).cpu == cpu


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    machine = read_machine(tmp_path)
    assert (machine.board, machine.governor, machine.os) == ("", "", platform.system())
    assert machine.cpu


def test_this_machine() -> None:
    machine = read_machine()
    assert machine.cores == len(os.sched_getaffinity(0))
    assert machine.libraries["numpy"] == np.__version__
    assert "onnxruntime" in machine.libraries
    assert machine.python == platform.python_version()


def test_features_that_matter(tmp_path: Path) -> None:
    for cpuinfo, features in (
        (X86_VM.cpuinfo, ["avx2", "avx512f", "avx512_vnni"]),
        (HEALTHY_PI5.cpuinfo, ["asimd", "asimdhp", "asimddp", "fphp"]),
        (THROTTLED_PI4.cpuinfo, ["asimd"]),
    ):
        assert read_machine(make_root(tmp_path, {"proc/cpuinfo": cpuinfo})).features == features


@pytest.mark.parametrize(
    ("architecture", "files", "why"),
    [
        ("aarch64", {"proc/sys/kernel/arch": "aarch64\n", "proc/cpuinfo": HEALTHY_PI5.cpuinfo}, ""),
        ("armv7l", {"proc/sys/kernel/arch": "aarch64\n"}, ""),
        ("i686", {"proc/sys/kernel/arch": "x86_64\n"}, ""),
        ("x86_64", {"proc/cpuinfo": "vendor_id\t: AuthenticAMD\nflags\t: avx2\n"}, ""),
        ("aarch64", {"proc/sys/kernel/arch": "x86_64\n"}, "the kernel is x86_64"),
        ("aarch64", {"proc/cpuinfo": "vendor_id\t: AuthenticAMD\nflags\t: avx2\n"}, "that of an x86 processor"),
        ("aarch64", {}, ""),
    ],
)
def test_an_emulated_processor_is_found_out(tmp_path: Path, architecture: str, files: dict[str, str], why: str) -> None:
    found = emulated(make_root(tmp_path, files), architecture)
    assert why in found
    assert bool(why) == bool(found)


def test_a_process_that_qemu_runs(tmp_path: Path) -> None:
    (tmp_path / "proc/thread-self").mkdir(parents=True)
    (tmp_path / "proc/thread-self/exe").symlink_to("/usr/bin/qemu-aarch64-static")
    assert "qemu-aarch64-static" in emulated(tmp_path, "aarch64")
