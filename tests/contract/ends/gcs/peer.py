"""A Cloud Storage to test against: an emulator, and a proxy that makes it as strict as Google's.

The emulator (gcp-storage-emulator) keeps objects, sessions and checksums. The proxy adds what it
leaves out: preconditions and pinned generations, the limit of compose, the unit of a resumable
upload's parts, cancelling one, and what is known of composed objects.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.contract.ends.faults import HttpFaults

BUCKET = "images"
_OBJECT = re.compile(r"^(?P<kind>/download)?/storage/v1/b/[^/]+/o/(?P<name>[^/]+)(?P<verb>/.*)?$")
_INSERT = re.compile(r"^/upload/storage/v1/b/[^/]+/o$")
_UNIT = 256 * 1024
Answer = tuple[int, dict[str, str], bytes]


class Emulator:
    """The emulator in a process of its own, with its files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        environment = {**os.environ, "STORAGE_DIR": "objects"}
        command = [sys.executable, "-m", "gcp_storage_emulator", "--data-dir", str(folder)]
        command += ["start", "--host", "127.0.0.1", "--port", str(self.port), "--quiet"]
        self._process = subprocess.Popen(command, env=environment)
        self._wait()
        self.make_bucket()

    def make_bucket(self) -> None:
        """Without soft delete: what is deleted is gone from the files, too."""
        body = {"name": BUCKET, "softDeletePolicy": {"retentionDurationSeconds": "0"}}
        status, _ = self.ask("POST", "/storage/v1/b?project=p", json.dumps(body).encode())
        assert status == 200

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        peer = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
            peer.request(method, path, body or None, headers if body else {})
            answer = peer.getresponse()
            return answer.status, answer.read()
        finally:
            peer.close()

    def put(self, name: str, content: bytes) -> None:
        """Store an object by a plain request."""
        path = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={quote(name, '')}"
        peer = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        peer.request("POST", path, content, {"Content-Type": "application/octet-stream"})
        assert peer.getresponse().status == 200
        peer.close()

    def path(self, name: str) -> Path:
        """The file of an object."""
        return self.folder / "objects" / BUCKET / name

    def names(self) -> list[str]:
        """The objects, as files."""
        top = self.path("")
        return sorted(str(each.relative_to(top)) for each in top.rglob("*") if each.is_file())

    def wipe(self) -> None:
        self.ask("GET", "/wipe?keep-buckets=1")

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                self.ask("GET", "/")
                return
            except OSError:
                assert time.monotonic() < deadline, "the emulator did not start"
                time.sleep(0.05)


class StrictGcs(HttpFaults):
    """The proxy."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__("127.0.0.1", emulator.port)
        self.emulator = emulator
        self.sessions: dict[str, str] = {}
        """Object names of the resumable uploads that are neither complete nor cancelled."""
        self.composed: dict[str, int] = {}
        """componentCount by name."""
        self.corrupts: Callable[[str], bool] = lambda name: False
        """Whether the upload of an object of this name is stored damaged, its checksum, too."""
        self.token: str | None = None
        """The only token that is let in; None lets in everyone."""
        self.accepts: Callable[[str], bool] = lambda token: token == self.token

    def over_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS on every connection from now on."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def intervene(self, method: str, path: str, headers: Message, body: bytes) -> Answer | None:
        said = str(headers.get("Authorization", "")).removeprefix("Bearer ")
        if self.token is not None and not self.accepts(said):
            return _refusal(401, "authError", "Invalid Credentials")
        parts = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if "upload_id" in query:
            return self._check_session(method, query, headers, body)
        if _INSERT.match(parts.path) and method == "POST":
            return self._check_insert(query, body)
        if found := _OBJECT.match(parts.path):
            name = unquote(found["name"])
            if found["verb"] == "/compose":
                return self._check_compose(name, query, json.loads(body))
            if method == "DELETE" or found["kind"]:
                return self._check_pinned(name, query)
        return None

    def amend(
        self, method: str, path: str, status: int, headers: dict[str, str], data: bytes
    ) -> tuple[dict[str, str], bytes]:
        parts = urlsplit(path)
        if status == 308 and headers.get("Range") == "bytes=0-0":
            # The emulator's way to say that it has nothing; Google's is no Range at all.
            del headers["Range"]
        if "Location" in headers and "upload_id=" in headers["Location"]:
            self.sessions[_session(headers["Location"])] = path
        if method == "PUT" and "upload_id=" in path and status == 200:
            self.sessions.pop(_session(path), None)
        if parts.path.endswith("/compose") and status == 200:
            made = json.loads(data)
            self.composed[made["name"]] = self._count(made["name"])
        if status == 200 and headers.get("Content-type", "").startswith("application/json"):
            data = json.dumps(self._described(json.loads(data))).encode()
        return headers, data

    def _described(self, said: dict[str, Any]) -> dict[str, Any]:
        for each in [said, *said.get("items", ())]:
            if each.get("name") in self.composed and each.get("kind") == "storage#object":
                each.pop("md5Hash", None)
                each["componentCount"] = self.composed[each["name"]]
        return said

    def _count(self, name: str) -> int:
        sources = self._pending.pop(name)
        return sum(self.composed.get(each, 1) for each in sources)

    _pending: dict[str, list[str]] = {}  # noqa: RUF012  # filled before each compose

    def _generation(self, name: str) -> str | None:
        status, data = self.emulator.ask("GET", f"/storage/v1/b/{BUCKET}/o/{quote(name, '')}")
        return str(json.loads(data)["generation"]) if status == 200 else None

    def _check_generation(self, name: str, query: dict[str, str]) -> Answer | None:
        wanted = query.get("ifGenerationMatch")
        if wanted is not None and wanted != (self._generation(name) or "0"):
            return _refusal(412, "conditionNotMet", "At least one precondition did not hold")
        self.composed.pop(name, None)
        return None

    def _check_insert(self, query: dict[str, str], body: bytes) -> Answer | None:
        name = _inserted(query, body)
        refused = self._check_generation(name, query)
        if refused is None and self.corrupts(name):
            self.emulator.put(name, b"something else")
            _, said = self.emulator.ask("GET", f"/storage/v1/b/{BUCKET}/o/{quote(name, '')}")
            return 200, {"Content-Type": "application/json"}, said
        return refused

    def _check_pinned(self, name: str, query: dict[str, str]) -> Answer | None:
        if query.get("generation") not in (None, self._generation(name)):
            return _refusal(404, "notFound", "No such object")
        return None

    def _check_compose(
        self, name: str, query: dict[str, str], request: dict[str, Any]
    ) -> Answer | None:
        sources = request["sourceObjects"]
        if not 1 <= len(sources) <= 32:
            return _refusal(400, "invalid", "The number of source components is out of range")
        for each in sources:
            if str(each.get("generation")) != self._generation(each["name"]):
                return _refusal(404, "notFound", f"Object {each['name']} not found")
        refused = self._check_generation(name, query)
        if refused is None:
            self._pending[name] = [each["name"] for each in sources]
        return refused

    def _check_session(
        self, method: str, query: dict[str, str], headers: Message, body: bytes
    ) -> Answer | None:
        known = query["upload_id"] in self.sessions
        if method == "DELETE":
            self.sessions.pop(query["upload_id"], None)
            return 499 if known else 404, {}, b""
        span = headers.get("Content-Range", "")
        asking = span.startswith("bytes */") and not body
        if not known and not asking:
            return _refusal(404, "notFound", "No such upload session")
        if span.endswith("/*") and len(body) % _UNIT:
            return _refusal(400, "invalid", "Parts must be multiples of 262144 bytes")
        if span and not span.endswith("/*"):
            return self._check_generation(query["upload_id"].split(":")[1], query)
        return None


def _inserted(query: dict[str, str], body: bytes) -> str:
    """The name of an object to be inserted."""
    if "name" in query:
        return query["name"]
    if query["uploadType"] == "multipart":
        body = body.split(b"\r\n\r\n", 1)[1].split(b"\r\n--", 1)[0]
    return str(json.loads(body)["name"])


def _session(address: str) -> str:
    return parse_qs(urlsplit(address).query)["upload_id"][0]


def _refusal(status: int, reason: str, message: str) -> Answer:
    error = {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}
    return status, {"Content-Type": "application/json"}, json.dumps({"error": error}).encode()
