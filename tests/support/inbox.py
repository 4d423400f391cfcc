"""A real SMTP server of a test, with the mail it took; it refuses whom it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes
from email.message import Message
from typing import NamedTuple

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from services.embedded.free_ports import free_port


class Inbox:
    """Takes mail."""

    def __init__(self) -> None:
        self.mails: list[Message] = []
        self.answer = "250 OK"
        self.to = "250 OK"

    async def handle_RCPT(  # noqa: N802 - the library's own
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.to

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's own
        if self.answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.mails.append(message_from_bytes(envelope.content))
        return self.answer

    def texts(self) -> list[str]:
        """What the mails say."""
        bodies = [mail.get_payload(decode=True) for mail in self.mails]
        return [body.decode() for body in bodies if isinstance(body, bytes)]


class Listening(NamedTuple):
    """An inbox, and where it listens."""

    inbox: Inbox
    port: int


@contextmanager
def receiving() -> Iterator[Listening]:
    """An SMTP server on a free port for as long as the test needs."""
    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield Listening(inbox, controller.port)
    finally:
        with suppress(RuntimeError):
            controller.stop()
