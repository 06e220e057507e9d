"""A Debian for arm64 on a machine of another kind: debootstrap makes it, qemu-user runs its programs."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

CACHE = Path.home() / ".cache/waste-edge/arm64"
TOOLS = {"debootstrap": "debootstrap", "qemu-aarch64-static": "qemu-user-static", "apt-get": "apt", "dpkg-deb": "dpkg"}
MIRROR = "http://deb.debian.org/debian"
SCRIPT = "/usr/share/debootstrap/scripts/sid"  # every suite's; an older debootstrap does not know a newer suite's name
PACKAGES = "systemd,python3,python3-venv,ca-certificates"
BINFMT = Path("/proc/sys/fs/binfmt_misc")
BINFMT_CONF = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")
ENTRY = "waste-edge-arm64-"  # and the process that registered it: several may emulate at a time
# With processes and a /proc of its own: systemctl tells from /proc/1/root that it is in a chroot, and starts nothing.
APART = (
    "unshare", "--pid", "--fork", "--mount", "--kill-child",
    "sh", "-c", 'mount -t proc proc "$1/proc" && chroot "$@"; exit $?', "sh",
)  # fmt: skip
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# ONNX Runtime 1.31 ends with a segmentation fault on import under Bookworm's qemu 7.2; under Trixie's it does not.
QEMU_SUITE = "trixie"
# The Pi 5's. "max" has vectors of the newest servers (SVE, SME), which the engines choose and which are emulated ten
# times as slowly.
USUAL = "cortex-a76"


def what_is_missing() -> str:
    """One line that names what this machine lacks, with the remedy; empty if nothing."""
    packages = sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})
    if packages:
        return f"not on this machine; sudo apt-get install -y {' '.join(packages)}"
    if os.geteuid() != 0:
        return "needs root, for debootstrap, chroot and binfmt_misc; say it with sudo"
    return ""


def newer_qemu() -> Path:
    """The static qemu-aarch64 of a newer Debian than this may be: fetched once by apt, unpacked, not installed."""
    folder = CACHE / f"qemu-{QEMU_SUITE}"
    program = folder / "usr/bin/qemu-aarch64"
    if not program.exists():
        apt = folder / "apt"
        (apt / "lists/partial").mkdir(parents=True, exist_ok=True)
        (apt / "archives/partial").mkdir(parents=True, exist_ok=True)
        key = "/usr/share/keyrings/debian-archive-keyring.gpg"
        (apt / "list").write_text(f"deb [signed-by={key}] {MIRROR} {QEMU_SUITE} main\n")
        places = {
            "Dir::Etc::sourcelist": apt / "list", "Dir::Etc::sourceparts": "-", "Dir::State::lists": apt / "lists",
            "Dir::Cache": apt, "APT::Sandbox::User": "root",
        }  # fmt: skip
        options = [f"-o{key}={value}" for key, value in places.items()]
        run("apt-get", "-q", *options, "update")
        run("apt-get", "-q", *options, "download", "qemu-user", cwd=folder)
        (package,) = folder.glob("qemu-user_*.deb")
        run("dpkg-deb", "-x", package, folder)
        package.unlink()
        shutil.rmtree(apt)
    return program


@contextlib.contextmanager
def emulation(qemu: Path) -> Iterator[None]:
    """While it lasts, the kernel gives arm64 programs to `qemu`; Debian's own line, for another program."""
    if not (BINFMT / "register").exists():
        run("mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT)
    _, _, kind, offset, magic, mask, _, flags = BINFMT_CONF.read_text().strip().split(":")
    for left in BINFMT.glob(f"{ENTRY}*"):  # by a run that was killed
        if not Path("/proc", left.name.removeprefix(ENTRY)).exists():
            left.write_text("-1")
    entry = f"{ENTRY}{os.getpid()}"
    (BINFMT / "register").write_text(":".join(("", entry, kind, offset, magic, mask, str(qemu), flags)))
    try:
        yield
    finally:
        (BINFMT / entry).write_text("-1")


def make_root(suite: str) -> Path:
    """The Debian, made once: its second stage runs emulated."""
    root = CACHE / f"root-{suite}"
    if not (root / "made").exists():
        shutil.rmtree(root, ignore_errors=True)
        root.parent.mkdir(parents=True, exist_ok=True)
        run(
            "debootstrap",
            "--foreign",
            "--arch=arm64",
            "--variant=minbase",
            f"--include={PACKAGES}",
            suite,
            root,
            MIRROR,
            SCRIPT,
        )
        # What it mounts goes with it, also if it is ended half-way.
        run("unshare", "--mount", "chroot", root, "/debootstrap/debootstrap", "--second-stage")
        (root / "made").touch()
    return root


@contextlib.contextmanager
def fresh(root: Path) -> Iterator[Path]:
    """The root as it was made, to be written to: what is written vanishes afterwards."""
    with tempfile.TemporaryDirectory(dir=CACHE) as name, contextlib.ExitStack() as mounts:
        upper, work, merged = (Path(name) / part for part in ("upper", "work", "merged"))
        for folder in (upper, work, merged):
            folder.mkdir()
        merged.chmod(0o755)
        run("mount", "-t", "overlay", "overlay", f"-olowerdir={root},upperdir={upper},workdir={work}", merged)
        mounts.callback(run, "umount", "-l", merged)
        for given in ("sys", "dev"):
            run("mount", "--rbind", "--make-rslave", f"/{given}", merged / given)
            mounts.callback(run, "umount", "-l", merged / given)
        shutil.copy("/etc/resolv.conf", merged / "etc/resolv.conf")
        shutil.copy(CERTIFICATES, merged / CERTIFICATES.relative_to("/"))  # a proxy's own, where there is one
        yield merged


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """One command to its end, its words on the screen; raises CalledProcessError if it fails."""
    subprocess.run([str(word) for word in command], check=True, cwd=cwd)


def inside(
    root: Path, command: Sequence[str], cpu: str = USUAL, seconds: float = 1800
) -> subprocess.CompletedProcess[str]:
    """One command in the root, on a processor of that kind, without this machine's settings; its output is returned."""
    environment = [
        "env",
        "-i",
        f"QEMU_CPU={cpu}",
        "HOME=/root",
        "LANG=C.UTF-8",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ]
    words = [*APART, str(root), *environment, *command]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=seconds)
