"""Keys of one job: an authority that signs the engine's and the connector's certificate, and is
then forgotten, so that nobody can make a third."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography import x509

from imageport.engine.certificates import Authority
from imageport.host.files import write_whole

ENGINE_NAME = "engine.imageport.internal"
"""The name in the engine's certificate; its address is known only after it was made."""


@dataclass(frozen=True, slots=True)
class JobKeys:
    """PEM texts. The engine gets `authority`, `engine_certificate` and `engine_key` alone."""

    authority: str
    engine_certificate: str
    engine_key: str
    client_certificate: str
    client_key: str

    def boot_data(self, job: str) -> str:
        """What the engine reads at its start (`engine.agent.boot_data.BootData`), as JSON."""
        return json.dumps(
            {
                "job": job,
                "authority": self.authority,
                "certificate": self.engine_certificate,
                "key": self.engine_key,
            }
        )


def job_keys(path: Path, job: str) -> JobKeys:
    """The keys kept in the file `path` (mode 0600), made when it is not there yet."""
    if not path.exists():
        write_whole(path, [json.dumps(asdict(_make(job))).encode()])
    return JobKeys(**json.loads(path.read_text()))


def _make(job: str) -> JobKeys:
    authority = Authority(f"imageport job {job}")
    engine = authority.issue(ENGINE_NAME, [x509.DNSName(ENGINE_NAME)])
    client = authority.issue("connector", [x509.DNSName("connector")], client=True)
    return JobKeys(authority.certificate, *engine, *client)
