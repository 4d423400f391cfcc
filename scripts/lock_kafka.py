"""Resolve the embedded broker's jars once and write their lock: `python scripts/lock_kafka.py`."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Final

from jgo.maven import Dependency, MavenContext

LOCK: Final = Path(__file__).parents[1] / "deploy" / "embedded" / "kafka.lock.toml"

ROOTS: Final = (("org.apache.kafka", "kafka_2.13", "4.3.1"), ("org.slf4j", "slf4j-simple", "1.7.36"))
"""The broker, and the smallest binding of the logger that it uses."""

HEAD: Final = (
    "# The jars of the embedded Kafka broker, by coordinates. Written by scripts/lock_kafka.py; do not edit.\n"
)


def main() -> None:
    """Download everything the roots need and write down what it was."""
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder), local_repos=[], timeout=60)
        roots = [
            Dependency(context.project(group, artifact).at_version(version).artifact())
            for group, artifact, version in ROOTS
        ]
        given, needed = context.resolver.resolve(roots)
        found = {entry.artifact for entry in (*given, *needed)}
        rows = sorted((jar.groupId, jar.artifactId, jar.version, digest(jar.resolve())) for jar in found)
    LOCK.write_text(HEAD + "".join(entry(*row) for row in rows), encoding="utf-8")
    print(f"{LOCK.name}: {len(rows)} jars")


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def entry(group: str, artifact: str, version: str, sha256: str) -> str:
    """Write one jar down."""
    lines = (f'group = "{group}"', f'artifact = "{artifact}"', f'version = "{version}"', f'sha256 = "{sha256}"')
    return "\n[[jar]]\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
