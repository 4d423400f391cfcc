"""Prometheus' own programs, out of the system's packages: promtool, amtool, and servers that watch a stack."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import yaml

from services.embedded.free_ports import free_port
from tests.support.missing import lacks
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "deploy" / "prometheus"


def promtool() -> Path:
    """The path of promtool; where it cannot be had the test is skipped, in CI it fails."""
    return _program("promtool.sh")


def alertmanager() -> Path:
    """The path of Alertmanager, as promtool's."""
    return _program("alertmanager.sh")


def amtool() -> Path:
    """The path of amtool, which lies beside Alertmanager."""
    return alertmanager().with_name("amtool")


@cache
def _program(script: str) -> Path:
    found = subprocess.run([ROOT / "scripts" / script], check=False, capture_output=True, text=True, timeout=300)
    if found.returncode:
        lacks(found.stderr.strip().splitlines()[-1])
    return Path(found.stdout.strip())


@contextmanager
def running_alertmanager(receiver: str, folder: Path) -> Iterator[str]:
    """Run a server on our configuration whose every receiver posts to this address, soon; yields its host and port."""
    loaded = yaml.safe_load((ROOT / "deploy" / "alertmanager" / "alertmanager.yml").read_text())
    for one in loaded["receivers"]:
        one["webhook_configs"] = [{"url": receiver, "send_resolved": True}]
    loaded["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    path = folder / "alertmanager.yml"
    path.write_text(yaml.safe_dump(loaded))
    address = f"127.0.0.1:{free_port()}"
    command: list[str | Path] = [
        alertmanager(),
        f"--config.file={path}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    with _served(command, folder, f"http://{address}", what="Alertmanager is ready"):
        yield address


@contextmanager
def running_prometheus(
    metrics: Mapping[str, Sequence[str]], folder: Path, *, alertmanager: str | None = None
) -> Iterator[str]:
    """Run a server on our configuration, with a stack's addresses in place of the containers' names."""
    program = shutil.which("prometheus") or promtool().with_name("prometheus")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        program,
        f"--config.file={_configuration(metrics, folder, alertmanager)}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    with _served(command, folder, url, what="Prometheus is ready"):
        yield url


@contextmanager
def _served(command: Sequence[str | Path], folder: Path, url: str, *, what: str) -> Iterator[None]:
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: _ready(url), what=what)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _configuration(metrics: Mapping[str, Sequence[str]], folder: Path, alertmanager: str | None) -> Path:
    loaded = yaml.safe_load((CONFIGURATION / "prometheus.yml").read_text())
    loaded["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
    loaded["rule_files"] = [str(CONFIGURATION / "rules" / "*.yml")]
    jobs = [job for job in loaded["scrape_configs"] if "dns_sd_configs" in job]
    for job in jobs:
        [discovery] = job.pop("dns_sd_configs")
        [name] = discovery["names"]
        targets = [urlsplit(url).netloc for url in metrics[name]]
        job["static_configs"] = [{"targets": targets}]
    loaded["scrape_configs"] = jobs
    managers = [] if alertmanager is None else [{"static_configs": [{"targets": [alertmanager]}]}]
    loaded["alerting"] = {"alertmanagers": managers}
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(loaded))
    return path


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", trust_env=False).is_success
    except httpx.TransportError:
        return False
