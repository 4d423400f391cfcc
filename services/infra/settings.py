"""Settings from the environment: prefix TACTUS_, nested with two underscores."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from services.infra.errors import ConfigurationError
from services.infra.http.peers import networks
from services.infra.unknown_settings import refuse_unknown

PARTITIONS_EMBEDDED: Final = 8
"""Enough for four lanes on two cores; production starts with 48, and the count is fixed for life."""


LIBPQ_KEPT: Final = ("PGPASSWORD", "PGPASSFILE")
"""Ways to keep a password out of the URL."""

_ADDRESS: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:,/@\[\]]+):[0-9]{1,5}")
_DSN: Final = re.compile(
    r"postgres(ql)?://([^\s/@]*@)?(([^\s:,/@\[\]]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(,|(?=[/?]|$)))*([/?]\S*)?"
)


class KafkaSettings(BaseModel):
    """Where the log is, and how many copies of it there are."""

    bootstrap: str = Field(default="127.0.0.1:9092", description="Brokers, host:port, comma-separated.")
    partitions: int = Field(default=PARTITIONS_EMBEDDED, ge=1, le=1024, description="Partitions of each event topic.")
    replication: int = Field(default=1, ge=1, le=9, description="Copies of each partition; 3 in production.")
    min_insync: int = Field(default=1, ge=1, le=9, description="Copies that must have an event before 2xx.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="SSL encrypts, SASL_SSL adds name and password; docs/how-to/secure.md."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="How name and password are proved; PLAIN sends the password itself."
    )
    sasl_username: str | None = Field(default=None, description="Name for SASL_SSL and SASL_PLAINTEXT.")
    sasl_password: SecretStr | None = Field(default=None, description="Its password; secret.")
    ssl_ca: Path | None = Field(
        default=None,
        description="PEM file of the authorities that may sign the brokers' certificates; the system's own.",
    )
    ssl_cert: Path | None = Field(default=None, description="PEM file of our certificate, where brokers ask for one.")
    ssl_key: Path | None = Field(default=None, description="PEM file of its key, without a passphrase.")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        # A half of these would otherwise be dropped without a word, and the brokers' refusal would name neither.
        if self.security_protocol.startswith("SASL"):
            if not (self.sasl_username and self.sasl_password):
                raise ValueError(
                    f"{self.security_protocol} needs TACTUS_KAFKA__SASL_USERNAME and TACTUS_KAFKA__SASL_PASSWORD"
                )
        elif self.sasl_username or self.sasl_password:
            raise ValueError(
                "TACTUS_KAFKA__SASL_USERNAME and TACTUS_KAFKA__SASL_PASSWORD need TACTUS_KAFKA__SECURITY_PROTOCOL=SASL_SSL"
            )
        if not self.security_protocol.endswith("SSL") and (self.ssl_ca or self.ssl_cert or self.ssl_key):
            raise ValueError(
                "TACTUS_KAFKA__SSL_CA, TACTUS_KAFKA__SSL_CERT and TACTUS_KAFKA__SSL_KEY need TACTUS_KAFKA__SECURITY_PROTOCOL=SSL or SASL_SSL"
            )
        if bool(self.ssl_cert) != bool(self.ssl_key):
            raise ValueError("TACTUS_KAFKA__SSL_CERT and TACTUS_KAFKA__SSL_KEY belong together")
        return self

    def embedded_at(self, bootstrap: str) -> KafkaSettings:
        """The same topics in a broker of `tactus up`, which takes anybody from this machine, and nothing encrypted."""
        return KafkaSettings(
            bootstrap=bootstrap,
            partitions=self.partitions,
            replication=self.replication,
            min_insync=self.min_insync,
        )

    @field_validator("bootstrap")
    @classmethod
    def _has_ports(cls, bootstrap: str) -> str:
        if not all(map(_ADDRESS.fullmatch, bootstrap.split(","))):
            raise ValueError("must be host:port, several of them joined by commas")
        return bootstrap


class PostgresSettings(BaseModel):
    """Where the state is."""

    dsn: SecretStr = Field(
        default=SecretStr("postgresql://tactus@127.0.0.1:5432/tactus"),
        description="Connection URL, with libpq's parameters for TLS (docs/how-to/secure.md); secret.",
    )

    @field_validator("dsn")
    @classmethod
    def _is_a_url(cls, dsn: SecretStr) -> SecretStr:
        # The words of an answer, not the value: it may hold a password.
        if not _DSN.fullmatch(dsn.get_secret_value()):
            raise ValueError("must be a URL such as postgresql://user:password@host:5432/database")
        return dsn

    connections_max: int = Field(
        default=8, ge=2, le=100, description="Connections the API may open; a worker opens one a lane and two."
    )


def _of_networks(text: str) -> str:
    try:
        networks(text)
    except ValueError as error:
        raise ValueError(f"must be networks such as 10.0.0.0/8, comma-separated: {error}") from error
    return text


TrustedProxies = Annotated[
    str,
    AfterValidator(_of_networks),
    Field(description="Networks of proxies whose X-Forwarded-For is believed, comma-separated; no proxy, no network."),
]


class IngestSettings(BaseModel):
    """The HTTP door for events."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    metrics_port: int = Field(default=9101, ge=0, le=65535, description="/metrics, /livez, /readyz.")
    deadline_s: float = Field(
        default=5.0, gt=0, le=60, description="Wait for the log's acknowledgement at most so long."
    )
    in_flight_bytes_max: int = Field(
        default=32 * 1024 * 1024,
        ge=5 * 1024 * 1024,
        description="Bodies held in memory at once, above it 503; one that is inflated takes up to 5 MiB.",
    )
    spool: Path | None = Field(
        default=None,
        description="A folder where accepted events wait on disk while Kafka is away; without one the answer is 503 then.",
    )
    spool_bytes_max: int = Field(
        default=512 * 1024 * 1024, ge=1024 * 1024, description="What the spool may hold; above it the answer is 503."
    )
    spool_age_s_max: float = Field(
        default=3 * 86_400,
        gt=0,
        description="How old the oldest record in the spool may be; when it is older the answer is 503.",
    )
    trusted_proxies: TrustedProxies = ""
    browser_events_per_s_max: int = Field(
        default=1000,
        ge=1,
        description="Of one page's key, a minute of it at once; a large shop at its best hour sends 200. "
        "Like all of these, in each ingest process by itself.",
    )
    browser_address_events_per_s_max: int = Field(
        default=200,
        ge=1,
        description="Of one address with one page's key, a minute of it at once; two thousand people who click behind "
        "one address send 100.",
    )
    browser_identity_events_per_s_max: int = Field(
        default=10,
        ge=1,
        description="Of one identity with one page's key, a minute of it at once; a page that was offline over night "
        "sends 500 at once.",
    )
    browser_day_bytes_max: int = Field(
        default=2 * 1024**3,
        ge=1024**2,
        description="Bytes one page's key may store in any 24 hours, half of it at once; two million events. Everybody "
        "can read such a key, and what it stores is kept.",
    )
    till_day_bytes_max: int = Field(
        default=16 * 1024**3,
        ge=1024**2,
        description="The same of a till's key; a chain of 500 tills with one key sends 1 GiB a day, and two weeks at "
        "once after a break.",
    )
    server_day_bytes_max: int = Field(
        default=256 * 1024**3,
        ge=1024**2,
        description="The same of a server's key; half of it at once is a replay of 100 million events.",
    )


SEGMENTS_PATTERN: Final = r"^([a-z][a-z0-9_]{0,31}=[A-Za-z0-9_.-]{1,40}(,[A-Za-z0-9_.-]{1,40}){0,49}( |$)){0,3}$"
"""Words without a colon or a quote: they stand in the names of sums and in questions as they are."""


class AggregatorSettings(BaseModel):
    """One stream worker."""

    metrics_port: int = Field(default=9102, ge=0, le=65535, description="/metrics, /livez, /readyz.")
    host: str = Field(default="127.0.0.1", description="Address for the metrics port.")
    lanes: int = Field(default=4, ge=1, le=16, description="Chunks in the database at once.")
    chunk_events_max: int = Field(default=6000, ge=100, le=20_000, description="Records a poll returns at most.")
    fetch_bytes: int = Field(
        default=2_621_440,
        ge=65_536,
        le=16_777_216,
        description="Of a partition at once; about one chunk: more leaves a small rest for a chunk of its own.",
    )
    cache_rows_max: int = Field(
        default=1_000_000, ge=1000, description="Tally rows of recent persons kept in memory, 80 bytes each."
    )
    names_max: int = Field(
        default=50_000,
        ge=0,
        le=1_000_000,
        description=(
            "Combinations of touchpoint, channel and place that a source with secret keys may bring, beyond what the "
            "catalogue declares: two thousand stores with twenty touchpoints are 40,000."
        ),
    )
    names_public_max: int = Field(
        default=500,
        ge=0,
        le=1_000_000,
        description="The same for keys that pages show: a site has some tens of event names of its own.",
    )
    segments: str = Field(
        default="",
        max_length=2000,
        pattern=SEGMENTS_PATTERN,
        description=(
            "By which properties of events people are told apart in sums over everybody, and their values: "
            "`plan=free,gold country=pl,de`; at most three properties of fifty values. Any other value is `other`."
        ),
    )
    session_timeout_s: float = Field(default=10.0, ge=6, le=300, description="Silence after which a worker is dead.")
    watchdog_s: float = Field(
        default=30.0, ge=5, le=600, description="Exit when nothing moves for so long while there is lag."
    )


class ApiSettings(BaseModel):
    """The HTTP door for scores."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8081, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    metrics_port: int = Field(default=9130, ge=0, le=65535, description="/metrics, /livez, /readyz.")
    trusted_proxies: TrustedProxies = ""
    ingest: str = Field(
        default="http://127.0.0.1:8080",
        pattern=r"^https?://[^\s/?#@]+/?$",
        description="Where ingest is: dead letters that are sent again go there.",
    )
    operator_key: SecretStr | None = Field(
        default=None, description="Key of a source with replay = true, by which they go there; secret."
    )
    reader_requests_per_s_max: int = Field(
        default=200,
        ge=1,
        description="Of one reader's key, a minute of it at once, in each process; its row in the sources file may say "
        "another. Two hundred people who each open a customer every second.",
    )


class OutboundSettings(BaseModel):
    """What tells scores and alerts to others."""

    host: str = Field(default="127.0.0.1", description="Address for the metrics port.")
    metrics_port: int = Field(default=9120, ge=0, le=65535, description="/metrics, /livez, /readyz.")
    crm: Path | None = Field(
        default=None, description="TOML file of the CRM systems that are told scores; docs/how-to/crm.md."
    )
    lease_s: float = Field(
        default=10.0,
        gt=0,
        le=600,
        description="How long a process that is no longer heard of keeps a feed, until another one goes on with it.",
    )
    incident_quiet_s: float = Field(
        default=7200, ge=1, le=86_400, description="Seconds without another alert after which an incident may be over."
    )
    routes: Path | None = Field(
        default=None, description="TOML file that says who is notified of which alerts; docs/how-to/alerts.md."
    )
    link: str | None = Field(
        default=None,
        max_length=500,
        pattern=r"^https?://[^\s{}]+([^\s{}]|\{customer\}|\{alert\})*$",
        description="Where a notification's link leads, such as https://tactus.example/customers/{customer}; {customer} "
        "and {alert} are filled in.",
    )


class WebhookSettings(BaseModel):
    """Where webhooks may go; the API and outbound read it."""

    http: bool = Field(default=False, description="Whether webhooks may go unencrypted, by http://; for development.")
    networks: Annotated[str, AfterValidator(_of_networks)] = Field(
        default="",
        description="Networks of your own that webhooks may go to beside public ones, comma-separated.",
    )


class Settings(BaseSettings):
    """Everything a process may be told; every field has a line in docs/reference/settings.md."""

    model_config = SettingsConfigDict(env_prefix="TACTUS_", env_nested_delimiter="__", extra="ignore", frozen=True)

    kafka: KafkaSettings = KafkaSettings()
    postgres: PostgresSettings = PostgresSettings()
    ingest: IngestSettings = IngestSettings()
    aggregator: AggregatorSettings = AggregatorSettings()
    api: ApiSettings = ApiSettings()
    outbound: OutboundSettings = OutboundSettings()
    webhooks: WebhookSettings = WebhookSettings()
    sources: Path | None = Field(default=None, description="TOML file of sources, readers and their keys.")
    catalogue: Path | None = Field(default=None, description="YAML file that overrides parts of the catalogue.")
    classes: Path | None = Field(
        default=None,
        description="YAML file of rules on who is no customer, beside those that are shipped; docs/how-to/bots-staff-and-tests.md.",
    )
    hash_key: SecretStr | None = Field(
        default=None, description="Secret of at least 32 characters that turns e-mail and phone into hashes."
    )
    write_key: SecretStr | None = Field(
        default=None, description="Write key of `tactus send` and `replay`, where no data directory tells one; secret."
    )
    letters_key: SecretStr | None = Field(
        default=None, description="Key of `tactus dlq`, where no data directory tells one; secret."
    )
    alerts_key: SecretStr | None = Field(
        default=None, description="Key of `tactus alerts`, where no data directory tells one; secret."
    )
    webhooks_key: SecretStr | None = Field(
        default=None, description="Key of `tactus webhooks`, where no data directory tells one; secret."
    )
    read_key: SecretStr | None = Field(
        default=None, description="Read key of `tactus explain`, where no data directory tells one; secret."
    )
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$", description="Least level logged.")


def forget_libpq() -> None:
    """Drop libpq's variables from our environment, but for the password: what a shell says of other databases.

    PGSSLMODE=require alone would keep us from a server without TLS, and the URL is where all of that is said.
    """
    for name in [name for name in os.environ if name.startswith("PG") and name not in LIBPQ_KEPT]:  # noqa: TID251 - see above
        del os.environ[name]  # noqa: TID251 - see above


def read_settings() -> Settings:
    """Read the environment; raises ConfigurationError that names the variable and what it must be."""
    refuse_unknown(os.environ, settings=Settings)  # noqa: TID251 - pydantic-settings passes over what it does not know
    forget_libpq()
    try:
        return Settings()
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        name = "__".join(str(part) for part in fault["loc"]).upper()
        raise ConfigurationError(
            f"TACTUS_{name}: {fault['msg'].removeprefix('Value error, ')}; correct it or unset it"
        ) from error
    except SettingsError as error:
        raise ConfigurationError(
            f"{error}; write its parts as variables of their own, such as TACTUS_KAFKA__BOOTSTRAP"
        ) from error


def secret_of_environment(name: str) -> SecretStr | None:
    """A secret that a file of ours names by the variable it stands in; None when that is not set or empty."""
    value = os.environ.get(name)  # noqa: TID251 - the name is the file's, so it can be no field of Settings
    return SecretStr(value) if value else None
