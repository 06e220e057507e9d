"""The environment that other programs are given: without secrets, which everything they start would inherit."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping

# Names of variables that hold secrets, or that systemd talks by.
_PRIVATE = re.compile(
    r"PASS(?!ES)|SECRET|TOKEN|CREDENTIAL|COOKIE|AUTH|(^|_)(PW|PWORD|PIN|KEY)(_|$)|API_?KEY|"
    r"^(NOTIFY_SOCKET|WATCHDOG_|LISTEN_|STATE_DIRECTORY|MEMORY_PRESSURE_)",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"://[^/\s]*:[^/\s]*@")  # an address with a password in it


def without_secrets(environment: Mapping[str, str] = os.environ, withheld: Collection[str] = ()) -> dict[str, str]:
    """A copy without what looks like a secret by its name, without addresses that hold a password.

    Args:
        environment: of this process.
        withheld: variables that are known to hold a secret, whatever their names.
    """
    return {
        name: value
        for name, value in environment.items()
        if name not in withheld and not _PRIVATE.search(name) and not _LOGIN.search(value)
    }
