from __future__ import annotations

from typing import Any

import pytest

from services.core.classes import NO_RULES, NONE, Rule, Rules, class_of_record, reclass


def record(said: str = "", *, source: str = "site/tab", who: str = "customer:c1", **marks: str) -> dict[str, Any]:
    kind, _, value = who.partition(":")
    data = {"touchpoint": "web.page_viewed", "identities": [{"kind": kind, "value": value}]}
    return {"source": source, "data": {**data, "class": said} if said else data, **marks}


def classed(rule: Rule, one: dict[str, Any], *, agents: dict[str, set[int]] | None = None) -> str:
    known = agents or {}
    rules = Rules((rule,), agents=lambda agent: known.get(agent, ()), staff={"site": {"customer:ann"}})
    return class_of_record(reclass(one, rules))


def test_the_first_rule_that_fits_says_the_class() -> None:
    rules = Rules((Rule("a", "monitor", ranges=frozenset({"office"})), Rule("b", "staff", sources=("s*",))))

    assert reclass(record(ranges="office vpn"), rules)["classed"] == "monitor"
    assert reclass(record(), rules)["classed"] == "staff"
    assert "classed" not in reclass(record(source="till/1"), rules)


@pytest.mark.parametrize(
    ("rule", "fits", "does_not"),
    [
        (Rule("r", "bot", by_agent=True), record(agent="Robot"), record(agent="Browser")),
        (Rule("r", "bot", by_agent=True), record(agent="Robot"), record()),
        (Rule("r", "bot", ranges=frozenset({"lab"})), record(ranges="office lab"), record(ranges="office")),
        (Rule("r", "bot", staff=True), record(who="customer:ann"), record(who="customer:ben")),
        (Rule("r", "bot", staff=True), record(ranges="staff"), record(source="till/1", who="customer:ann")),
        (Rule("r", "bot", said=frozenset({"test"})), record("test"), record()),
        (Rule("r", "bot", sources=("si*",)), record(source="site"), record(source="till/site")),
    ],
)
def test_a_rule_asks_for_all_that_it_names(rule: Rule, fits: dict[str, Any], does_not: dict[str, Any]) -> None:
    agents = {"Robot": {0}}

    assert classed(rule, fits, agents=agents) == "bot"
    assert classed(rule, does_not, agents=agents) == ""
    assert classed(rule._replace(sources=("other",)), fits, agents=agents) in ("", "test")


def test_what_an_event_says_itself_stands_unless_a_rule_speaks_of_it() -> None:
    everything = Rule("all", "bot", sources=("*",))
    sandbox = Rule("sandbox", NONE, said=frozenset({"test"}), sources=("site",))

    assert classed(everything, record("training")) == "training"
    assert classed(sandbox, record("test")) == ""
    assert reclass(record("test"), Rules((sandbox,)))["classed"] == NONE


def test_what_rules_said_before_is_forgotten() -> None:
    once = reclass(record(), Rules((Rule("all", "bot", sources=("*",)),)))

    assert once["classed"] == "bot"
    assert reclass(once, NO_RULES) == record()
