"""Keys of one job: an authority that signs the engine's and the connector's certificate, and is
then forgotten, so that nobody can make a third."""

from __future__ import annotations

import datetime
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ENGINE_NAME = "engine.imageport.internal"
"""The name in the engine's certificate; its address is known only after it was made."""

_VALID = datetime.timedelta(days=8)


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
        partial = path.with_suffix(".part")
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(asdict(_make(job))))
        partial.rename(path)
    return JobKeys(**json.loads(path.read_text()))


def _make(job: str) -> JobKeys:
    authority_key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"imageport job {job}")])
    authority = (
        _builder(name, name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    engine = _issue(ENGINE_NAME, ExtendedKeyUsageOID.SERVER_AUTH, name, authority_key)
    client = _issue("connector", ExtendedKeyUsageOID.CLIENT_AUTH, name, authority_key)
    pem = authority.public_bytes(serialization.Encoding.PEM).decode()
    return JobKeys(pem, *engine, *client)


def _issue(
    common_name: str,
    usage: x509.ObjectIdentifier,
    issuer: x509.Name,
    authority_key: ec.EllipticCurvePrivateKey,
) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        _builder(subject, issuer, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(common_name)]), critical=False)
        .add_extension(identifier, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    # A machine's clock may be behind, or at local time: certificates are valid from yesterday on.
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
