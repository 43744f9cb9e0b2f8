"""A Cloud Storage that only hashes and discards: `python -m bench.gcs_sink FOLDER [RATE]`.

It speaks TLS. Makes `ca-cert.pem` in FOLDER and prints its port. It knows as much of the JSON API
as an upload needs. With RATE, no connection takes more than that many MiB/s, as over a long
distance.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import google_crc32c

from imageport.disk.base import MIB
from imageport.disk.ends.gcs.checksum import combine, encoded
from lab.certificates import LabAuthority

_CHUNK = 256 * 1024
_objects: dict[str, tuple[int, int]] = {}
"""(size, crc) by name."""
_sessions: dict[str, tuple[str, int, int]] = {}
_numbers = itertools.count(1)
_lock = threading.Lock()
_rate = 0.0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        length = int(self.headers.get("Content-Length", "0"))
        if parts.path.endswith("/compose"):
            self._compose(unquote(parts.path.split("/")[-2]), json.loads(self.rfile.read(length)))
        elif query["uploadType"] == "resumable":
            name = json.loads(self.rfile.read(length) or b"{}").get("name") or query["name"]
            number = str(next(_numbers))
            _sessions[number] = (name, 0, 0)
            host = self.headers["Host"]
            self._send(200, {}, {"Location": f"https://{host}/upload/session?upload_id={number}"})
        elif query["uploadType"] == "multipart":
            self._multipart(length)
        else:
            self._store(query["name"], length, self._hash(length))

    def do_PUT(self) -> None:
        number = parse_qs(urlsplit(self.path).query)["upload_id"][0]
        name, size, crc = _sessions[number]
        length = int(self.headers["Content-Length"])
        size, crc = size + length, self._hash(length, crc)
        _sessions[number] = (name, size, crc)
        if self.headers["Content-Range"].endswith(f"/{size}"):
            self._store(name, size, crc)
        else:
            self._send(308, {}, {"Range": f"bytes=0-{size - 1}"})

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.endswith("/o"):
            prefix = parse_qs(parts.query)["prefix"][0]
            names = [name for name in list(_objects) if name.startswith(prefix)]
            self._send(200, {"items": [_resource(name) for name in names]})
        else:
            self._send(404, {"error": {"message": "none"}})

    def do_DELETE(self) -> None:
        _objects.pop(unquote(urlsplit(self.path).path.split("/")[-1]), None)
        self._send(204, None)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _multipart(self, length: int) -> None:
        boundary = self.headers["Content-Type"].split("boundary=")[1].strip('"')
        head = b""
        while head.count(b"\r\n\r\n") < 2:
            head += self.rfile.readline()
        tail = len(f"\r\n--{boundary}--\r\n")
        size = length - len(head) - tail
        crc = self._hash(size)
        self.rfile.read(tail)
        said = json.loads(head.split(b"\r\n\r\n")[1].split(b"\r\n--")[0])
        self._store(said["name"], size, crc)

    def _compose(self, name: str, said: dict[str, Any]) -> None:
        size = crc = 0
        for each in said["sourceObjects"]:
            more, its = _objects[each["name"]]
            size, crc = size + more, combine(crc, its, more)
        self._store(name, size, crc)

    def _hash(self, length: int, crc: int = 0) -> int:
        began, total = time.monotonic(), length
        while length:
            data = self.rfile.read1(min(length, _CHUNK))
            if not data:
                raise ConnectionError("cut")
            crc = google_crc32c.extend(crc, data)
            length -= len(data)
            if _rate:
                due = began + (total - length) / (_rate * MIB)
                time.sleep(max(0.0, due - time.monotonic()))
        return crc

    def _store(self, name: str, size: int, crc: int) -> None:
        with _lock:
            _objects[name] = (size, crc)
        self._send(200, _resource(name))

    def _send(self, status: int, said: object, headers: dict[str, str] | None = None) -> None:
        body = b"" if said is None else json.dumps(said).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _resource(name: str) -> dict[str, object]:
    size, crc = _objects[name]
    return {"name": name, "generation": "1", "size": str(size), "crc32c": encoded(crc)}


def main(folder: Path) -> None:
    context = LabAuthority(folder).server_context()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    _rate = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    main(Path(sys.argv[1]))
