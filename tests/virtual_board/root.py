"""The system of the virtual board: Debian 13 with its kernel, libcamera, picamera2, and our wheel in its own venv."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
PACKAGES = (
    "linux-image-amd64", "linux-headers-amd64", "v4l2loopback-dkms", "systemd", "systemd-sysv", "udev", "dbus", "kmod",
    "procps", "v4l-utils", "ca-certificates", "gcc", "libc6-dev", "python3", "python3-venv", "python3-pip",
    "python3-dev", "python3-libcamera", "libcamera-ipa", "python3-numpy", "python3-pil", "python3-prctl", "python3-av",
    "python3-piexif", "python3-jsonschema", "python3-tqdm", "python3-libarchive-c",
)  # fmt: skip
MASKED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "dpkg-db-backup.timer",
    "getty@tty1.service", "serial-getty@ttyS0.service", "ssh.service",
)  # fmt: skip
# From the package index; what they need beside is Debian's own.
PICAMERA2 = ("picamera2==0.3.38", "simplejpeg", "videodev2", "PiDNG", "OpenEXR")
STATUS = "next(iter(req.request.buffers.values())).metadata.status == libcamera.FrameMetadata.Status.Success"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
IMAGE_GB = 6
EXTRAS = "gpio,mqtt,sign,web"  # as the installer has them
SITE = "usr/local/lib/python3.13/dist-packages"
# picamera2 asks for the display's library of Raspberry Pi OS, which Debian has not; nothing of it is used here.
PYKMS = "class PixelFormat:\n    def __getattr__(self, name):\n        return name\n\n\nPixelFormat = PixelFormat()\n"
FILES = {
    "etc/hostname": "virtual-board\n",
    "etc/fstab": "/dev/vda / ext4 defaults 0 0\nshare /share 9p trans=virtio,version=9p2000.L,msize=262144 0 0\n",
    "etc/initramfs-tools/conf.d/virtual-board": "MODULES=list\n",
    "etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\next4\n",
    "etc/systemd/system/agent.service": """[Unit]
After=multi-user.target
RequiresMountsFor=/share
[Service]
ExecStart=/usr/bin/python3 /share/inside/agent.py
[Install]
WantedBy=graphical.target
""",
    f"{SITE}/pykms.py": PYKMS,
    "usr/share/libcamera/pipeline/virtual/virtual.yaml": """"bars":
  supported_formats:
  - width: 640
    height: 480
    frame_rates: [30]
  test_pattern: "bars"
  location: "CameraLocationFront"
  model: "Virtual Video Device"
""",
}


def make_root(root: Path) -> None:
    """The system without us; made once, in some minutes. What an older one lacks is added."""
    if not (root / "made").exists():
        subprocess.run(["rm", "-rf", root], check=True)
        options = ["--dpkgopt=force-unsafe-io", '--aptopt=APT::Install-Recommends "false"']
        include = f"--include={','.join(PACKAGES)}"
        subprocess.run(["mmdebstrap", "--variant=minbase", include, *options, "trixie", root], check=True)
        finish_root(root)
    elif lacking := sorted(set(PACKAGES) - installed(root)):
        subprocess.run(["cp", "/etc/resolv.conf", root / "etc/resolv.conf"], check=True)
        inside(root, "apt-get", "-qq", "update")
        inside(root, "apt-get", "-qqy", "--no-install-recommends", "install", *lacking)
        write_files(root)


def installed(root: Path) -> set[str]:
    """The packages that a root has."""
    asked = inside(root, "dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\\n", stdout=subprocess.PIPE)
    return {line.split()[0] for line in asked.stdout.splitlines() if line.endswith(" installed")}


def finish_root(root: Path) -> None:
    """picamera2, and the files that make a board of it."""
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    shutil.copy(Path("/") / CERTIFICATES, root / CERTIFICATES)  # a proxy's own, where there is one
    pip = ["python3", "-m", "pip", "install", "--quiet", "--break-system-packages", "--no-deps", *PICAMERA2]
    inside(root, *pip)
    patch_picamera2(root)
    write_files(root)
    (root / "made").touch()


def write_files(root: Path) -> None:
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    inside(root, "systemctl", "enable", "--quiet", "agent.service")
    inside(root, "systemctl", "mask", "--quiet", *MASKED)
    inside(root, "update-initramfs", "-u")


def make_image(root: Path) -> Path:
    """The root as a disk for a guest."""
    image = root.with_name("root.img")
    image.unlink(missing_ok=True)
    make = ["mke2fs", "-q", "-t", "ext4", "-d", root, "-E", "lazy_itable_init=1", image, f"{IMAGE_GB}G"]
    subprocess.run(make, check=True)
    return image


def patch_picamera2(root: Path) -> None:
    """See `inside/virtual_camera.py`: what is patched is the camera's limit, and not ours.

    libcamera 0.4's virtual camera leaves the status of its frames to chance, which picamera2 looks at.
    """
    source = root / SITE / "picamera2/picamera2.py"
    assert STATUS in source.read_text(), "picamera2 has changed"
    source.write_text(source.read_text().replace(STATUS, "True"))
    with (root / SITE / "picamera2/__init__.py").open("a") as module:
        module.write("\nimport virtual_camera\n")


def install_ours(root: Path) -> None:
    """This checkout's wheel where `device/install.sh` puts it; what it needs is installed once."""
    shutil.copy(HERE / "inside/virtual_camera.py", root / SITE)
    kept, venv = root.with_name("wheels"), root / "opt/waste-edge/venv-1"
    pip = os.environ.get("PIP", f"{sys.executable} -m pip").split()
    again = (venv / "bin/waste-edge").exists()
    if again:
        for old in kept.glob("waste_edge-*.whl"):
            old.unlink()
        subprocess.run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", kept, CHECKOUT], check=True)
    else:
        gather = [CHECKOUT / "device/gather_wheels.sh", kept, "3.13", os.uname().machine]
        subprocess.run(gather, check=True, env={**os.environ, "PIP": " ".join(pip)})
        inside(root, "python3", "-m", "venv", "/opt/waste-edge/venv-1")
        (root / "opt/waste-edge/current").symlink_to("venv-1")
    shutil.rmtree(root / "wheels", ignore_errors=True)
    shutil.copytree(kept, root / "wheels")
    (wheel,) = (root / "wheels").glob("waste_edge-*.whl")
    install = ["install", "--quiet", "--no-index", "--find-links", "/wheels"]
    install.insert(0, "/opt/waste-edge/venv-1/bin/pip")
    if again:
        inside(root, *install, "--no-deps", "--force-reinstall", f"/wheels/{wheel.name}")
    inside(root, *install, f"/wheels/{wheel.name}[{EXTRAS}]")
    shutil.rmtree(root / "wheels")


def inside(root: Path, *command: str, check: bool = True, **streams: Any) -> subprocess.CompletedProcess[str]:
    """Run a program of the root, with a /proc, /dev, /run and /tmp."""
    mounts = (
        f"mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev && mount -t tmpfs tmp {root}/tmp && "
        f"mount -t tmpfs run {root}/run && mount -t sysfs -o ro sys {root}/sys"
    )
    clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"]
    changed = ["unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh", *clean, "chroot", root, *command]
    return subprocess.run(changed, check=check, text=True, **streams)
