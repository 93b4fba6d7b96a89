"""A receiver of remote write that answers as it is told and remembers what it was sent."""

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Seen(NamedTuple):
    """One request: when it came (monotonic seconds), and its headers by their names in lower case."""

    at: float
    headers: dict


@contextmanager
def receiver(statuses=(), headers=None):
    """Answers with the statuses, then with 204, always with the headers; gives its URL and the requests it has seen."""
    seen, waiting = [], list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(Seen(time.monotonic(), {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(waiting.pop(0) if waiting else 204)
            for name, value in {**(headers or {}), "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/write", seen
    finally:
        server.shutdown()
        server.server_close()
