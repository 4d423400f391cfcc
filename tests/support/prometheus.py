"""Prometheus' own programs, out of the system's package: promtool, and a server that scrapes a stack."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
    found = subprocess.run([ROOT / "scripts" / "promtool.sh"], check=False, capture_output=True, text=True, timeout=300)
    if found.returncode:
        lacks(found.stderr.strip().splitlines()[-1])
    return Path(found.stdout.strip())


@contextmanager
def running_prometheus(metrics: Mapping[str, Sequence[str]], folder: Path) -> Iterator[str]:
    """Run a server on our configuration, with a stack's addresses in place of the containers' names."""
    program = shutil.which("prometheus") or promtool().with_name("prometheus")
    port = free_port()
    process = subprocess.Popen(
        [
            program,
            f"--config.file={_configuration(metrics, folder)}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _ready(url), what="Prometheus is ready")
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _configuration(metrics: Mapping[str, Sequence[str]], folder: Path) -> Path:
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
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(loaded))
    return path


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", trust_env=False).is_success
    except httpx.TransportError:
        return False
