"""A real Tryton server on SQLite, with the module that `deploy/tryton` ships."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from proteus import Model, config

from services.embedded.free_ports import free_port
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "deploy" / "tryton"
PASSWORD = "of-the-administrator"
DATABASE = "tactus"
BIN = Path(sys.prefix) / "bin"


class Tryton(NamedTuple):
    """A server that answers."""

    url: str
    database: str

    session: Any
    """Of the vendor's own client, as the administrator."""

    def model(self, name: str) -> Any:  # noqa: ANN401 - proteus is untyped
        return Model.get(name, config=self.session)


@contextmanager
def running_tryton(folder: Path) -> Iterator[Tryton]:
    """Make a database, start a server, and end it."""
    port = free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": f"{_installed(folder)}:{MODULE}",
        "TRYTONPASSFILE": str(folder / "password"),
    }
    (folder / "password").write_text(PASSWORD)
    (folder / f"{DATABASE}.sqlite").touch()
    conf = folder / "trytond.conf"
    conf.write_text(f"[database]\nuri = sqlite://\npath = {folder}\n[web]\nlisten = 127.0.0.1:{port}\n")
    made = subprocess.run(
        [BIN / "trytond-admin", "-c", conf, "-d", DATABASE, "-u", "tactus", "project", "--activate-dependencies"],
        input="\n", env=environment, check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    with (folder / "trytond.log").open("w") as log:
        server = subprocess.Popen(
            [BIN / "trytond", "-c", conf, "-d", DATABASE], env=environment, stdout=log, stderr=log
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(url), what="Tryton answers")
        session = config.set_xmlrpc(f"http://admin:{PASSWORD}@127.0.0.1:{port}/{DATABASE}/rpc/")
        yield Tryton(url, DATABASE, session)
    finally:
        server.terminate()
        server.wait(30)


def _answers(url: str) -> bool:
    try:
        said = httpx.post(f"{url}/rpc/", json={"id": 0, "method": "common.server.version", "params": []}, timeout=30)
    except httpx.HTTPError:
        return False
    return said.status_code == 200


def _installed(folder: Path) -> Path:
    """What an installation leaves of the module: its entry point."""
    packages = folder / "packages"
    (packages / "tactus_tryton-0.1.0.dist-info").mkdir(parents=True)
    (packages / "tactus_tryton-0.1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: tactus-tryton\nVersion: 0.1.0\n"
    )
    (packages / "tactus_tryton-0.1.0.dist-info" / "entry_points.txt").write_text(
        "[trytond.modules]\ntactus = tactus_tryton\n"
    )
    return packages
