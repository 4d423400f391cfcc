"""Become a child that dies with its parent and holds no rights it does not need; run as a file, then replaced by exec.

Runs before exec in a process of its own, since code between fork and exec is not safe in a parent with threads.
Arguments: signal, parent's pid, user id or -1, group id or -1, working directory or nothing, program, arguments.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from typing import NoReturn

REFUSED = 77
"""The exit code (EX_NOPERM) of a launch that rights stand in the way of; what it prints is one line, with the fix."""

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 4

CAPABILITY_VERSION_3 = 0x20080522
CAPABILITIES = 1 << 2, 1 << 1
"""CAP_DAC_READ_SEARCH passes closed folders and reads what is in them, but writes nothing. Root in a container usually
lacks it and has CAP_DAC_OVERRIDE, which writes too."""


def main() -> None:
    """Drop rights, ask the kernel for the death signal, exec."""
    signal, parent, uid, gid = (int(word) for word in sys.argv[1:5])
    directory, *program = sys.argv[5:]
    if uid >= 0:
        _become(uid, gid)
        _keep_least(directory, program[0])
    elif directory:
        os.chdir(directory)
    if sys.platform == "linux":
        # After setuid, because a change of user clears the signal; then look whether the parent went away meanwhile.
        _prctl(PR_SET_PDEATHSIG, signal)
        if os.getppid() != parent:
            raise SystemExit(1)
    try:
        os.execv(program[0], program)  # noqa: S606 - replacing this process is its only purpose
    except OSError as error:
        _refuse(
            f"{program[0]} cannot be run ({error.strerror}): use a checkout on a file system that may hold programs"
        )


def _become(uid: int, gid: int) -> None:
    """Leave root for an account, which keeps root's capabilities for the moment."""
    if sys.platform == "linux":
        # access(), which Postgres asks about its own programs, leaves capabilities out of account without this.
        _prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
        # With it a set-user-ID program that is started later could not shed its rights, so none may gain any.
        _prctl(PR_SET_NO_NEW_PRIVS, 1)
    try:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    except OSError as error:
        _refuse(f"Postgres refuses to be root, and root cannot become another user here ({error.strerror}): be one")


def _keep_least(directory: str, program: str) -> None:
    """Enter the directory with no capability, or with the first that it takes; refuse when all do not suffice."""
    held = _permitted() if sys.platform == "linux" else 0
    closed = directory
    for kept in (0, *(capability for capability in CAPABILITIES if capability & held)):
        _hold(kept, permitted=held)
        try:
            os.chdir(directory)
            os.close(os.open(program, os.O_RDONLY))
        except PermissionError as error:
            closed = error.filename
            continue
        _hold(kept, permitted=kept)
        if kept and not _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, kept.bit_length() - 1):
            break
        return
    _refuse(
        f"user {os.getuid()}, whom Postgres runs as because it refuses to be root, cannot reach {closed}: run as an "
        "ordinary user, give root CAP_DAC_READ_SEARCH, or open the folders above to others"
    )


def _permitted() -> int:
    header, sets = struct.pack("=Ii", CAPABILITY_VERSION_3, 0), ctypes.create_string_buffer(24)
    ctypes.CDLL(None).capget(header, sets)
    return int(struct.unpack("=6I", sets.raw)[1])


def _hold(kept: int, *, permitted: int) -> None:
    header, sets = struct.pack("=Ii", CAPABILITY_VERSION_3, 0), struct.pack("=6I", kept, permitted, kept, 0, 0, 0)
    if sys.platform == "linux" and ctypes.CDLL(None).capset(header, sets) != 0:
        _refuse("the kernel lets root's child drop no capabilities: run as an ordinary user")


def _prctl(*words: int) -> bool:
    padded = (ctypes.c_ulong(word) for word in (*words, 0, 0, 0, 0)[:5])
    return bool(ctypes.CDLL(None).prctl(*padded) == 0)


def _refuse(line: str) -> NoReturn:
    sys.stderr.write(f"{line}\n")
    raise SystemExit(REFUSED)


if __name__ == "__main__":
    main()
