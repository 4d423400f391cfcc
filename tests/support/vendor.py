"""Serve what plays a vendor over real HTTP, for the vendor's own client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx

App = Callable[[httpx.Request], httpx.Response]

NOT_PASSED_ON = {"content-length", "transfer-encoding", "content-encoding"}


@contextmanager
def served_vendor(app: App) -> Iterator[str]:
    """Answer at an address for as long as the block goes on."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            host = f"http://{self.headers['Host']}"
            said = app(httpx.Request(self.command, host + self.path, headers=dict(self.headers), content=body))
            self.send_response(said.status_code)
            for name, value in said.headers.items():
                if name.lower() not in NOT_PASSED_ON:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(said.content)))
            self.end_headers()
            self.wfile.write(said.content)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _answer  # noqa: N815 - the server's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
