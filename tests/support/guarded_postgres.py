"""Real servers that refuse what they are told to refuse: by role and address, and by TLS and certificates."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from services.embedded.free_ports import LOOPBACK
from services.embedded.postgres import NAME, EmbeddedPostgres
from services.embedded.postgres_user import give
from tests.support.certificates import Authority
from tests.support.missing import lacks

CERTIFIED: Final = "certified"
"""A role that is let in by its certificate, and not by a password."""

HBA: Final = """\
local   all  all                     scram-sha-256
{hostssl}
host    all  barred    127.0.0.1/32  reject
host    all  all       127.0.0.1/32  scram-sha-256
"""

HOSTSSL: Final = f"""\
hostssl all  {CERTIFIED} 127.0.0.1/32  cert
host    all  {CERTIFIED} 127.0.0.1/32  reject
"""

SYSTEM: Final = Path("/usr/lib/postgresql")
"""Where Debian has its servers; the one of the wheel knows no TLS."""


class GuardedPostgres(EmbeddedPostgres):
    """A server with rules of its own for who is let in."""

    hostssl: str = ""

    def prepare(self) -> None:
        super().prepare()
        self.place("pg_hba.conf", HBA.format(hostssl=self.hostssl))

    def dsn_as(self, role: str, password: str = "", *, database: str = NAME, more: str = "") -> str:
        """The URL of another role; `more` is what stands behind the question mark."""
        secret = f":{password}" if password else ""
        return f"postgresql://{role}{secret}@{LOOPBACK}:{self.port}/{database}{more and '?' + more}"

    def place(self, name: str, text: str) -> None:
        """Put a file among the server's own, which are all that it trusts."""
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o600)
        give(path, self._account)


class TlsPostgres(GuardedPostgres):
    """The system's own server; its certificate is for 127.0.0.1 and localhost, signed by `authority`."""

    hostssl = HOSTSSL

    def __init__(self, data: Path) -> None:
        self._system = _newest_system()
        self.authority = Authority(data)
        self.client = self.authority.certify(CERTIFIED)
        self._server = self.authority.certify("server", LOOPBACK, "localhost")
        settings = {"ssl": "on", "ssl_cert_file": "server.pem", "ssl_key_file": "server.key", "ssl_ca_file": "ca.pem"}
        super().__init__(data, settings=settings)

    def prepare(self) -> None:
        super().prepare()
        self.place("server.pem", self._server.cert.read_text())
        self.place("server.key", self._server.key.read_text())
        self.place("ca.pem", self.authority.ca.read_text())

    @property
    def certified_dsn(self) -> str:
        """By TLS that is checked on both sides."""
        files = f"sslrootcert={self.authority.ca}&sslcert={self.client.cert}&sslkey={self.client.key}"
        return self.dsn_as(CERTIFIED, more=f"sslmode=verify-full&{files}")

    @property
    def command(self) -> tuple[str, ...]:
        return (str(self._system / "postgres"), *super().command[1:])

    def _create(self) -> None:
        # Older than the wheel's, which has options that this one does not know.
        self.directory.mkdir(mode=0o700)
        secret = self.data / "initdb.password"
        secret.write_text(self._password())
        for path in (self.directory, secret):
            give(path, self._account)
        options = ("-U", NAME, "--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={secret}")
        self._run(self.directory, str(self._system / "initdb"), "-D", str(self.directory), *options)
        single = (str(self._system / "postgres"), "--single", "-D", str(self.directory), "postgres")
        self._run(self.directory, *single, input_text=f"CREATE DATABASE {NAME};\n")


def _newest_system() -> Path:
    programs = sorted(SYSTEM.glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name))
    found = programs[-1] if programs else shutil.which("initdb")
    if found is None:
        lacks("no Postgres that knows TLS on this machine: install the package postgresql")
    return Path(found).resolve().parent
