"""Put the notifications of a process together, as its settings say."""

from __future__ import annotations

from services.infra.catalogue.reading import LANGUAGES, labels
from services.infra.clock import SystemClock
from services.infra.followed_file import FollowedFile
from services.infra.settings import Settings
from services.outbound.notify.message import Texts
from services.outbound.notify.notifier import Notifier
from services.outbound.notify.routes import Routes
from services.outbound.notify.routes_file import load_routes
from services.state.outbound import OutboundDatabase


def texts_of(settings: Settings) -> Texts:
    """What messages are made of; raises ConfigurationError for a catalogue with a mistake."""
    by_language = {language: labels(language, override=settings.catalogue) for language in LANGUAGES}
    return Texts(by_language, settings.outbound.link)


def notifier_of(database: OutboundDatabase, settings: Settings) -> Notifier:
    """Make the notifier; raises ConfigurationError for a routes file with a mistake at the start."""
    path = settings.outbound.routes
    routes: FollowedFile[Routes] = FollowedFile(path, load=lambda: load_routes(path), name="routes")
    return Notifier(database, routes, texts=texts_of(settings), clock=SystemClock())
