"""A card that installs itself: Debian 13 with cloud-init, as Raspberry Pi OS Trixie has it, booted without a network.

    sudo .venv-dev/bin/python tests/systemd/first_boot.py [--root DIR] [--log FILE]        or: make test-boot

The boot partition holds what Raspberry Pi Imager writes (user-data, meta-data) and what device/README.md has the owner
copy beside it (vendor-data, install.sh, wheels, station.toml). Nothing else is touched; `first_boot_trial.py` looks.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from boot import CHECKOUT, HERE, LEFT, boot, enable_trial, gather, judge, make_root, what_is_missing

# Where Raspberry Pi OS has cloud-init look; and nothing of this machine's network is its business.
CLOUD = """datasource_list: [NoCloud, None]
datasource:
  NoCloud:
    seedfrom: file:///boot/firmware
network:
  config: disabled
"""
# The shape of what Imager 2 writes; its runcmd must run beside our vendor-data.
USER_DATA = """#cloud-config
hostname: bin1
manage_etc_hosts: true
user:
  name: owner
  shell: /bin/bash
  lock_passwd: true
  sudo: null
runcmd:
- [ touch, /var/imager-was-here ]
"""
META_DATA = "dsmode: local\ninstance_id: rpios-image\n"
LEFT_BY_CLOUD_INIT = ("var/lib/cloud", "var/imager-was-here", "var/log/cloud-init.log", "var/log/cloud-init-output.log")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("/var/tmp/waste-edge-first-boot"))
    parser.add_argument("--log", type=Path, help="write the lines to this file, too")
    given = parser.parse_args()
    if missing := what_is_missing():
        print(missing, file=sys.stderr)
        return 2
    make_root(given.root, "trixie", (*LEFT, *LEFT_BY_CLOUD_INIT), ["cloud-init"])
    lay_out_card(given.root)
    enable_trial(given.root, HERE / "first_boot_trial.py", after="cloud-final.service")
    return judge(given.root, [boot(given.root, "--private-network")], 1, given.log)


def lay_out_card(root: Path) -> None:
    """The boot partition, as the owner leaves it."""
    (root / "etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg").write_text(CLOUD)
    card = root / "boot/firmware"
    shutil.rmtree(card, ignore_errors=True)
    (card / "waste-edge").mkdir(parents=True)
    (card / "user-data").write_text(USER_DATA)
    (card / "meta-data").write_text(META_DATA)
    shutil.copyfile(CHECKOUT / "device/cloud-init/vendor-data", card / "vendor-data")  # FAT: no modes
    shutil.copyfile(CHECKOUT / "device/install.sh", card / "waste-edge/install.sh")
    gather(root, card / "waste-edge/wheels")
    station = (CHECKOUT / "device/station.toml").read_text()
    mine = station.replace('camera = "auto"', 'camera = "synthetic"').replace('name = "bin 1"', 'name = "bin 7"')
    (card / "waste-edge/station.toml").write_text(mine)


if __name__ == "__main__":
    sys.exit(main())
