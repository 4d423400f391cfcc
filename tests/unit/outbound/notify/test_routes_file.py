"""A mistake in a routes file names its line and its fix, and repeats no secret; the file that worked stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.infra.errors import ConfigurationError
from services.infra.followed_file import FollowedFile
from services.outbound.notify.routes_file import load_routes

HOOK = "https://hooks.slack.example/services/T/B/of-a-test"
GOOD = """
[[route]]
name = "support"
sink = "slack"
secret = {file = "hook"}
severity = ["critical"]
quiet = {from = 22:00:00, to = 07:00:00}
zone = "Europe/Warsaw"
"""

MISTAKES = {
    "no TOML": ("[[route\n", "line 1: this is not TOML"),
    "an unknown sink": (
        GOOD.replace('"slack"', '"fax"'),
        "line 4: route[0].sink is missing or not known: write one of",
    ),
    "no sink": (GOOD.replace('sink = "slack"\n', ""), "line 2: route[0].sink is missing"),
    "a mistyped field": (
        GOOD.replace("severity", "severty"),
        "line 6: route[0].severty is not known: did you mean severity?",
    ),
    "an unknown severity": (GOOD.replace('"critical"', '"bad"'), "line 6: route[0].severity[0] is wrong: write a list"),
    "an unknown band": (
        f'{GOOD}band = ["awful"]\n',
        "line 9: route[0].band names no band: write a list of bands: critical,",
    ),
    "an unknown zone": (GOOD.replace("Europe/Warsaw", "Warsaw"), "line 8: route[0].zone is no time zone"),
    "half of the quiet hours": (
        GOOD.replace(", to = 07:00:00", ""),
        "line 7: route[0].quiet.to is missing: write quiet =",
    ),
    "a name twice": (GOOD + GOOD, "line 11: route[1].name is the name of another one"),
    "no secret": (GOOD.replace('secret = {file = "hook"}\n', ""), "line 2: route[0].secret is missing: say where"),
    "a secret in the file itself": (
        GOOD.replace('{file = "hook"}', f'"{HOOK}"'),
        "line 5: route[0].secret is wrong: say where",
    ),
    "two places of a secret": (
        GOOD.replace('file = "hook"', 'file = "hook", env = "HOOK"'),
        "line 5: route[0].secret is wrong",
    ),
    "a secret that is not there": (GOOD.replace('"hook"', '"lost"'), "cannot be read (No such file or directory)"),
    "a variable that is not set": (GOOD.replace('file = "hook"', 'env = "LOST_HOOK"'), "names the variable LOST_HOOK"),
    "a token without a channel": (
        GOOD.replace('"hook"', '"token"'),
        "line 2: route[0].channel is missing for a bot's token",
    ),
    "a workflow that is no address": (
        '[[route]]\nname = "t"\nsink = "teams"\nsecret = {file = "token"}\n',
        "line 4: route[0].secret is no address",
    ),
    "a webhook secret of another kind": (
        '[[route]]\nname = "w"\nsink = "webhook"\nurl = "https://a.example/x"\nsecret = {file = "token"}\n',
        "line 5: route[0].secret is no webhook secret",
    ),
    "a user without a password": (
        '[[route]]\nname = "m"\nsink = "mail"\nhost = "h"\nuser = "u"\nsender = "a@b.example"\nto = ["c@d.example"]\n',
        "line 5: route[0].user goes with a secret",
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hook").write_text(f"{HOOK}\n")
    (tmp_path / "token").write_text("xoxb-of-a-test")
    return tmp_path


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_names_its_line_and_its_fix(mistake: str, folder: Path) -> None:
    text, said = MISTAKES[mistake]
    path = folder / "routes.toml"
    path.write_text(text)

    with pytest.raises(ConfigurationError) as caught:
        load_routes(path)

    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "of-a-test" not in str(caught.value)


def test_a_secret_shows_nowhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPORT_HOOK", HOOK)
    path = folder / "routes.toml"
    path.write_text(GOOD.replace('file = "hook"', 'env = "SUPPORT_HOOK"'))

    routes = load_routes(path)

    secret = routes.by_name["support"].secret
    assert secret is not None
    assert secret.get_secret_value() == HOOK
    assert "of-a-test" not in repr(routes)


def test_without_a_file_nobody_is_told() -> None:
    assert load_routes(None).by_name == {}


def test_a_broken_file_leaves_the_routes_that_worked(folder: Path) -> None:
    path = folder / "routes.toml"
    path.write_text(GOOD)
    followed = FollowedFile(path, load=lambda: load_routes(path), name="routes")
    path.write_text(GOOD.replace('"slack"', '"fax"'))

    with capture_logs() as logs:
        followed.reload()

    assert list(followed.current.by_name) == ["support"]
    [line] = logs
    assert line["event"] == "routes_refused"
    assert "line 4" in line["reason"]
    assert "write one of slack" in line["reason"]


def test_another_secret_makes_another_fingerprint(folder: Path) -> None:
    path = folder / "routes.toml"
    path.write_text(GOOD)
    before = load_routes(path).by_name["support"].fingerprint
    (folder / "hook").write_text(f"{HOOK}2")

    after = load_routes(path).by_name["support"].fingerprint

    assert before != after
    assert "hooks.slack" not in before
