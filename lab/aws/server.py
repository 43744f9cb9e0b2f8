"""The server: `python -m lab.aws.server --port 5555 --folder DIR`; on this computer only.

Beside AWS's own requests it answers, without a signature:

* `POST /lab/settings` with a JSON object: see `Settings`.
* `/lab/actions`: what was asked of AWS' access management since `asked` was set to empty.
* `/lab/snapshots`: every snapshot, with its state and the numbers of its own blocks.
* `POST /lab/volumes` with `snapshot`, `path`, `length`: write what a new volume begins with.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import moto.ebs.urls
import moto.ec2.urls
import moto.kms.urls
import moto.sts.urls
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.sts.responses import TokenResponse
from werkzeug.serving import BaseWSGIServer, make_server

from lab.aws.actions import Watched
from lab.aws.ebs import StrictEbs
from lab.aws.ec2 import StrictEc2
from lab.aws.kms import StrictKms
from lab.aws.settings import Settings
from lab.aws.signature import Signed
from lab.aws.store import Store


class WatchedSts(Watched, TokenResponse):
    """Who somebody is; nobody needs a permission for that."""


class Lab:
    """WSGI: the lab's own addresses; the rest goes to AWS."""

    def __init__(self, folder: Path) -> None:
        self.settings, self.store = Settings(), Store(folder)
        lab = self

        class Ebs(StrictEbs):
            store, settings = lab.store, lab.settings

        class Ec2(StrictEc2):
            store, settings = lab.store, lab.settings

        class Sts(WatchedSts):
            settings = lab.settings

        moto.ebs.urls.url_paths = dict.fromkeys(moto.ebs.urls.url_paths, Ebs.dispatch)
        moto.ec2.urls.url_paths = dict.fromkeys(moto.ec2.urls.url_paths, Ec2.dispatch)
        moto.sts.urls.url_paths = dict.fromkeys(moto.sts.urls.url_paths, Sts.dispatch)
        moto.kms.urls.url_paths = dict.fromkeys(moto.kms.urls.url_paths, StrictKms.dispatch)
        self._aws = Signed(DomainDispatcherApplication(create_backend_app))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if not path.startswith("/lab/"):
            return self._aws(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        try:
            answer = self._own(path, json.loads(body or b"{}"))
        except (KeyError, ValueError) as error:
            start_response("400 Bad Request", [("Content-Type", "text/plain")])
            return [repr(error).encode()]
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    def _own(self, path: str, said: dict[str, Any]) -> object:
        match path:
            case "/lab/settings":
                self.settings.change(said)
            case "/lab/actions":
                return {"asked": self.settings.asked}
            case "/lab/volumes":
                self.store.snapshots[said["snapshot"]].write_volume(
                    Path(said["path"]), said["length"]
                )
            case "/lab/snapshots":
                return {
                    each.id: {"status": each.status, "blocks": sorted(each.digests)}
                    for each in self.store.snapshots.values()
                }
            case _:
                raise KeyError(path)
        return {}


class QuietHandler(MotoRequestHandler):
    """Writes no line for each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def serve(folder: Path, port: int = 0, tls: tuple[str, str] | None = None) -> BaseWSGIServer:
    """A server on `port`, or on any free one; `serve_forever` runs it.

    `tls` are the files of a certificate and its key.
    """
    # Loading every Amazon image that moto knows takes seconds and memory.
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    return make_server(
        "127.0.0.1",
        port,
        Lab(folder),
        threaded=True,
        request_handler=QuietHandler,
        ssl_context=tls,
    )


def _end_with_input() -> None:
    """A parent that is killed closes its end of the pipe: nothing stays behind."""
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description="AWS on this computer")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True, help="where blocks are kept")
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"), help="speak HTTPS")
    parser.add_argument("--child", action="store_true", help="end when standard input does")
    said = parser.parse_args()
    if said.child:
        threading.Thread(target=_end_with_input, daemon=True).start()
    server = serve(said.folder, said.port, tuple(said.tls) if said.tls else None)
    scheme = "https" if said.tls else "http"
    print(f"{scheme}://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
