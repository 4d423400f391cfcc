"""Mail by SMTP: what follows an alert stands in its thread; a digest is one mail."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

import aiosmtplib
from pydantic import SecretStr

from services.outbound.notify.message import Message
from services.outbound.notify.posting import cut
from services.outbound.notify.routes import MailRoute
from services.outbound.notify.sink import Later, Off, Outcome, Refused, Told
from services.outbound.notify.words import WORDS

TIMEOUT_S: Final = 20.0
"""A mail server that checks for spam takes some seconds."""

SUBJECT_CHARS_MAX: Final = 200

BODY_CHARS_MAX: Final = 100_000

_LASTING: Final = 500
"""From here on SMTP's codes say that trying again is in vain."""


class Mail:
    """Tells by mail. A mail that was taken for some of its receivers is told: the server writes back for the others."""

    pause_s = 0.2

    def __init__(self, row: MailRoute, secret: SecretStr | None) -> None:
        self._row = row
        self._secret = secret

    async def tell(self, message: Message, reference: Mapping[str, str]) -> Outcome:
        """Send one mail; its Message-ID is the same whenever it is sent again."""
        mail = self.mail(message, reference)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await aiosmtplib.send(
                    mail,
                    hostname=self._row.host,
                    port=self._row.port,
                    username=self._row.user,
                    password=None if self._secret is None else self._secret.get_secret_value(),
                    use_tls=self._row.tls == "tls",
                    start_tls=self._row.tls == "starttls",
                    timeout=TIMEOUT_S,
                )
        except TimeoutError:
            return Later(f"the server did not answer within {TIMEOUT_S:.0f} s", unsure=True)
        except (aiosmtplib.SMTPException, OSError) as error:
            return _meaning(error)
        return Told({"message_id": reference.get("message_id") or str(mail["Message-ID"])})

    def mail(self, message: Message, reference: Mapping[str, str]) -> EmailMessage:
        """A message as a mail; the first of an alert begins the thread, by the reference it leaves."""
        mail = EmailMessage(policy=SMTP)
        domain = self._row.sender.rpartition("@")[2]
        opened = reference.get("message_id")
        mail["Message-ID"] = f"<{message.id}@{domain}>"
        if opened:
            mail["In-Reply-To"] = opened
            mail["References"] = opened
        mail["Subject"] = cut(message.title, SUBJECT_CHARS_MAX)
        mail["From"] = Address("Tactus", addr_spec=self._row.sender)
        mail["To"] = ", ".join(self._row.to)
        mail["Date"] = message.changed_at
        mail["List-Id"] = f"Tactus <{self._row.name}.{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Tactus-Alert"] = str(message.about)
        mail.set_content(cut(self._text(message), BODY_CHARS_MAX))
        return mail

    def _text(self, message: Message) -> str:
        words = WORDS[self._row.language]
        parts = [message.title, "\n".join(message.lines)]
        if message.advice:
            parts.append(f"{words.advice}: {message.advice}")
        if message.link:
            parts.append(f"{words.link}: {message.link}")
        return "\n\n".join(part for part in parts if part) + "\n"


def _meaning(error: Exception) -> Outcome:
    """What a failure of SMTP means; the server's words are not repeated, for they may name people."""
    match error:
        case aiosmtplib.SMTPResponseException():
            return _of_code(error)
        case aiosmtplib.SMTPRecipientsRefused(recipients=refused):
            codes = sorted({one.code for one in refused})
            because = f"the server takes mail for none of the receivers ({', '.join(map(str, codes))})"
            return Off(because) if codes and codes[0] >= _LASTING else Later(because)
        case aiosmtplib.SMTPNotSupported():
            return Off("the server lacks what the route asks for (TLS, or logging in)")
        case aiosmtplib.SMTPConnectError():
            return Later("the server cannot be reached")
        case _:
            return Later(f"the connection failed ({type(error).__name__})", unsure=True)


def _of_code(error: aiosmtplib.SMTPResponseException) -> Outcome:
    match error:
        case aiosmtplib.SMTPConnectResponseError() | aiosmtplib.SMTPHeloError():
            return Later(f"the server greets with {error.code}")
        case _ if error.code < _LASTING:
            return Later(f"the server answered {error.code}")
        case aiosmtplib.SMTPAuthenticationError():
            return Off(f"the server does not let us in ({error.code})")
        case aiosmtplib.SMTPSenderRefused():
            return Off(f"the server does not take mail from the sender ({error.code})")
        case _:
            return Refused(f"the server answered {error.code}")
