"""A whole job by authlib and requests; nothing of imageport is imported here.

.clients/bin/python oauth_job.py < what-to-do.json
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any
from urllib.parse import urljoin

from authlib.integrations.requests_client import OAuth2Session


def main() -> None:
    """Start the export, wait for it, and print the token's kind, the job and its log."""
    told = json.load(sys.stdin)
    url = told["url"]
    tokens = f"{url}/cctrustoauth2/{told['customer']}/tokens/clients"
    session = OAuth2Session(
        told["id"],
        told["secret"],
        token_endpoint_auth_method=told["method"],
        token_endpoint=tokens,
        grant_type="client_credentials",
    )
    session.verify = told["ca"]
    first = session.fetch_token(tokens)
    started = session.post(f"{url}/ips/images/$export", json=told["request"])
    started.raise_for_status()
    job = _ended(session, urljoin(url, started.headers["Location"]))
    log = _read(session, f"{url}/ips/jobs/{job['id']}/logs")
    print(json.dumps({"type": first["token_type"], "job": job, "log": log["items"]}))


def _ended(session: Any, place: str) -> Any:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        job = _read(session, place)
        if job["overallStatus"] in ("complete", "error", "cancelled"):
            return job
        time.sleep(0.2)
    raise TimeoutError(place)


def _read(session: Any, url: str) -> Any:
    answer = session.get(url)
    answer.raise_for_status()
    return answer.json()


if __name__ == "__main__":
    main()
