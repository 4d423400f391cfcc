"""An authority of the tests' own, and what it has signed, as the PEM files that servers and clients read."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


class Certificate(NamedTuple):
    """A certificate and its key, as two files."""

    cert: Path
    key: Path

    @property
    def both(self) -> str:
        """Key and certificate as one text, as a Java key store in PEM holds them."""
        return self.key.read_text() + self.cert.read_text()


class Authority:
    """Signs certificates; `ca` is the file that whoever trusts it reads."""

    def __init__(self, folder: Path, *, name: str = "authority") -> None:
        self._authority = trustme.CA(organization_name=name)
        self._folder = folder
        self.ca = folder / f"{name}.pem"
        self._authority.cert_pem.write_to_path(self.ca)

    def certify(self, name: str, *hosts: str) -> Certificate:
        """Sign a server's certificate for its hosts, or with none a client's whose common name is `name`."""
        made = self._authority.issue_cert(*(hosts or (f"{name}.example",)), common_name=name)
        certificate = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
        certificate.cert.write_bytes(chain)
        # PKCS 8, because Java reads nothing else.
        key = load_pem_private_key(made.private_key_pem.bytes(), password=None)
        certificate.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        certificate.key.chmod(0o600)
        return certificate
