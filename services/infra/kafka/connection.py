"""How to reach the brokers: what every client is told, and what keeps one from being let in."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    IllegalSaslStateError,
    KafkaError,
    NotCoordinatorForGroupError,
    RequestTimedOutError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
    for_code,
)
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.metadata import MetadataRequest

from services.infra.errors import ConfigurationError, TactusError, UnavailableError
from services.infra.settings import KafkaSettings
from services.infra.troubles import Trouble, first_that_fits, said_by_tls

ASK_S: Final = 5.0
"""A broker that is there takes a connection within milliseconds, TLS and password included."""

WHY_S: Final = 15.0
"""Enough for three silent addresses; whoever waits has been told already that something is wrong."""

ADMISSION_AGAIN_S: Final = 5.0
"""Between looks at brokers that are away: nobody waits for this one, the producer asks by itself."""

CLOSE_S: Final = 1.0
"""To say goodbye, which a broker that has refused us may not answer."""

AGAIN_S: Final = 0.2
"""A coordinator that is being made or moved is there within a second."""

COORDINATOR_AWAY: Final = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)
"""What a broker answers while it makes or loads its topic of offsets."""

PROTOCOL: Final = "set TACTUS_KAFKA__SECURITY_PROTOCOL to what that port speaks"
BOOTSTRAP: Final = "correct TACTUS_KAFKA__BOOTSTRAP"


REFUSALS: Final = (
    Trouble(
        (SaslAuthenticationFailed,),
        ConfigurationError,
        "refuses this name and password ({said})",
        "correct TACTUS_KAFKA__SASL_USERNAME, TACTUS_KAFKA__SASL_PASSWORD or TACTUS_KAFKA__SASL_MECHANISM",
    ),
    Trouble(
        (UnsupportedSaslMechanismError,),
        ConfigurationError,
        "does not know the mechanism of TACTUS_KAFKA__SASL_MECHANISM",
        "set one that its sasl.enabled.mechanisms names",
    ),
    Trouble((IllegalSaslStateError,), ConfigurationError, "asks for no name and password at this port", PROTOCOL),
    Trouble(
        (ssl.SSLCertVerificationError,),
        ConfigurationError,
        "shows a certificate that is not trusted ({said})",
        "name its authority by TACTUS_KAFKA__SSL_CA, and reach it by a name that the certificate holds",
    ),
    Trouble(
        (ssl.SSLError,),
        ConfigurationError,
        "ends the TLS handshake ({said})",
        f"set TACTUS_KAFKA__SSL_CERT and TACTUS_KAFKA__SSL_KEY if it asks for a certificate of ours, else {PROTOCOL}",
    ),
    # A name may be missing because the machine that bears it is not up yet, so waiting can help.
    Trouble((socket.gaierror,), UnavailableError, "has a name that nobody knows ({said})", BOOTSTRAP),
    Trouble((ConnectionRefusedError,), UnavailableError, "takes no connections", f"start it, or {BOOTSTRAP}"),
    Trouble(
        (TimeoutError, RequestTimedOutError),
        UnavailableError,
        "does not answer",
        f"start it, let it through the firewall, or {BOOTSTRAP}",
    ),
    # A port that speaks TLS hangs up on plain words, and the other way round: so does a broker that is stopping.
    Trouble(
        (KafkaError, ConnectionResetError, ConnectionAbortedError),
        UnavailableError,
        "hangs up at once",
        f"wait if it is starting or stopping, else {PROTOCOL}",
    ),
    Trouble((OSError,), UnavailableError, "cannot be reached ({said})", f"start it, or {BOOTSTRAP}"),
)
"""The first that fits. Others that speak to the brokers get their words from here too."""

RIGHTS: Final = {
    TopicAuthorizationFailedError: "Describe on the topics, with Read for a worker and Write for ingest and outbound",
    GroupAuthorizationFailedError: "Read on the group",
    TransactionalIdAuthorizationFailed: "Write on the transactional id",
    ClusterAuthorizationFailedError: "a right on the cluster: Create for `tactus topics apply`",
}
"""What an authorization error says is missing; docs/how-to/secure.md has the commands."""

FORBIDDEN: Final = tuple(RIGHTS)
"""What the brokers say when a right is missing."""


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """What every client of the brokers is told; raises ConfigurationError for a file that cannot be used."""
    options = {
        "bootstrap_servers": settings.bootstrap,
        "security_protocol": settings.security_protocol,
        "ssl_context": encryption(settings),
    }
    if settings.sasl_password is not None:
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": settings.sasl_password.get_secret_value(),
        }
    return options


def encryption(settings: KafkaSettings) -> ssl.SSLContext | None:
    """TLS that checks the brokers' certificates and their names; None where nothing is encrypted."""
    if not settings.security_protocol.endswith("SSL"):
        return None
    with _usable("TACTUS_KAFKA__SSL_CA", settings.ssl_ca):
        context = ssl.create_default_context(cafile=settings.ssl_ca)
    if settings.ssl_cert is not None:
        with _usable("TACTUS_KAFKA__SSL_CERT and TACTUS_KAFKA__SSL_KEY", settings.ssl_cert, settings.ssl_key):
            # An empty passphrase, or OpenSSL would ask for one at the terminal and wait.
            context.load_cert_chain(settings.ssl_cert, settings.ssl_key, password="")
    return context


@contextmanager
def _usable(setting: str, *paths: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        files = " and ".join(str(path) for path in paths if path)
        raise ConfigurationError(
            f"{setting}: {files} cannot be used ({error.strerror or error}); name readable PEM files, without passphrase"
        ) from error


def refusal_of(error: BaseException, address: str) -> TactusError:
    """Say what an error on the way to a broker means; the words before the semicolon are the cause, then the fix."""
    if isinstance(error, FORBIDDEN):
        return forbidden(error)
    told = _innermost(error)
    said = _said(told)
    if trouble := first_that_fits(REFUSALS, told, said):
        return trouble.named(said, where=f"Kafka at {address} ")
    return UnavailableError(f"Kafka at {address} cannot be reached ({error!r}); start it, or {BOOTSTRAP}")


def forbidden(error: BaseException) -> ConfigurationError:
    """Name the right that the brokers miss."""
    right = next(words for kind, words in RIGHTS.items() if isinstance(error, kind))
    named = " ".join(map(str, error.args)) or type(error).__name__
    return ConfigurationError(
        f"Kafka refuses this client a right ({named}): it lacks {right}; give it by an ACL, docs/how-to/secure.md#rights"
    )


async def why_away(settings: KafkaSettings) -> TactusError:
    """Ask the brokers once more, singly, for what aiokafka has lost on its way: why none of them can be used.

    Returns a ConfigurationError for what an operator must mend, else an UnavailableError; raises nothing.
    """
    found = await _look(settings)
    return found or UnavailableError(f"Kafka at {settings.bootstrap} did not answer in time; try again")


async def admitted(settings: KafkaSettings) -> None:
    """Return once the brokers let us in, however long it takes; raises ConfigurationError when they refuse for good."""
    while found := await _look(settings):
        if isinstance(found, ConfigurationError):
            raise found
        await asyncio.sleep(ADMISSION_AGAIN_S)


async def _look(settings: KafkaSettings) -> TactusError | None:
    """Why the brokers cannot be used; None when they can."""
    found: TactusError | None = None
    options = client_options(settings)
    addresses = [address.strip() for address in options.pop("bootstrap_servers").split(",")]
    try:
        async with asyncio.timeout(WHY_S):
            for address in addresses:
                found = await _why(address, options) or found
                if isinstance(found, ConfigurationError):
                    break
    except TimeoutError as error:
        found = found or refusal_of(error, settings.bootstrap)
    return found


async def _why(address: str, options: dict[str, Any]) -> TactusError | None:
    """Why this broker, or one that it names as its neighbour, cannot be used; None when all can."""
    try:
        advertised = await _neighbours(address, options)
    except (KafkaError, OSError) as error:
        return refusal_of(error, address)
    for other in advertised:
        if other == address:
            continue
        try:
            await _neighbours(other, options)
        except (KafkaError, OSError) as error:
            because = refusal_of(error, other)
            cause, _, fix = str(because).partition("; ")
            return type(because)(f"{cause}, where {address} says a broker is; check advertised.listeners, or {fix}")
    return None


async def _neighbours(address: str, options: dict[str, Any]) -> list[str]:
    host, _, port = address.rpartition(":")
    connection = AIOKafkaConnection(host.strip("[]"), int(port), request_timeout_ms=int(ASK_S * 1000), **options)
    try:
        await connection.connect()
        answer = await connection.send(MetadataRequest([]))
    except OSError:
        connection.close()  # there may be nothing to wait for
        raise
    except BaseException:
        await asyncio.wait({connection.close()}, timeout=CLOSE_S)
        raise
    await asyncio.wait({connection.close()}, timeout=CLOSE_S)
    return [f"{broker[1]}:{broker[2]}" for broker in answer.brokers]


async def check_group(settings: KafkaSettings, group: str) -> None:
    """Return when the brokers let this client work in the group; raises ConfigurationError when they do not.

    A member without the right waits for its first partition for ever, and says nothing. A heartbeat of nobody needs
    the same right and changes nothing.
    """
    options = client_options(settings)
    client = AIOKafkaClient(**options, request_timeout_ms=int(ASK_S * 1000))
    try:
        async with asyncio.timeout(WHY_S):
            await client.bootstrap()
            while await _heartbeat(client, group) in COORDINATOR_AWAY:  # noqa: ASYNC110 - the event is in the broker
                await asyncio.sleep(AGAIN_S)
    except FORBIDDEN as error:
        raise forbidden(error) from error
    except (KafkaError, OSError) as error:
        raise await why_away(settings) from error
    finally:
        await client.close()


async def _heartbeat(client: AIOKafkaClient, group: str) -> type[KafkaError]:
    try:
        node = await client.coordinator_lookup(CoordinationType.GROUP, group)
        if not await client.ready(node):
            return GroupCoordinatorNotAvailableError  # type: ignore[no-any-return]  # aiokafka.errors is untyped
        answer = await client.send(node, HeartbeatRequest(group, -1, ""))
    except (*COORDINATOR_AWAY, GroupAuthorizationFailedError) as error:
        code: type[KafkaError] = type(error)
    else:
        code = for_code(answer.error_code)
    if issubclass(code, GroupAuthorizationFailedError):
        raise GroupAuthorizationFailedError(group)
    return code


def _innermost(error: BaseException) -> BaseException:
    """What TLS said, where aiokafka only says that the connection is closed."""
    cause = error.__cause__
    return cause if isinstance(error, KafkaError) and isinstance(cause, ssl.SSLError) else error


def _said(error: BaseException) -> str:
    match error:
        case ssl.SSLError():
            return said_by_tls(error)
        case OSError():
            return error.strerror or str(error) or type(error).__name__
        case _:
            return str(error).strip()
