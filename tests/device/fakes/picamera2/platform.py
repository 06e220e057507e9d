"""Which board this is, as in picamera2.platform; FAKE_PLATFORM says."""

import os
from enum import Enum


class Platform(Enum):
    VC4 = 0
    PISP = 1


def get_platform():
    return Platform[os.environ.get("FAKE_PLATFORM", "PISP")]
