"""Sign as vendors do: written after their recipes, and not after our verifier."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.infra.hook_rows import GENERIC, Hook, HookRow, SignatureRow
from services.infra.mapping.map_file import load_map
from services.infra.sources import Source, Sources, digest
from services.ingest import adapters
from services.ingest.adapters import generic
from services.ingest.discovery import discovered
from services.ingest.head import Head
from services.ingest.judge import Arrival
from services.ingest.signatures import Scheme
from tests.support.clocks import NOON
from tests.support.doors import catalogue_file

SECRET = b"secret-of-a-test"
KEYED = "key-of-a-generic-hook"
URL = "https://door.example/hooks"
NOW = str(int(NOON.timestamp()))


@cache
def _private_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def public_key() -> bytes:
    spki = _private_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(spki)


LOCKERS = Path(__file__).parents[2] / "docs" / "reference" / "maps" / "parcel_lockers.yaml"
GENERIC_ROW = SignatureRow(
    header="X-Lockers-Signature",
    signed="{timestamp}.{raw}",
    fields=("t", "v1"),
    tolerance_s=300,
)
"""How the generic hook of the tests signs."""


def scheme_of(provider: str) -> Scheme | None:
    """The way a provider's adapter, or a generic hook's row, says that it signs; None for one that has a way of its own."""
    if provider == GENERIC:
        return generic.scheme_of(GENERIC_ROW)
    scheme = import_module(f"{adapters.__name__}.{provider}").SCHEME
    return scheme if isinstance(scheme, Scheme) else None


def providers() -> list[str]:
    """All vendors whose webhooks are taken."""
    return [one.name for one in discovered() if one.routes[0].startswith("/hooks/")]


def signed(
    provider: str, body: bytes, *, secret: bytes = SECRET, timestamp: str = NOW, url: str = URL
) -> dict[str, str]:
    """The headers that a vendor adds to a body; of one that signs inside of it, none."""
    scheme = scheme_of(provider)
    if scheme is None:
        return {}
    message = scheme.signed.replace("{timestamp}", timestamp).replace("{url}", url).encode().replace(b"{raw}", body)
    if scheme.algorithm == "ecdsa-p256":
        raw = _private_key().sign(message, ec.ECDSA(SHA256()))
    else:
        raw = hmac.new(secret, message, hashlib.sha1 if scheme.algorithm == "hmac-sha1" else hashlib.sha256).digest()
    signature = raw.hex() if scheme.encoding == "hex" else base64.b64encode(raw).decode()
    if scheme.fields is not None:
        return {scheme.header: f"{scheme.fields[0]}={timestamp},{scheme.fields[1]}={signature}"}
    stamped = {scheme.timestamp_header: timestamp} if scheme.timestamp_header else {}
    return {scheme.header: scheme.prefix + signature, **stamped}


@cache
def hook_sources() -> Sources:
    """A source `our-<provider>` of each vendor, and one that sends by its key, `our-keyed`."""
    lockers = load_map(LOCKERS, touchpoints=catalogue_file().catalogue.entries)
    keyed = HookRow(provider=GENERIC, map=LOCKERS.name)
    rows = [Source(name="our-keyed", kind="server", keys_sha256=(digest(KEYED),), hook=keyed)]
    hooks = {"our-keyed": Hook((), "", lockers)}
    for provider in providers():
        scheme = scheme_of(provider)
        secret = public_key() if scheme is not None and scheme.algorithm == "ecdsa-p256" else SECRET
        own: dict[str, Any] = {"map": LOCKERS.name, "signature": GENERIC_ROW} if provider == GENERIC else {}
        hook = HookRow(provider=provider, secret_files=("old", "new"), url=URL, **own)
        rows.append(Source(name=f"our-{provider}", kind="server", keys_sha256=(), hook=hook))
        secrets = (b"a-former-secret" if secret is SECRET else secret, secret)
        is_generic = provider == GENERIC
        hooks[rows[-1].name] = Hook(secrets, URL, lockers if is_generic else None, GENERIC_ROW if is_generic else None)
    return Sources(sources=rows, hooks=hooks)


def verified(provider: str, head: Head, raw: bytes, *, hook: Hook, received: Arrival) -> bool:
    """Whether a provider's adapter takes a body for its vendor's."""
    scheme = import_module(f"{adapters.__name__}.{provider}").SCHEME
    if isinstance(scheme, Scheme):
        return scheme.verifies(head, raw, secrets=hook.secrets, url=hook.url, now=received.at)
    return bool(scheme(head, raw, hook, received))


def mailgun_signed(body: bytes, *, secret: bytes = SECRET, timestamp: str = NOW, token: str = "t" * 50) -> bytes:
    """A body with Mailgun's signature in it."""
    signature = hmac.new(secret, f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    inside = {"timestamp": timestamp, "token": token, "signature": signature}
    return json.dumps({**json.loads(body), "signature": inside}).encode()


SIGNED_INSIDE = {"mailgun": mailgun_signed}
"""How the vendors sign that do it in the body."""


def with_signature(
    provider: str, headers: Mapping[str, str], body: bytes, *, timestamp: str = NOW
) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a delivery, with the signature in the one or the other."""
    sign = SIGNED_INSIDE.get(provider)
    inside = body if sign is None else sign(body, timestamp=timestamp)
    return {**headers, **signed(provider, body, timestamp=timestamp)}, inside


def write_hooks(sources: Path) -> None:
    """Add the sources above, but the one without a signature, to a file of sources, with their secrets and maps beside it."""
    lines = []
    for provider in providers():
        name = f"our-{provider}"
        found = hook_sources().hook(provider, name)
        assert found is not None
        source, hook = found
        assert source.hook is not None
        files = [f"{name}.{number}" for number in range(len(hook.secrets))]
        for file, secret in zip(files, hook.secrets, strict=True):
            (sources.parent / file).write_bytes(secret)
        if source.hook.map:
            (sources.parent / source.hook.map).write_bytes(LOCKERS.read_bytes())
        row = source.hook.model_dump(mode="json", exclude_defaults=True) | {"secret_files": files}
        lines += ["[[source]]", f'name = "{name}"', 'kind = "server"', "keys_sha256 = []", f"hook = {_inline(row)}"]
    sources.write_text(sources.read_text() + "\n".join(lines) + "\n")


def _inline(value: object) -> str:
    """Write a value as TOML; texts, numbers and lists are what they are in JSON."""
    if not isinstance(value, dict):
        return json.dumps(value)
    return "{" + ", ".join(f"{name} = {_inline(one)}" for name, one in value.items()) + "}"
