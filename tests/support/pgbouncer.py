"""A real PgBouncer before a real server."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil

from services.embedded.free_ports import LOOPBACK, free_port
from tests.support.missing import lacks
from tests.support.places import data_directory
from tests.support.stacks import listens
from tests.support.waiting import wait_until

SCRIPT: Final = Path(__file__).parents[2] / "scripts" / "pgbouncer.sh"

CONFIG: Final = """\
[databases]
* = host={host} port={server_port}
[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
pool_mode = {mode}
default_pool_size = 20
server_login_retry = 1
query_wait_timeout = 5
"""


@contextmanager
def pgbouncer(dsn: str, *, mode: str) -> Iterator[str]:
    """Run one before the server of this URL, for its role; yields the URL through it."""
    server, port = urlsplit(dsn), free_port()
    with data_directory() as folder:
        (folder / "users.txt").write_text(f'"{server.username}" "{server.password}"\n')
        config = CONFIG.format(host=LOOPBACK, server_port=server.port, port=port, folder=folder, mode=mode)
        (folder / "pgbouncer.ini").write_text(config)
        command = [_program(), str(folder / "pgbouncer.ini")]
        if os.geteuid() == 0:
            command += ["-u", "nobody"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_until(
                lambda: process.poll() is None and listens(port),
                what=f"PgBouncer listens; it said:\n{(folder / 'log').read_text()}",
            )
            yield dsn.replace(f":{server.port}/", f":{port}/")
        finally:
            for child in psutil.Process(process.pid).children() if process.poll() is None else ():
                child.kill()
            process.kill()
            process.wait(10)


def _program() -> str:
    found = subprocess.run([SCRIPT], capture_output=True, text=True, check=False, timeout=120)
    if found.returncode:
        lacks("no PgBouncer on this machine: install the package pgbouncer")
    return found.stdout.strip()
