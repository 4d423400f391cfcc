"""What the agent takes, sends and keeps at most."""

from __future__ import annotations

from typing import Final

LINE_BYTES_MAX: Final = 32 * 1024
"""The door's limit for an event."""

BATCH_LINES_MAX: Final = 500
"""The door's limit for a request."""

BATCH_BYTES_MAX: Final = 1024 * 1024
"""The door's limit for a body; kept before packing, so that a body that does not shrink fits as well."""

BACKLOG_MIB: Final = 256
"""Of lines that wait: half a million of 500 bytes, a month of a busy store. Beyond it nothing more is taken."""

KNOWN_LINES_MAX: Final = 200_000
"""Keys of lines that were sent are remembered for so many: what is read again is not sent again. The door knows them too."""

ASIDE_LINES_MAX: Final = 2000
"""A till that says more than this wrong is set up wrong; the oldest go, and 64 MiB is the most that they take."""

ASIDE_BYTES_MAX: Final = LINE_BYTES_MAX
"""Of one line that is set aside; the rest of a longer one is cut off."""

ANSWER_BYTES_MAX: Final = 1024 * 1024
"""500 verdicts take 100 KiB."""

ANSWER_S_MAX: Final = 30.0
"""The door answers within a few seconds; a mobile line takes as long again for the way."""

WAIT_S_FIRST: Final = 1.0
WAIT_S_MAX: Final = 300.0
"""Between attempts: a line that is back is noticed within five minutes, and a night without one costs a hundred attempts."""

ASKED_WAIT_S_MAX: Final = 3600.0
"""What a door asks for beyond this is a mistake of somebody between."""

CLOCK_ERROR_S: Final = 2.0
"""Beyond what the measurement leaves open; less than this moves no score, and a Date header has whole seconds."""

POLL_S: Final = 1.0
"""How often a folder is looked at, and a waiting agent looks for work."""

CHUNK_BYTES: Final = 64 * 1024
"""Read at once from standard input: what a pipe holds."""

XML_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of a POSLog file: a day of a large store takes some 20 MiB."""

XML_DEPTH_MAX: Final = 32
"""POSLog nests about twelve deep."""

XML_ELEMENTS_MAX: Final = 20_000
"""Of one transaction: 500 items with forty elements each."""

XML_TEXT_MAX: Final = 1024 * 1024
"""Of one transaction, attributes included: receipts as text and pictures of signatures are some 100 KiB."""
