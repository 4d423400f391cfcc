from __future__ import annotations

from pathlib import Path

import pytest

from services.infra.classes.reading import CLASSES_FILE, RULES_MAX, check, read_classes
from services.infra.errors import ConfigurationError

OWN = """\
ranges:
  lab: [203.0.113.0/24, "2001:db8::/48"]
rules:
  probe: {class: monitor, agents: [OurProbe/]}
  lab: {class: test, ranges: [lab, private], sources: [staging-*]}
  sandbox: {class: none, says: [test], sources: [demo-shop]}
without: [crawlers]
"""


def read(tmp_path: Path, text: str) -> str:
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        read_classes(path)
    return str(refused.value).replace(str(path), "own.yaml")


def test_the_shipped_rules_are_in_order() -> None:
    assert [rule.name for rule in read_classes().rules] == ["staff", "headless", "monitors", "crawlers"]
    assert "4 rules: in order" in check()


def test_a_file_adds_rules_before_the_shipped_ones_and_switches_some_off(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(OWN, encoding="utf-8")

    file = read_classes(path)

    assert [rule.name for rule in file.rules] == ["probe", "lab", "sandbox", "staff", "headless", "monitors"]
    assert [str(network) for network in file.ranges["lab"]] == ["203.0.113.0/24", "2001:db8::/48"]
    assert file.agents("An ourprobe/1") == {0}
    assert file.agents("HeadlessChrome/140") == {4}


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("# nothing yet\n", encoding="utf-8")

    assert read_classes(path).rules == read_classes().rules


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "rules:\n  a: {class: robot, says: [test]}\n",
            "own.yaml:2: rules.a.class: 'robot' is not known here; did you",
        ),
        ("rules:\n  a: {says: [test]}\n", "own.yaml:2: rules.a: lacks `class`; add it"),
        ("rules:\n  a: {class: bot}\n", "own.yaml:2: rules.a: asks for nothing, and would fit every event"),
        (
            "rules:\n  a: {class: bot, agent: [x]}\n",
            "own.yaml:2: rules.a.agent: is not a known key; did you mean 'agents'",
        ),
        ("rules:\n  a: {class: bot, agents: [ab]}\n", "own.yaml:2: rules.a.agents: 'ab' must have 3 to 64 characters"),
        ("rules:\n  a: {class: bot, agents: [Bot/1.2.3]}\n", "own.yaml:2: rules.a.agents: 'Bot/1.2.3' stands in no"),
        ("rules:\n  a: {class: bot, agents: [za\u017c\u00f3\u0142\u0107]}\n", "stands in no record"),
        (
            "rules:\n  a: {class: bot, lists: [bots]}\n",
            "own.yaml:2: rules.a.lists: 'bots' is not known here; write one of",
        ),
        (
            "rules:\n  a: {class: bot, ranges: [lab]}\n",
            "own.yaml:2: rules.a.ranges: 'lab' is not known here; write one of",
        ),
        ("rules:\n  a: {class: bot, staff: 1}\n", "own.yaml:2: rules.a.staff: must be true or false"),
        ("rules:\n  crawlers: {class: none, says: [bot]}\n", "is the name of a shipped rule; switch that off too"),
        ("without: [crawler]\n", "own.yaml:1: without: 'crawler' is not known here; write one of crawlers"),
        ("ranges:\n  lab: [203.0.113.7/24]\n", "own.yaml:2: ranges.lab: '203.0.113.7/24' must be a range such as"),
        ('ranges:\n  lab: ["2001:db8::1/128"]\n', "must be a /64 or larger"),
        ("ranges:\n  private: [10.0.0.0/8]\n", "own.yaml:2: ranges.private: must have another name"),
        ("ranges:\n  a b: [10.0.0.0/8]\n", "must have another name"),
        ("rule:\n", "own.yaml:1: rule: is not a known key; did you mean 'rules'?"),
        ("rules: [a]\n", "own.yaml:1: rules: must hold `key: value` pairs"),
        ("rules:\n\t- x", "own.yaml:2: is not YAML"),
        (
            "rules:\n" + "".join(f"  r{n}: {{class: bot, says: [test]}}\n" for n in range(RULES_MAX + 1)),
            f"rules: holds more than {RULES_MAX} rules; join some",
        ),
    ],
)
def test_a_wrong_line_is_named_with_its_fix(tmp_path: Path, text: str, said: str) -> None:
    assert said in read(tmp_path, text)


def test_a_file_that_is_not_there_is_told_with_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="set TACTUS_CLASSES to a YAML file, or unset it"):
        read_classes(tmp_path / "none.yaml")


def test_the_shipped_file_says_what_each_rule_asks_for() -> None:
    assert CLASSES_FILE.read_text(encoding="utf-8").startswith("# What an event is that no customer makes.")
