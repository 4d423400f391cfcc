"""Become a child that dies with its parent and holds no rights it does not need; run as a file, then replaced by exec.

Runs before exec in a process of its own, since code between fork and exec is not safe in a parent with threads.
Arguments: signal, parent's pid, user id or -1, group id or -1, program, arguments.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Drop rights, ask the kernel for the death signal, exec."""
    signal, parent, uid, gid = (int(word) for word in sys.argv[1:5])
    program = sys.argv[5:]
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After setuid, because a change of user clears the signal; then look whether the parent went away meanwhile.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)
        if os.getppid() != parent:
            raise SystemExit(1)
    os.execv(program[0], program)  # noqa: S606 - replacing this process is its only purpose


if __name__ == "__main__":
    main()
