from __future__ import annotations

import time
from collections.abc import Callable, Collection

import crawleruseragents
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.touchpoint import AGENT_PATTERN
from services.infra.classes.agents import AGENT_CHARS_MAX, listed_patterns, matcher, reduced, word_pattern
from services.infra.classes.reading import read_classes

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15"
PEOPLE = [
    CHROME,
    f"{CHROME} Edg/140.0.0.0",
    f"{CHROME} OPR/120.0.0.0",
    f"{CHROME} Vivaldi/7.5",
    SAFARI,
    "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0",
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 "
        "[FBAN/FBIOS;FBAV/513.0.0.50.108;FBBV/733880139;FBDV/iPhone14,5;FBMD/iPhone;FBSN/iOS;FBSV/18.5;FBLC/pl_PL]"
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 "
        "Instagram 380.0.0.28.104 (iPhone14,5; iOS 18_5; pl_PL; pl; scale=3.00; 1170x2532; 738119442)"
    ),
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) [Pinterest/iOS]",
    (
        "Mozilla/5.0 (Linux; Android 14; SM-S911B Build/UP1A.231005.007; wv) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Version/4.0 Chrome/139.0.7258.143 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/520.0.0.44.99;]"
    ),
    (
        "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 "
        "Chrome/125.0.0.0 Mobile Safari/537.36"
    ),
    (
        "Mozilla/5.0 (Linux; Android 15; CPH2557 Build/AP3A.240617.008; wv) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Version/4.0 Chrome/142.0.7444.142 Mobile Safari/537.36"
    ),
    "Opera/9.80 (J2ME/MIDP; Opera Mini/7.1.32052/29.3709; U; en) Presto/2.8.119 Version/11.10",
    "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UQ1A.240105.004)",
    "OurShop/3 CFNetwork/1410.1 Darwin/22.6.0",
    "okhttp/4.12.0",
    "curl/8.5.0",
    "",
]


@pytest.fixture(scope="module")
def class_of() -> Callable[[str], str]:
    """The class by the shipped rules of whoever calls itself so."""
    file = read_classes()

    def name(agent: str) -> str:
        places = file.agents(reduced(agent))
        return next((rule.event_class for place, rule in enumerate(file.rules) if place in places), "")

    return name


@pytest.mark.parametrize("agent", PEOPLE, ids=lambda agent: agent[-24:])
def test_browsers_and_apps_are_nobody_but_people(class_of: Callable[[str], str], agent: str) -> None:
    assert class_of(agent) == ""


@pytest.mark.parametrize(
    ("agent", "event_class"),
    [
        (CHROME.replace("Chrome", "HeadlessChrome"), "bot"),
        (f"{SAFARI} jsdom/26.0.0", "bot"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "bot"),
        ("Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)", "bot"),
        ("Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", "monitor"),
        ("Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)", "monitor"),
    ],
)
def test_crawlers_driven_browsers_and_monitors_are_told(
    class_of: Callable[[str], str], agent: str, event_class: str
) -> None:
    assert class_of(agent) == event_class


def test_what_is_kept_is_enough_to_know_the_crawlers_of_the_list() -> None:
    listed = crawleruseragents.CRAWLER_USER_AGENTS_DATA
    known = matcher({0: [one["pattern"] for one in listed]})
    agents = [agent for one in listed for agent in one["instances"]]

    lost = [agent for agent in agents if not known(reduced(agent))]

    # Lost are those that only an address of theirs tells, and one whose pattern is a telephone's build, which people have.
    assert len(agents) > 2000
    assert len(lost) < len(agents) / 200
    assert [agent for agent in lost if "@" not in agent and "AP3A.240617" not in agent] == []


def test_little_is_kept_of_who_somebody_is() -> None:
    told = "Shop/3.1.4 (ann@shop.example; +48600100200; 5f0c1d2e-aaaa-bbbb-cccc-0123456789ab) 10.20.30.40\x00\u0142 Chrome/1.2.3.4"

    assert reduced(told) == "Shop/3.1 ([removed]; +0; 0) 10.20 Chrome/1.2"


@given(st.text(max_size=3000))
def test_whatever_is_sent_is_reduced_once_to_something_that_a_record_may_hold(agent: str) -> None:
    kept = reduced(agent)

    assert len(kept) <= AGENT_CHARS_MAX
    assert kept.isascii()
    assert kept == kept.strip()
    assert not kept or kept.isprintable()
    assert rf"^[ -~]{{1,{AGENT_CHARS_MAX}}}$" == AGENT_PATTERN


@pytest.mark.parametrize("piece", ["1", "1.", "a", "-", "@", "x@y.z ", "bot", "Google", "0a-", "\x00", "(", "7_"])
def test_a_hostile_agent_takes_time_as_its_length_does(class_of: Callable[[str], str], piece: str) -> None:
    took = {}
    for length in (128, 1024):
        agents = [(piece * length)[: length - 3] + f"{number:03}" for number in range(100)]
        began = time.process_time()
        for agent in agents:
            class_of(agent)
        took[length] = time.process_time() - began

    # Eight times the length; sixty-four times the time would be one walk for each beginning.
    assert took[1024] < 32 * took[128] + 0.05


def test_a_name_is_known_after_ten_thousand_that_nobody_knows(class_of: Callable[[str], str]) -> None:
    letters = "bBoOtT/.+:()GoglecrawlespidMozilla "
    for number in range(10_000):
        class_of("".join(letters[(number * (place + 7) + place * place) % len(letters)] for place in range(60)))

    assert class_of("Mozilla/5.0 (compatible; bingbot/2.0)") == "bot"


def test_words_stand_anywhere_in_any_case_and_mean_themselves() -> None:
    numbers: Callable[[str], Collection[int]] = matcher({0: [word_pattern("c++ (probe)")], 3: [word_pattern("PROBE")]})

    assert numbers("Our C++ (Probe)/1") == {0, 3}
    assert numbers("Our Probe/1") == {3}
    assert numbers("another") == frozenset()
    assert matcher({})("another") == frozenset()


def test_the_kinds_of_the_list_are_those_that_the_shipped_rules_name() -> None:
    assert all(listed_patterns({tag}) for tag in ("browser-automation", "monitoring", "search-engine", "ai-crawler"))
