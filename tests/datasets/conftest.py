"""A web server on this machine, with the faults of those far away."""

import hashlib
import http.server
import threading

import pytest


class Publisher:
    """What the server holds, and how it fails.

    Attributes:
        files: Dictionary from paths to bytes.
        breaks: Dictionary from paths to lists: after how many bytes of its
            answer each of the next connections breaks off.
        with_ranges: Whether it can answer from the middle of a file.
        pages: Paths that answer with a page.
        parts: Dictionary from paths to what `Content-Range` says of their
            parts, in place of the truth.
        busy: Dictionary from paths to lists of the statuses that the next
            connections are answered with.
        endless: Paths whose answers have no end and no length.
        moved: Dictionary from paths to those that they lead to.
        requests: Pairs of the path and the first byte asked for.
    """

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"
        self.files, self.breaks, self.moved = {}, {}, {}
        self.pages, self.endless = set(), set()
        self.parts, self.busy = {}, {}
        self.with_ranges = True
        self.requests = []


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        publisher = self.server.publisher
        path = self.path
        if path in publisher.moved:
            self.send_response(302)
            self.send_header("Location", publisher.moved[path])
            return self.end_headers()
        asked = self.headers.get("Range", "bytes=0-")
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if publisher.busy.get(path):
            return self.send_error(publisher.busy[path].pop(0))
        publisher.requests.append((path, start))
        content = publisher.files.get(path)
        if content is None:
            return self.send_error(404)
        version = f'"{hashlib.md5(content).hexdigest()}"'
        wanted = self.headers.get("If-Range", version)
        if not publisher.with_ranges or wanted != version:
            start = 0
        if start and start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            return self.end_headers()
        self.send_response(206 if start else 200)
        if start:
            end, count = len(content) - 1, len(content)
            part = publisher.parts.get(path, f"bytes {start}-{end}/{count}")
            self.send_header("Content-Range", part)
        self.send_header("ETag", version)
        if path not in publisher.endless:
            self.send_header("Content-Length", str(len(content) - start))
        kind = "text/html" if path in publisher.pages else "application/x-tar"
        self.send_header("Content-Type", kind)
        self.end_headers()
        while path in publisher.endless:  # until the client hangs up
            self.wfile.write(content)
        breaks = publisher.breaks.get(path)
        sent = content[start:]
        self.wfile.write(sent[: breaks.pop(0)] if breaks else sent)
        self.close_connection = True


@pytest.fixture
def publisher():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    # Clients that hang up are part of the tests.
    server.handle_error = lambda *arguments: None
    server.publisher = Publisher(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.publisher
    server.shutdown()
    thread.join()
    server.server_close()
