"""Judge a URL when somebody names it, so that its owner hears of it at once; every request is judged again."""

from __future__ import annotations

from collections.abc import Sequence

from services.infra.egress.addresses import Network
from services.infra.egress.resolving import Resolver, Unresolved, ways_to
from services.infra.egress.urls import NotAllowed, Target, target_of
from services.infra.http.peers import networks
from services.infra.settings import WebhookSettings


class Gate:
    """Knows where requests may go."""

    def __init__(self, resolver: Resolver, *, http: bool, allowed: Sequence[Network]) -> None:
        self.resolver = resolver
        self.allowed = allowed
        self._http = http

    @classmethod
    def of(cls, settings: WebhookSettings, resolver: Resolver) -> Gate:
        """The gate that the operator has set."""
        return cls(resolver, http=settings.http, allowed=networks(settings.networks))

    def target(self, url: str) -> Target | NotAllowed:
        """Read a URL."""
        return target_of(url, http=self._http)

    async def refusal(self, url: str) -> str | None:
        """Tell why a URL is not taken. A name without an address is: it may get one, and is looked up again then."""
        target = self.target(url)
        if isinstance(target, NotAllowed):
            return target.because
        ways = await ways_to(target.host, self.resolver, allowed=self.allowed)
        if isinstance(ways, Unresolved) and ways.blocked:
            return "The host has an address that is not public. TACTUS_WEBHOOKS__NETWORKS allows networks of your own."
        return None
