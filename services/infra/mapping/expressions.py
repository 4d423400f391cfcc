"""Expressions of a map: the part of JMESPath that only finds things, within bounds that no body can exceed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from jmespath.exceptions import JMESPathError, LexerError, ParseError
from jmespath.functions import Functions
from jmespath.parser import Parser
from jmespath.visitor import TreeInterpreter

CHARS_MAX: Final = 512
"""A filter over two nested lists has 150; a longer expression hides what the map shall say."""

DEPTH_MAX: Final = 32
"""Parts inside parts, of which a filter of a filter has twelve; each costs some frames of Python's stack."""

PARTS_MAX: Final = 96
"""Names, comparisons and calls; an expression of four comparisons has 20."""

STEPS_OF_EVENT_MAX: Final = 2_000
"""What the expressions of one event may visit, at some two microseconds each: as long as the worst event's verdict."""

STEPS_OF_BODY_MAX: Final = 20_000
"""What finding the rows of one body may visit: 500 rows with two conditions each need half, a twentieth of a second."""

FUNCTIONS: Final = frozenset(
    {
        "abs", "avg", "ceil", "contains", "ends_with", "floor", "keys", "length", "max", "max_by", "min", "min_by",
        "not_null", "reverse", "sort", "sort_by", "starts_with", "sum", "to_number", "type", "values",
    }
)  # fmt: skip
"""Those whose result is no larger than what they are given: join, map, merge, to_array and to_string can double it, again
and again."""

PARTS: Final = frozenset(
    {
        "and_expression", "comparator", "current", "expref", "field", "filter_projection", "flatten",
        "function_expression", "identity", "index", "index_expression", "literal", "not_expression", "or_expression",
        "pipe", "projection", "slice", "subexpression", "value_projection",
    }
)  # fmt: skip
"""All that finds. What makes lists and objects is left out: with it, 500 characters make a value of 2^60 parts."""

Node = Any
"""A part of an expression as the library has it: a mapping of its type, its children and a value; its stubs name no type."""


class Faulty(Exception):  # noqa: N818 - a value among others to whoever reads a map, which reports it with its line
    """An expression that cannot be used; says why."""


class Exhausted(Exception):  # noqa: N818 - names the state of the work, as StopIteration does
    """The expressions of an event, or of a body, visit more than they may."""


class Unfit(Exception):  # noqa: N818 - as above
    """An expression compares things of two kinds; says which to mend."""


class Work:
    """The steps that are left to some expressions."""

    def __init__(self, steps: int) -> None:
        self._left = steps
        self._interpreter: _Counting | None = None

    @property
    def interpreter(self) -> _Counting:
        """What visits in its name; most rows need none."""
        if self._interpreter is None:
            self._interpreter = _Counting(self)
        return self._interpreter

    def spend(self, steps: int) -> None:
        """Take steps; raises Exhausted when there are none left."""
        self._left -= steps
        if self._left < 0:
            raise Exhausted


class Expression:
    """A compiled expression."""

    def __init__(self, text: str) -> None:
        """Compile; raises Faulty where it is not one of ours."""
        self.text = text
        self._root = _parsed(text)

    def find(self, document: object, work: Work) -> object:
        """Return what it finds, None where there is nothing; raises Exhausted and Unfit."""
        try:
            found: object = work.interpreter.visit(self._root, document)
        except TypeError as error:
            raise Unfit(f"{self.text}: compares a text with a number; write to_number(…) around the text") from error
        except (JMESPathError, ArithmeticError, ValueError, RecursionError):
            # A function was given what it does not take, most often nothing.
            return None
        return found


class _Counting(TreeInterpreter):
    """The library's interpreter, that counts what it visits."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self._work = work

    def visit(self, node: Node, *args: object, **kwargs: object) -> Any:  # noqa: ANN401 - any JSON value
        self._work.spend(1)
        return super().visit(node, *args, **kwargs)

    def visit_flatten(self, node: Node, value: object) -> Any:  # noqa: ANN401 - any JSON value
        flat = super().visit_flatten(node, value)
        # It visits no element of the lists that it joins, and takes as long as they are.
        self._work.spend(len(flat) if isinstance(flat, list) else 0)
        return flat


def holds(found: object) -> bool:
    """Tell whether what a condition found means yes, as JMESPath has it: all but false, nothing and what is empty."""
    return found is not None and found is not False and found not in ("", [], {})


def _parsed(text: str) -> Node:
    if len(text) > CHARS_MAX:
        raise Faulty(f"has {len(text)} characters, of which an expression has at most {CHARS_MAX}; find less at once")
    try:
        root: Node = Parser().parse(text).parsed
    except LexerError as error:
        raise Faulty(f"is no JMESPath: {error.message}, at character {error.lexer_position + 1}") from error
    except ParseError as error:
        raise Faulty(f"is no JMESPath at character {(error.lex_position or 0) + 1}: mend it there") from error
    except (JMESPathError, ValueError) as error:
        raise Faulty("is no JMESPath: write names joined by dots, such as order.customer.id") from error
    except RecursionError as error:
        raise Faulty(f"nests deeper than {DEPTH_MAX}; find less at once") from error
    _check(root)
    return root


def _check(root: Node) -> None:
    for parts, (depth, node) in enumerate(_walk(root), start=1):
        if depth > DEPTH_MAX:
            raise Faulty(f"nests deeper than {DEPTH_MAX}; find less at once")
        if parts > PARTS_MAX:
            raise Faulty(f"has more than {PARTS_MAX} parts; find less at once")
        if node["type"] not in PARTS:
            raise Faulty("makes a list or an object; an expression only finds what the map puts together")
        if node["type"] == "function_expression":
            _check_call(node)


def _walk(root: Node) -> Iterator[tuple[int, Node]]:
    waiting = [(1, root)]
    while waiting:
        depth, node = waiting.pop()
        yield depth, node
        waiting += [(depth + 1, child) for child in node["children"] if isinstance(child, dict)]


def _check_call(node: Node) -> None:
    name, given = node["value"], len(node["children"])
    if name not in FUNCTIONS:
        raise Faulty(f"calls {name}, which is no function here; there are {', '.join(sorted(FUNCTIONS))}")
    signature = Functions.FUNCTION_TABLE[name]["signature"]
    is_variadic = bool(signature) and bool(signature[-1].get("variadic"))
    if given < len(signature) or (given > len(signature) and not is_variadic):
        raise Faulty(f"gives {name} {given} values, and it takes {len(signature)}{' or more' if is_variadic else ''}")
