"""A Maven repository on the loopback address, with jars of a few bytes and faults on demand."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

JARS = {f"part-{number}": f"the bytes of part {number}".encode() * 500 for number in range(4)}


@dataclass
class Repository:
    """What it serves: `altered` jars come with other bytes, `cut` ones end early."""

    url: str
    asked: Counter[str] = field(default_factory=Counter)
    altered: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)


def write_lock(path: Path) -> Path:
    """Write the lock of these jars."""
    entries = [
        f'[[jar]]\ngroup = "org.example"\nartifact = "{name}"\nversion = "1.0"\n'
        f'sha256 = "{hashlib.sha256(content).hexdigest()}"\n'
        for name, content in JARS.items()
    ]
    path.write_text("\n".join(entries))
    return path


@contextmanager
def jar_server() -> Iterator[Repository]:
    """Serve until the block ends."""
    repository = Repository("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.split("/")[-3]
            if not self.path.endswith(f"org/example/{name}/1.0/{name}-1.0.jar"):
                self.send_error(404)
                return
            repository.asked[name] += 1
            content = JARS[name] + (b"!" if name in repository.altered else b"")
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if name in repository.cut else content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    repository.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield repository
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
