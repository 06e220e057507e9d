"""Sandbox of the capture process, which parses whatever a camera or the network sends.

Landlock (Linux 5.13): it reads what it finds, but not the secrets and the state of the station; it writes to devices
and to nothing else; it signals and traces nobody. seccomp: it opens no connection unless its source is on the network,
starts no program, mounts, traces and loads nothing. Where root runs it, root's powers go but for the one to open files
of others. Where the kernel lacks one of these, the others stay.

Called before any library of a camera is imported, while there is one thread: both bind the calling thread and those
that it starts. Python's own library only, since any interpreter may run this. landlock(7), seccomp(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import stat
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from waste_edge.files.limits import MAX_SANDBOX_RULES

# System calls have the same numbers on all machines since Linux 4.17; older ones follow below, by machine.
_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_PR_SET_NO_NEW_PRIVS, _PR_GET_SECCOMP, _PR_SET_SECCOMP, _FILTER = 38, 21, 22, 2
_RULE_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE, _IOCTL_DEV = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
# What a release of Landlock can hold back: its version, and the bits of rights from 0 on.
_RIGHTS = ((5, 16), (3, 15), (2, 14), (1, 13))
_SCOPES = 0b11  # from version 6: abstract sockets and signals

_CAPABILITY_VERSION = 0x20080522
_FILES_OF_OTHERS = 0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH

_DEVICES = Path("/dev")
# Secrets of a machine that its user or root may read, beside what the station names.
_SECRETS = (
    "/etc/waste-edge", "/etc/shadow", "/etc/gshadow", "/etc/ssl/private", "/etc/ssh", "/etc/NetworkManager",
    "/etc/wpa_supplicant", "~/.ssh", "~/.gnupg", "~/.aws", "~/.netrc", "~/.config/gh", "~/.docker", "~/.kube",
)  # fmt: skip

_X86_64 = {
    "execve": 59, "execveat": 322, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312,
    "kexec_load": 246, "kexec_file_load": 320, "bpf": 321, "mount": 165, "umount2": 166, "pivot_root": 155,
    "chroot": 161, "setns": 308, "unshare": 272, "keyctl": 250, "add_key": 248, "request_key": 249,
    "init_module": 175, "finit_module": 313, "delete_module": 176, "perf_event_open": 298, "userfaultfd": 323,
    "open_by_handle_at": 304, "swapon": 167, "reboot": 169, "settimeofday": 164, "clock_settime": 227,
    "personality": 135, "kill": 62, "tkill": 200,
}  # fmt: skip
_AARCH64 = {
    "execve": 221, "execveat": 281, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272,
    "kexec_load": 104, "kexec_file_load": 294, "bpf": 280, "mount": 40, "umount2": 39, "pivot_root": 41,
    "chroot": 51, "setns": 268, "unshare": 97, "keyctl": 219, "add_key": 217, "request_key": 218,
    "init_module": 105, "finit_module": 273, "delete_module": 106, "perf_event_open": 241, "userfaultfd": 282,
    "open_by_handle_at": 265, "swapon": 224, "reboot": 142, "settimeofday": 170, "clock_settime": 112,
    "personality": 92, "kill": 129, "tkill": 130,
}  # fmt: skip
_EVERYWHERE = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "pidfd_getfd": 438,
    "process_madvise": 440, "mount_setattr": 442,
}  # fmt: skip
# By machine: what the kernel calls it, the number of socket(2), and what is refused.
_MACHINES = {"x86_64": (0xC000003E, 41, _X86_64), "aarch64": (0xC00000B7, 198, _AARCH64)}
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16

_EPERM = 1
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000 | _EPERM
_LOAD, _EQUAL, _ABOVE, _RETURN = 0x20, 0x15, 0x35, 0x06


def confine(hidden: Sequence[str], shown: Sequence[str] = (), network: bool = False, programs: bool = False) -> str:
    """Give up what this process does not need, for good.

    Args:
        hidden: files and folders that it must not see, beside the machine's own secrets.
        shown: what it needs all the same, such as the film it plays, wherever that is.
        network: it may open connections.
        programs: it may start programs (libcamera starts one for image processing that is not its own).

    Returns:
        What holds it now, in words, e.g. "landlock 7, seccomp"; "nothing" on a kernel that has neither.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return "nothing"
    _drop_capabilities(library)
    needed = [*shown, *sys.path, sys.prefix, sys.base_prefix]
    version = _landlock(library, [*hidden, *_SECRETS], [path for path in needed if path])
    held = [f"landlock {version}"] if version else []
    held += ["seccomp"] if _seccomp(library, network, programs) else []
    return ", ".join(held) or "nothing"


def support() -> str:
    """Describe this kernel's sandbox support, in the words of `confine`; changes nothing."""
    library = ctypes.CDLL(None, use_errno=True)
    version = _landlock_version(library)
    held = [f"landlock {version}"] if version else []
    if platform.machine() in _MACHINES and library.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) >= 0:
        held.append("seccomp")
    return ", ".join(held) or "nothing"


def _drop_capabilities(library: ctypes.CDLL) -> None:
    """Drop root's capabilities but for reading others' files. See capabilities(7)."""
    header, data = struct.pack("=Ii", _CAPABILITY_VERSION, 0), ctypes.create_string_buffer(24)
    if library.capget(header, data) == 0:
        effective, permitted, _, *upper = struct.unpack("=6I", data.raw)
        kept = struct.pack("=6I", effective & _FILES_OF_OTHERS, permitted & _FILES_OF_OTHERS, 0, *[0 for _ in upper])
        library.capset(header, kept)


def _landlock_version(library: ctypes.CDLL) -> int:
    """The version of Landlock's interface; 0 if this kernel has none, or it is switched off."""
    return max(0, int(library.syscall(_LANDLOCK_CREATE_RULESET, None, 0, 1)))


def _landlock(library: ctypes.CDLL, hidden: Sequence[str], shown: Sequence[str]) -> int:
    """Apply it; the version that holds now, 0 for none."""
    version = _landlock_version(library)
    bits = next((bits for least, bits in _RIGHTS if version >= least), 0)
    if not bits:
        return 0
    handled = (1 << bits) - 1
    attributes = struct.pack("=QQQ", handled, 0, _SCOPES)[: 24 if version >= 6 else 16 if version >= 4 else 8]
    ruleset = library.syscall(_LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return 0
    try:
        out_of_sight = {_real(path) for path in hidden}
        above = {parent for secret in out_of_sight for parent in secret.parents}
        for number, path in enumerate(_visible(Path("/"), out_of_sight, above)):
            if number < MAX_SANDBOX_RULES:
                _allow(library, ruleset, path, _READ & handled)
        for given in shown:
            _allow(library, ruleset, _real(given), _READ & handled)
        _allow(library, ruleset, _DEVICES, (_READ | _WRITE_FILE | _IOCTL_DEV) & handled)
        return version if library.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0 else 0
    finally:
        os.close(ruleset)


def _real(path: str) -> Path:
    """Resolve a path through links; a home that nobody has stays as it is written."""
    given = Path(path)
    with contextlib.suppress(RuntimeError):
        given = given.expanduser()
    return Path(os.path.realpath(given))


def _visible(path: Path, hidden: set[Path], above: set[Path]) -> Iterator[Path]:
    """The fewest files and folders that hold all that lies below `path`, and nothing that is hidden.

    Args:
        path: a file or folder.
        hidden: what is not to be seen.
        above: all folders above these.
    """
    if path in hidden:
        return
    if path not in above:
        yield path
        return
    with contextlib.suppress(OSError):
        entries = [Path(entry.path) for entry in os.scandir(path) if not entry.is_symlink()]
        for entry in entries:  # what a link leads to is seen, or not, by its own path
            yield from _visible(entry, hidden, above)


def _allow(library: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    """Allow the process an access to a file, or below a folder; what cannot be opened needs no rule."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if not stat.S_ISDIR(os.fstat(handle).st_mode):
                rights &= _ON_FILES
            rule = struct.pack("=Qi", rights, handle)
            library.syscall(_LANDLOCK_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
        finally:
            os.close(handle)


def _seccomp(library: ctypes.CDLL, network: bool, programs: bool) -> bool:
    """Apply the filter; False on a machine or kernel that has none."""
    if platform.machine() not in _MACHINES:
        return False
    code = _filter(platform.machine(), network, programs)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    return int(library.prctl(_PR_SET_SECCOMP, _FILTER, program, 0, 0)) == 0


def _filter(machine: str, network: bool, programs: bool) -> bytes:
    """The filter's code. A call that is refused fails with EPERM: libraries try this and that, and go on without."""
    architecture, socket_call, own = _MACHINES[machine]
    numbers = {**own, **_EVERYWHERE}
    refused = [number for name, number in numbers.items() if not (programs and name in ("execve", "execveat"))]
    families = [_UNIX, _NETLINK, *([_INET, _INET6] if network else [])]
    code = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _ERRNO), (_LOAD, 0, 0, 0)]
    code += [(_ABOVE, 0, 1, 0x40000000), (_RETURN, 0, 0, _ERRNO)]  # x86's second set of numbers
    for number in refused:
        code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO)]
    code += [(_EQUAL, 1, 0, socket_call), (_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, 16)]  # its family
    for family in families:
        code += [(_EQUAL, 0, 1, family), (_RETURN, 0, 0, _ALLOW)]
    code += [(_RETURN, 0, 0, _ERRNO)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
