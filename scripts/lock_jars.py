"""Resolve jars once and write their lock: `python scripts/lock_jars.py kafka`, or `camel`."""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from jgo.maven import Dependency, MavenContext

ROOT: Final = Path(__file__).parents[1]


class Lock(NamedTuple):
    """A Java program that runs from its jars: where they are written down, and which of them need all the others."""

    path: Path
    what: str
    roots: tuple[tuple[str, str, str], ...]


CAMEL: Final = "4.18.0"
"""The newest version of which all of these are served."""

LOCKS: Final[Mapping[str, Lock]] = {
    # The broker, and the smallest binding of the logger that it uses.
    "kafka": Lock(
        ROOT / "deploy" / "embedded" / "kafka.lock.toml",
        "the embedded Kafka broker",
        (("org.apache.kafka", "kafka_2.13", "4.3.1"), ("org.slf4j", "slf4j-simple", "1.7.36")),
    ),
    # A peer of the bench: Vert.x takes requests, Kafka's own client sends, a YAML file joins them.
    "camel": Lock(
        ROOT / "bench" / "camel" / "camel.lock.toml",
        "the bridge that `make bench-ingest` compares with",
        (
            ("org.apache.camel", "camel-main", CAMEL),
            ("org.apache.camel", "camel-platform-http-main", CAMEL),
            ("org.apache.camel", "camel-platform-http-vertx", CAMEL),
            ("org.apache.camel", "camel-kafka", CAMEL),
            ("org.apache.camel", "camel-jackson", CAMEL),
            ("org.apache.camel", "camel-bean", CAMEL),
            ("org.apache.camel", "camel-yaml-dsl", CAMEL),
            ("org.slf4j", "slf4j-simple", "2.0.17"),
        ),
    ),
}


def main() -> None:
    """Download everything the roots need and write down what it was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=LOCKS)
    lock = LOCKS[parser.parse_args().name]
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder), local_repos=[], timeout=60)
        roots = [
            Dependency(context.project(group, artifact).at_version(version).artifact())
            for group, artifact, version in lock.roots
        ]
        given, needed = context.resolver.resolve(roots)
        found = {entry.artifact for entry in (*given, *needed)}
        rows = sorted((jar.groupId, jar.artifactId, jar.version, digest(jar.resolve())) for jar in found)
    head = f"# The jars of {lock.what}, by coordinates. Written by scripts/lock_jars.py; do not edit.\n"
    lock.path.write_text(head + "".join(entry(*row) for row in rows), encoding="utf-8")
    print(f"{lock.path.name}: {len(rows)} jars")


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
