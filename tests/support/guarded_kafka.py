"""A real broker with a door of every kind: open, TLS, name and password, and rights by ACL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its public names, imported there without a word
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from pydantic import SecretStr

from schemas.topics import ALERTS, DLQ, EVENT_TOPICS, GROUP, SCORES
from services.embedded.free_ports import LOOPBACK, free_port
from services.embedded.kafka import CONFIGURATION, EmbeddedKafka
from services.embedded.steps import Advance
from services.infra.settings import KafkaSettings
from tests.support.certificates import Authority
from tests.support.logs_of_kafka import administration
from tests.support.waiting import eventually, wait_until

USER: Final = "tactus"
PASSWORD: Final = "a password; with = and ' in it"
ITERATIONS: Final = 4096

TOPICS: Final = (*EVENT_TOPICS, DLQ)

Rights = Mapping[tuple[ResourceType, str], tuple[AclOperation, ...]]

WORKER: Final[Rights] = {
    **{(ResourceType.TOPIC, topic): (AclOperation.READ,) for topic in TOPICS},
    (ResourceType.GROUP, GROUP): (AclOperation.READ,),
}
"""The least that a worker needs; what docs/how-to/secure.md says."""

INGEST: Final[Rights] = {
    **{(ResourceType.TOPIC, topic): (AclOperation.WRITE,) for topic in TOPICS},
    (ResourceType.GROUP, GROUP): (AclOperation.DESCRIBE,),
}
"""The least that ingest needs."""

WATCH: Final[Rights] = {(ResourceType.TOPIC, topic): (AclOperation.READ,) for topic in TOPICS}
"""The least that `tactus sources watch` needs: it reads without a group."""

FEED: Final = "tactus-feed-test"

OUTBOUND: Final[Rights] = {
    **{(ResourceType.TOPIC, topic): (AclOperation.WRITE,) for topic in (SCORES, ALERTS)},
    (ResourceType.TRANSACTIONAL_ID, FEED): (AclOperation.WRITE,),
}
"""The least that outbound needs."""

BOTH: Final[Rights] = {
    **{(ResourceType.TOPIC, topic): (AclOperation.READ, AclOperation.WRITE) for topic in TOPICS},
    (ResourceType.GROUP, GROUP): (AclOperation.READ,),
}

PROPERTIES_MORE: Final = """\
listeners=PLAINTEXT://127.0.0.1:{port},SSL://127.0.0.1:{ssl},SASL_SSL://127.0.0.1:{sasl_ssl},\
SASL_PLAINTEXT://127.0.0.1:{sasl_plaintext},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SSL://127.0.0.1:{ssl},SASL_SSL://127.0.0.1:{sasl_ssl},\
SASL_PLAINTEXT://127.0.0.1:{sasl_plaintext}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,\
SASL_PLAINTEXT:SASL_PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
listener.name.ssl.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/,DEFAULT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""
"""Whoever comes by the open door may do everything; the others what ACLs allow."""

PLAIN_LOGIN: Final = "org.apache.kafka.common.security.plain.PlainLoginModule"
SCRAM_LOGIN: Final = "org.apache.kafka.common.security.scram.ScramLoginModule"


class GuardedKafka(EmbeddedKafka):
    """`bootstrap` is the open door; `settings` are those for the others."""

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self.authority = Authority(data)
        self.server = self.authority.certify("broker", LOOPBACK, "localhost")
        self.client = self.authority.certify(USER)
        self.ports = {"plaintext": self.port, **{name: free_port() for name in ("ssl", "sasl_ssl", "sasl_plaintext")}}

    def prepare(self, advance: Advance | None = None) -> None:
        super().prepare(advance)
        keystore = self.data / "keystore.pem"
        keystore.write_text(self.server.both)
        kept = [line for line in CONFIGURATION.splitlines() if "listeners=" not in line]
        text = "\n".join([*kept, PROPERTIES_MORE, *self._logins()])
        (self.data / "server.properties").write_text(
            text.format(
                port=self.port,
                controller=self._controller,
                directory=self.data / "log",
                keystore=keystore,
                truststore=self.authority.ca,
                **self.ports,
            )
        )

    def settings(self, protocol: str, **others: object) -> KafkaSettings:
        """What a client of that door is told; `others` replace or add."""
        told: dict[str, object] = {
            "bootstrap": f"{LOOPBACK}:{self.ports[protocol.lower()]}",
            "security_protocol": protocol,
        }
        if protocol.endswith("SSL"):
            told["ssl_ca"] = self.authority.ca
        if protocol == "SSL":
            told |= {"ssl_cert": self.client.cert, "ssl_key": self.client.key}
        if protocol.startswith("SASL"):
            told |= {"sasl_username": USER, "sasl_password": PASSWORD}
        return KafkaSettings.model_validate(told | others)

    def environment(self, protocol: str, **others: object) -> dict[str, str]:
        """The same as a process is told it."""
        told = self.settings(protocol, **others).model_dump(exclude_unset=True)
        words = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in told.items()
        }
        return {f"TACTUS_KAFKA__{name.upper()}": str(value) for name, value in words.items() if value is not None}

    def add_user(self) -> None:
        """Make the user that SCRAM knows; PLAIN knows it from the start."""
        admin = self._admin()
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):  # the broker takes one at a time
            credential = ScramCredentialInfo(mechanism, ITERATIONS)
            wanted = UserScramCredentialUpsertion(USER, credential, PASSWORD.encode())
            for future in admin.alter_user_scram_credentials([wanted]).values():
                future.result(30)

    def allow(self, rights: Rights) -> None:
        """Give the user exactly these rights, and take all others."""
        admin = self._admin()
        for future in admin.delete_acls([_acls_of(ResourceType.ANY)]).values():
            future.result(30)
        acls = [_acl(kind, name, operation) for (kind, name), operations in rights.items() for operation in operations]
        for future in admin.create_acls(acls).values() if acls else ():
            future.result(30)
        # The broker follows its controller a moment later.
        wait_until(
            lambda: len(admin.describe_acls(_acls_of(ResourceType.ANY)).result(30)) == len(acls), what="ACLs hold"
        )

    def revoke(self, kind: ResourceType, name: str) -> None:
        """Take the user's rights on one thing."""
        admin = self._admin()
        for future in admin.delete_acls([_acls_of(kind, name)]).values():
            future.result(30)
        wait_until(lambda: not admin.describe_acls(_acls_of(kind, name)).result(30), what="the ACLs are gone")

    async def forget_topics(self, names: Sequence[str]) -> None:
        """Delete topics, and wait until they are gone."""
        async with administration(self.bootstrap) as admin:
            await admin.delete_topics(list(names))

            async def gone() -> bool:
                return not set(names) & set(await admin.list_topics())

            await eventually(gone, what="the topics are gone")

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap})

    def _logins(self) -> list[str]:
        password = PASSWORD.replace("\\", "\\\\")
        return [
            line
            for listener in ("sasl_ssl", "sasl_plaintext")
            for line in (
                f'listener.name.{listener}.plain.sasl.jaas.config={PLAIN_LOGIN} required user_{USER}="{password}";',
                f"listener.name.{listener}.scram-sha-256.sasl.jaas.config={SCRAM_LOGIN} required;",
                f"listener.name.{listener}.scram-sha-512.sasl.jaas.config={SCRAM_LOGIN} required;",
            )
        ]


def _acl(kind: ResourceType, name: str, operation: AclOperation) -> AclBinding:
    pattern, principal = ResourcePatternType.LITERAL, f"User:{USER}"
    return AclBinding(kind, name, pattern, principal, "*", operation, AclPermissionType.ALLOW)


def _acls_of(kind: ResourceType, name: str | None = None) -> AclBindingFilter:
    any_of_each: tuple[Any, ...] = (ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY)
    return AclBindingFilter(kind, name, *any_of_each)  # type: ignore[arg-type]  # None means any, which it does not say
