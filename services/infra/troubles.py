"""What keeps us from a server: tables of errors, what they mean, who can mend them and how."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable
from typing import NamedTuple

from services.infra.errors import TactusError


class Trouble(NamedTuple):
    """What an error on the way to a server, or from it, means.

    What waiting can mend is an UnavailableError, what an operator must, a ConfigurationError.
    """

    errors: tuple[type[BaseException], ...]
    kind: type[TactusError]
    cause: str
    """In words; `{said}` stands for what the error says."""

    fix: str
    says: str = ""
    """A pattern that the error's words must have, where its class does not say enough."""

    def named(self, said: str, *, where: str = "") -> TactusError:
        """The cause before the semicolon, behind the words for where it happened; the fix after it."""
        return self.kind(f"{where}{self.cause.format(said=said)}; {self.fix}")


def first_that_fits(troubles: Iterable[Trouble], error: BaseException, said: str) -> Trouble | None:
    """The error's place in a table, by its class and its words."""
    for trouble in troubles:
        if isinstance(error, trouble.errors) and re.search(trouble.says, said):
            return trouble
    return None


def said_by_tls(error: ssl.SSLError) -> str:
    """What OpenSSL says, without its numbers and the lines of its source."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return (error.reason or str(error)).lower().replace("_", " ")
