"""Read an XML file element by element, each within bounds; documents with a DTD or entities are refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Final, NoReturn
from xml.parsers import expat

from services.till.limits import CHUNK_BYTES, XML_DEPTH_MAX, XML_ELEMENTS_MAX, XML_TEXT_MAX

_UNFINISHED: Final = frozenset(
    {expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS], expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
     expat.errors.codes[expat.errors.XML_ERROR_PARTIAL_CHAR], expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION]}
)  # fmt: skip


class XmlError(Exception):
    """The file is no XML that is read here; the words say what to mend."""


class CutOffError(XmlError):
    """The file ends before its root does: it is still being written, or was cut off."""


class Element:
    """One element with its children; names are without namespaces."""

    __slots__ = ("_attributes", "_texts", "children", "name")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self._attributes = attributes
        self._texts: list[str] = []
        self.children: list[Element] = []

    @property
    def text(self) -> str:
        return "".join(self._texts).strip()

    def add(self, text: str) -> None:
        self._texts.append(text)

    def attribute(self, name: str) -> str:
        """Return an attribute; empty where there is none."""
        return self._attributes.get(name, "").strip()

    def flag(self, name: str) -> bool:
        """Tell whether a flag is set."""
        return self.attribute(name).lower() in ("true", "1")

    def named(self, name: str) -> Iterator[Element]:
        """Return the children of a name."""
        return (one for one in self.children if one.name == name)

    def child(self, *names: str) -> Element | None:
        """Return the first child of a name, of that one the first of the next name, and so on."""
        found: Element | None = self
        for name in names:
            found = None if found is None else next(found.named(name), None)
        return found

    def value(self, *names: str) -> str:
        """Return the text of such a child; empty where there is none."""
        found = self.child(*names)
        return "" if found is None else found.text

    def find(self, *names: str) -> Iterator[Element]:
        """Return every element of these names, however deep, in the order of the document."""
        for one in self.children:
            if one.name in names:
                yield one
            yield from one.find(*names)

    def source(self) -> bytes:
        """Write what is known of the element, for people to recognise it."""
        numbers = ("RetailStoreID", "WorkstationID", "SequenceNumber", "BusinessDayDate", "EndDateTime")
        told = "".join(f"<{one.name}>{one.text}</{one.name}>" for one in self.children if one.name in numbers)
        return f"<{self.name}>{told}</{self.name}>".encode("utf-8", "replace")


class _Reader:
    """Collects the elements of one name, wherever they stand, and keeps nothing else."""

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted
        self._open: list[Element] = []
        self._depth = 0
        self._elements = 0
        self._chars = 0
        self.root = ""
        self.done: list[Element] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(" ")[2]
        self.root = self.root or name
        self._depth += 1
        if self._depth > XML_DEPTH_MAX:
            raise XmlError(f"nests deeper than {XML_DEPTH_MAX}: no POSLog does")
        if not self._open and name != self._wanted:
            return
        self._elements += 1
        self._count(sum(map(len, attributes.values())))
        if self._elements > XML_ELEMENTS_MAX:
            raise XmlError(f"holds a transaction of more than {XML_ELEMENTS_MAX} elements: no till makes one")
        element = Element(name, {key.rpartition(" ")[2]: value for key, value in attributes.items()})
        if self._open:
            self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _: str) -> None:
        self._depth -= 1
        if not self._open:
            return
        element = self._open.pop()
        if not self._open:
            self._elements = self._chars = 0
            self.done.append(element)

    def text(self, text: str) -> None:
        if self._open:
            self._count(len(text))
            self._open[-1].add(text)

    def _count(self, chars: int) -> None:
        self._chars += chars
        if self._chars > XML_TEXT_MAX:
            raise XmlError(f"holds a transaction of more than {XML_TEXT_MAX} characters: no till makes one")


def elements(stream: IO[bytes], wanted: str, *, root: str) -> Iterator[Element]:
    """Read the elements of a name out of a document, one after the other; only one is in memory at a time, or a few.

    Raises CutOffError after the last whole one when the document ends early, and XmlError when it is not one.
    """
    reader = _Reader(wanted)
    parser = _parser(reader)
    chunk = b"-"
    while chunk:
        chunk = stream.read(CHUNK_BYTES)
        error = _fault(parser, chunk)
        if reader.root and reader.root != root:
            raise XmlError(f"is a document of {reader.root[:40]!r}, not of {root}")
        yield from reader.done
        reader.done.clear()
        if error is not None:
            raise error


def _fault(parser: expat.XMLParserType, chunk: bytes) -> XmlError | None:
    """Parse a piece; return what is wrong with it, after which nothing more can be read."""
    try:
        parser.Parse(chunk, not chunk)
    except XmlError as error:
        return error
    except expat.ExpatError as error:
        if not chunk and error.code in _UNFINISHED:
            return CutOffError("the document ends before its last element does")
        return XmlError(f"line {error.lineno}, column {error.offset}: {expat.ErrorString(error.code)}")
    return None


def _parser(reader: _Reader) -> expat.XMLParserType:
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    # A DTD declares what entities stand for, and that is how a small file becomes a large one, or reads other files.
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    return parser


def _refuse(*_: object) -> NoReturn:
    raise XmlError("holds a DTD or entities, which are not read: write it without <!DOCTYPE>")
