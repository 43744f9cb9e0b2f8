"""nginx on this computer, as whoever runs the tests, with all its files in one folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from lab.certificates import LabAuthority
from tests.contract.ends.peers import free_port, running

TOKEN = "Bearer not-for-your-eyes-7777"  # noqa: S105  # of this server only

_CONFIG = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 128; }}
http {{
    default_type application/octet-stream;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    log_format asked '$server_port $request_uri $status <$http_authorization>';
    access_log {folder}/access.log asked;
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{other};
        listen 127.0.0.1:{tls} ssl;
        listen 127.0.0.2:{tls} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        root {files};
        location /whole/ {{ alias {files}/; max_ranges 0; }}
        location /slow/ {{ alias {files}/; limit_rate 2m; }}
        location /dated/ {{ alias {files}/; etag off; }}
        location /bare/ {{ alias {files}/; etag off; add_header Last-Modified ""; }}
        location /packed/ {{ alias {files}/; add_header Content-Encoding gzip; }}
        location /locked/ {{
            alias {files}/;
            if ($http_authorization != "{token}") {{ return 401; }}
        }}
        location /here/ {{ rewrite ^/here/(.*)$ /locked/$1 redirect; }}
        location /there/ {{ rewrite ^/there/(.*)$ http://127.0.0.1:{other}/$1 permanent; }}
        location /down/ {{ rewrite ^/down/(.*)$ http://127.0.0.1:{plain}/$1 redirect; }}
        location /round/ {{ rewrite ^/round/(.*)$ /round/$1x redirect; }}
        location /no/ {{ return 403; }}
        location /teapot/ {{ return 418; }}
    }}
}}
"""


class Nginx:
    """Serves `files` in the ways that the locations above say; `tls` by `authority`."""

    def __init__(self, folder: Path) -> None:
        self.files, self._folder = folder / "files", folder
        self.files.mkdir(parents=True)
        self.plain, self.other, self.tls = free_port(), free_port(), free_port()
        self.authority = LabAuthority(folder / "tls")

    def log(self) -> list[str]:
        """A line for each request: port, what was asked, status, <Authorization>."""
        return (self._folder / "access.log").read_text().splitlines()

    @contextlib.contextmanager
    def run(self) -> Iterator[None]:
        """Serve until the end of the block."""
        certificate, key = self.authority.sign("server")
        config = self._folder / "nginx.conf"
        config.write_text(
            _CONFIG.format(
                folder=self._folder,
                files=self.files,
                plain=self.plain,
                other=self.other,
                tls=self.tls,
                certificate=certificate,
                key=key,
                token=TOKEN,
            )
        )
        argv: list[str | Path] = ["nginx", "-e", "stderr", "-p", self._folder, "-c", config]
        with running(argv, self.tls, self._folder / "nginx.log"):
            yield
