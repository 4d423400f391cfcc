"""Every metric there is: names, help, labels. Nothing is declared elsewhere."""

from __future__ import annotations

from collections.abc import Collection
from importlib.metadata import version
from typing import Final

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, Info

from services.infra.buckets import CHUNK_BUCKETS_EVENTS, LAG_BUCKETS_S, REQUEST_BUCKETS_S, SCORE_BUCKETS
from services.infra.collectors import OTHER, Distribution, Levels, Means, Totals, Waits

LABELS: Final = frozenset(
    {
        "channel",
        "adapter",
        "class",
        "topic",
        "partition",
        "outcome",
        "reason",
        "rule",
        "touchpoint",
        "dimension",
        "band",
        "severity",
        "source",
        "state",
        "subject",
        "version",
    }
)
"""The only labels a metric may have: never a customer, never a caller's text. A source is a name of the sources file, and
only the API's gauges show it."""

SOURCES_SHOWN_MAX: Final = 100
"""Sources that gauges show, in the order of the sources file; `tactus sources list` shows them all."""

SERIES_MAX: Final = 24_000
"""Series one process may show in all; a Prometheus of 2 GiB takes about a million of them."""

INGEST_REQUESTS: Final = Counter(
    "tactus_ingest_requests_total",
    "Requests answered, by the channel of their events and by what became of them.",
    ["channel", "outcome"],
)
INGEST_REQUEST_SECONDS: Final = Histogram(
    "tactus_ingest_request_duration_seconds",
    "From the first byte of a request to the end of its answer.",
    buckets=REQUEST_BUCKETS_S,
)
INGEST_EVENTS: Final = Counter(
    "tactus_ingest_events_total", "Events judged at the door, by channel and outcome.", ["channel", "outcome"]
)
INGEST_CLASSED: Final = Counter(
    "tactus_ingest_classed_events_total",
    "Events accepted that do not score, by who or what made them: bot, monitor, staff, test, training, void.",
    ["class"],
)
INGEST_LIMITED: Final = Counter(
    "tactus_ingest_limited_total",
    "Requests, and for the reason identity events, turned away because a limit was reached: key, day, address, identity "
    "(429), values (413), busy (503).",
    ["reason"],
)
CLAIMS_LEFT_OUT: Final = Counter(
    "tactus_ingest_claims_left_out_total",
    "Ways to know a person that were left out of an event because its key may not name anybody so.",
    ["adapter"],
)
SPOOL_BYTES: Final = Gauge("tactus_spool_bytes", "Records on ingest's disk that the log does not have yet.")
SPOOL_AGE_SECONDS: Final = Gauge(
    "tactus_spool_oldest_age_seconds", "How long the oldest record has been in the spool; 0 when it is empty."
)
SPOOL_DAMAGED: Final = Counter(
    "tactus_spool_damaged_total", "Parts of the spool that could not be read and are kept beside it."
)
KAFKA_ACK_SECONDS: Final = Histogram(
    "tactus_kafka_ack_seconds",
    "From handing a record to the producer to the log's acknowledgement by all replicas in sync.",
    buckets=REQUEST_BUCKETS_S,
)
NOTIFICATIONS: Final = Counter(
    "tactus_notifications_total",
    "Notifications by the kind of their sink: sent, retried (put off for another try), failed (never told), off (a route "
    "that an operator must mend).",
    ["adapter", "outcome"],
)
NOTIFICATION_AGE_SECONDS: Final = Gauge(
    "tactus_notification_oldest_age_seconds",
    "For how long the oldest notification has waited since it should have been told, by the kind of its sink.",
    ["adapter"],
)
LOG_RECORDS: Final = Totals(
    "tactus_log_records_total",
    "Records ever appended to a topic, as its end offsets tell.",
    label="topic",
    registry=REGISTRY,
)
CONSUMER_LAG: Final = Gauge(
    "tactus_consumer_lag_records",
    "Records of a partition that the aggregator has not committed, computed outside of it.",
    ["topic", "partition"],
)
EVENTS: Final = Totals(
    "tactus_events_total",
    "Records of the event topics by what became of them, counted in the transaction that decided it.",
    label="outcome",
    registry=REGISTRY,
)
CONSERVATION_GAP: Final = Gauge(
    "tactus_conservation_gap_records",
    "Records passed over by the stored positions minus records accounted for; anything but 0 is a bug.",
)
CHUNK_SECONDS: Final = Histogram(
    "tactus_chunk_seconds", "From taking a chunk up to the commit of its transaction.", buckets=REQUEST_BUCKETS_S
)
CHUNK_EVENTS: Final = Histogram("tactus_chunk_events", "Records in a chunk.", buckets=CHUNK_BUCKETS_EVENTS)
EVENT_TIME_LAG_SECONDS: Final = Distribution(
    "tactus_event_time_lag_seconds",
    "From an event's own time to the commit that counts it.",
    buckets=LAG_BUCKETS_S,
    registry=REGISTRY,
)
ACK_TO_SCORE_SECONDS: Final = Distribution(
    "tactus_ack_to_score_seconds",
    "From the log's append time of an event to the commit that makes its score readable.",
    buckets=LAG_BUCKETS_S,
    registry=REGISTRY,
)
FENCED: Final = Counter("tactus_fenced_total", "Chunks refused because another worker owned the partition.")
DEAD_LETTERS: Final = Counter(
    "tactus_dead_letters_total", "Records set aside because they cannot be counted, by reason.", ["reason"]
)
LINKS_REFUSED: Final = Counter(
    "tactus_links_refused_total",
    "Links that count for nothing, by reason: crowd (too many identities hang together), full (its customer has many).",
    ["reason"],
)
SCORES: Final = Distribution(
    "tactus_scores",
    "Scores as they were written, by dimension, 0 to 100.",
    buckets=SCORE_BUCKETS,
    label="dimension",
    registry=REGISTRY,
)
TOUCHPOINT_VALENCE: Final = Means(
    "tactus_touchpoint_valence",
    "Mean valence of the events counted since the process started, -1 to 1, by touchpoint.",
    label="touchpoint",
    registry=REGISTRY,
)
TOUCHPOINT_EVENTS: Final = Counter(
    "tactus_touchpoint_events_total", "Events counted, by touchpoint of the catalogue.", ["touchpoint"]
)
TOUCHPOINT_GOOD: Final = Counter(
    "tactus_touchpoint_good_valence_total",
    "Sum of the valences of good events, by touchpoint of the catalogue. Less the bad ones, by the events: the mean of any period.",
    ["touchpoint"],
)
TOUCHPOINT_BAD: Final = Counter(
    "tactus_touchpoint_bad_valence_total",
    "Sum of the valences of bad events without their sign, by touchpoint of the catalogue.",
    ["touchpoint"],
)
SCORED_PERSONS: Final = Levels(
    "tactus_scored_persons",
    "Persons by the band of their stored score, counted every five minutes.",
    label="band",
    registry=REGISTRY,
)
UNKNOWN_TOUCHPOINTS: Final = Counter(
    "tactus_unknown_touchpoints_total",
    "Events whose touchpoint the catalogue does not know; they count with the default weight.",
)
VALENCE_IGNORED: Final = Counter(
    "tactus_valence_ignored_total",
    "Events whose own valence was ignored, because the catalogue knows their touchpoint.",
)
API_REFUSALS: Final = Counter(
    "tactus_api_refusals_total",
    "Requests that the read API refused, by the problem that they were answered.",
    ["reason"],
)
SOURCE_LAST_EVENT: Final = Levels(
    "tactus_source_last_event_timestamp_seconds",
    "When the last event of a source came; 0 before the first.",
    label="source",
    registry=REGISTRY,
)
SOURCE_SILENT_SECONDS: Final = Levels(
    "tactus_source_silent_seconds",
    "Since when a source has been silent that by its own rhythm would have sent; 0 while it is not.",
    label="source",
    registry=REGISTRY,
)
SOURCE_DAY_EVENTS: Final = Levels(
    "tactus_source_day_events",
    "Events of a source within 24 hours, without those that were older than a day when they came.",
    label="source",
    registry=REGISTRY,
)
SOURCE_DAY_EXPECTED: Final = Levels(
    "tactus_source_day_expected_events",
    "Events that a source usually sends in such 24 hours; absent in its first week.",
    label="source",
    registry=REGISTRY,
)
SOURCE_DAY_REJECTED: Final = Levels(
    "tactus_source_day_rejected_events",
    "Events of a source within 24 hours that were set aside.",
    label="source",
    registry=REGISTRY,
)
SOURCE_CLOCK_SECONDS: Final = Levels(
    "tactus_source_clock_error_seconds",
    "The least that lay between sending and arriving within 24 hours, where a source that is no page says when it sent: "
    "below zero its clock is ahead.",
    label="source",
    registry=REGISTRY,
)
TILLS_MISSING: Final = Levels(
    "tactus_tills_missing_records",
    "Transaction numbers of a source's tills that never came, in seven business days.",
    label="source",
    registry=REGISTRY,
)
TILLS_CLOCK_SECONDS: Final = Levels(
    "tactus_tills_clock_error_seconds",
    "As tactus_source_clock_error_seconds, of that till of a source whose clock is most wrong on its last business day.",
    label="source",
    registry=REGISTRY,
)
SCORES_ANNOUNCED: Final = Counter(
    "tactus_scores_announced_total",
    "Scores told to followers once more by this worker, because a model took over or a feed began: no event tells of them.",
)
FEED_RECORDS: Final = Counter(
    "tactus_feed_records_total",
    "Records of scores and steps of alerts that outbound has published, by topic.",
    ["topic"],
)
OUTBOX_AGE_SECONDS: Final = Waits(
    "tactus_outbox_oldest_age_seconds",
    "How long the oldest change that is not in its topic has waited since it was written; 0 when none waits.",
    label="topic",
    registry=REGISTRY,
)
CHORES_DONE_AT: Final = Gauge(
    "tactus_chores_done_timestamp_seconds",
    "When this worker last did the database's chores: coming months, and ids that may be forgotten.",
)
CENSUS_DONE_AT: Final = Gauge(
    "tactus_census_done_timestamp_seconds",
    "When this worker last finished a census of all people; 0 where others take them.",
)
PLACE_OPINIONS: Final = Counter(
    "tactus_place_opinions_total",
    "What whoever ordered at a place was to hear of it, by outcome: heard (sent to the log), unknown (nobody had been there), old (no census of the order's hour).",
    ["outcome"],
)
PROMISES_SWEPT: Final = Counter(
    "tactus_promises_swept_total",
    "Scores that this worker wrote anew because a promise to the customer fell due, or was overdue and went on.",
)
PROMISES_SWEPT_AT: Final = Gauge(
    "tactus_promises_swept_timestamp_seconds",
    "When this worker last found no customer left whose stored score lacks a promise that is overdue by this hour.",
)
ALERTS: Final = Counter(
    "tactus_alerts_total",
    "Steps of alerts that this worker wrote: opened, worsened, closed, withdrawn; of customers and of accounts.",
    ["severity", "state"],
)
ALERTS_OPEN: Final = Gauge(
    "tactus_alerts_open",
    "Alerts that are open, when this worker last looked; the same for every worker.",
    ["severity"],
)
FOLLOWERS_WAITING: Final = Gauge(
    "tactus_waiting_requests",
    "Requests for changes of scores that wait for one; above 200 the next is told to come again.",
)
SCORES_REFRESHED: Final = Counter(
    "tactus_scores_refreshed_total",
    "Stored scores that this worker read anew because they were old, by outcome: told (followers were told, because it moved), kept (it moved by less than they care about).",
    ["outcome"],
)
SCORES_OLDEST_AT: Final = Gauge(
    "tactus_scores_oldest_timestamp_seconds",
    "The hour that the oldest stored score was of which the last walk over all people left behind.",
)
ACCOUNTS_SCORED: Final = Counter(
    "tactus_accounts_scored_total",
    "Accounts whose stored score was read anew, by outcome: written, too_large (its contacts have lived more than is read), nobody (all of them are forgotten).",
    ["outcome"],
)
ACCOUNTS_WAITING: Final = Gauge(
    "tactus_waiting_accounts",
    "Accounts whose contacts have lived something since their stored score was read, when this worker last looked.",
)
RETENTION_REMOVED: Final = Totals(
    "tactus_retention_removed_total",
    "Rows that were removed because nobody reads them any more, by what they are.",
    label="subject",
    registry=REGISTRY,
)
RETENTION_DONE_AT: Final = Levels(
    "tactus_retention_done_timestamp_seconds",
    "When the last walk over all rows of a kind came to its end, or the first one began.",
    label="subject",
    registry=REGISTRY,
)
ACTIVE_MODEL: Final = Levels(
    "tactus_active_model_info",
    "1 for the version of the model that scores are read by.",
    label="version",
    registry=REGISTRY,
)
ACTIVATION_PERSONS: Final = Levels(
    "tactus_model_activation_persons",
    "Persons whose scores a model that takes over has written (done) and has not (left); absent while none takes over.",
    label="state",
    registry=REGISTRY,
)
ACTIVATION_STILL_SECONDS: Final = Gauge(
    "tactus_model_activation_still_seconds",
    "Since when a model that takes over has not moved on; 0 while none takes over.",
)
REBUILD_STILL_SECONDS: Final = Gauge(
    "tactus_rebuild_still_seconds",
    "Since when a rebuild that is under way has not moved on; 0 while there is none.",
)
CRM_RECORDS: Final = Counter(
    "tactus_crm_records_total",
    "Records that a CRM system was told, by connector and by what it said: sent, absent (it has none, none is made), failed, waiting (tried again).",
    ["adapter", "outcome"],
)
CRM_TROUBLES: Final = Counter(
    "tactus_crm_troubles_total",
    "Calls to a CRM system that came to nothing, by connector: away, throttled, unauthorised, refused.",
    ["adapter", "state"],
)
CRM_STANDING: Final = Gauge(
    "tactus_crm_standing_records", "Records of a connector by what the system last said.", ["adapter", "state"]
)
CRM_OLDEST_AGE_SECONDS: Final = Gauge(
    "tactus_crm_oldest_age_seconds", "How long the oldest record that is due waits for a CRM system.", ["adapter"]
)
CRM_TROUBLED_SECONDS: Final = Gauge(
    "tactus_crm_troubled_seconds", "Since when a CRM system takes nothing at all; 0 while it does.", ["adapter"]
)
CRM_CALLS_LEFT: Final = Gauge(
    "tactus_crm_left_calls", "Calls of a connector's budget of a day that are left.", ["adapter"]
)
CRM_SECRET_AGE_SECONDS: Final = Gauge(
    "tactus_crm_secret_age_seconds", "How old a connector's secret or token is.", ["adapter"]
)
WEBHOOK_DELIVERIES: Final = Counter(
    "tactus_webhook_deliveries_total",
    "Attempts to deliver to webhooks, by outcome: delivered, refused, redirected, gone, timeout, unreachable, unresolved, blocked, malformed.",
    ["outcome"],
)
WEBHOOK_ENDPOINTS: Final = Levels(
    "tactus_webhook_endpoints",
    "Webhooks, by state: enabled, failing (the last attempt was), given_up (gone, or failing for five days), disabled (as asked).",
    label="state",
    registry=REGISTRY,
)
INCIDENTS_OPEN: Final = Levels(
    "tactus_incidents_open",
    "Incidents that are not over, by what their people share: place, touchpoint or channel.",
    label="dimension",
    registry=REGISTRY,
)
INCIDENT_STEPS: Final = Counter(
    "tactus_incidents_total", "What happened to incidents: opened, grown, resolved.", ["state"]
)
ALERTS_JUDGED: Final = Gauge(
    "tactus_alerts_judged",
    "Alerts opened within four weeks, by rule and by what people said of them: real, false, known; open when nothing yet.",
    ["rule", "outcome"],
)
ALERT_ACKNOWLEDGE_SECONDS: Final = Gauge(
    "tactus_alert_acknowledge_seconds",
    "From the opening of an alert to the first look at it, the median of four weeks, by rule.",
    ["rule"],
)
BUILD_INFO: Final = Info("tactus_build", "The version that runs.")


def announce_build() -> None:
    """Show the version; a process calls it once, at its start."""
    BUILD_INFO.info({"version": version("tactus")})


def label_of(value: str, *, known: Collection[str]) -> str:
    """Give a label value that cannot grow without limit: one that is known beforehand, or `other`."""
    return value if value in known else OTHER
