"""Which keys are whose."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import structlog

from services.infra import followed_file
from services.infra.errors import ConfigurationError
from services.infra.pseudonyms import pseudonym
from services.infra.sources import load_sources, load_sources_with_secrets
from services.infra.sources_file import follow_sources
from tests.support.senders import (
    BACKFILL_KEY,
    BROWSER_KEY,
    READ_KEY,
    REVOKED_KEY,
    SERVER_KEY,
    SPARE_KEY,
    digest,
    write_sources,
)
from tests.support.waiting import eventually


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "sources.toml"
    write_sources(file)
    return file


def test_a_key_opens_its_own_source_and_no_other_table(path: Path) -> None:
    sources = load_sources(path)

    shop, site = sources.source(SERVER_KEY), sources.source(BROWSER_KEY)
    assert shop is not None
    assert site is not None
    assert (shop.name, site.name) == ("shop", "site")
    assert sources.reader(SERVER_KEY) is None
    assert sources.source(READ_KEY) is None
    reader = sources.reader(READ_KEY)
    assert reader is not None
    assert reader.scopes == ("scores:read",)


def test_two_keys_of_a_source_are_valid_at_once_so_that_they_can_be_changed(path: Path) -> None:
    sources = load_sources(path)

    assert sources.source(SERVER_KEY) == sources.source(SPARE_KEY)


@pytest.mark.parametrize("key", [REVOKED_KEY, "unknown", "", "x" * 10_000, "\udcff", digest(SERVER_KEY)])
def test_keys_that_are_revoked_unknown_or_malformed_are_nobodys(path: Path, key: str) -> None:
    sources = load_sources(path)

    assert sources.source(key) is None
    assert sources.reader(key) is None


def test_the_backfill_right_is_given_only_by_name(path: Path) -> None:
    sources = load_sources(path)

    archive, shop = sources.source(BACKFILL_KEY), sources.source(SERVER_KEY)
    assert archive is not None
    assert shop is not None
    assert (archive.backfill, shop.backfill) == (True, False)


def test_a_source_is_found_by_its_name_whatever_keys_it_has_left(tmp_path: Path) -> None:
    file = tmp_path / "sources.toml"
    file.write_text('[[source]]\nname = "gone"\nkind = "server"\nkeys_sha256 = []\n')

    sources = load_sources(file)

    gone = sources.named("gone")
    assert gone is not None
    assert (gone.name, gone.replay) == ("gone", False)
    assert sources.named("nobody") is None


KEY, OTHER = digest("a key of the tests"), digest("another key of the tests")
ROW = f'[[source]]\nname = "shop"\nkind = "server"\nkeys_sha256 = ["{KEY}"]\n'
READER = f'[[reader]]\nname = "crm"\nkeys_sha256 = ["{KEY}"]\n'


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[[source", "line 1: this is not TOML"),
        ("# ours\nname = shop\n", "line 2: this is not TOML"),
        (ROW.replace("server", "robot"), 'line 3: source[0].kind is wrong: write "server", "till" or "browser"'),
        (ROW.replace(KEY, "plain-key"), "line 4: source[0].keys_sha256[0] is wrong: write a list of digests"),
        (ROW.replace(f'["{KEY}"]', f'"{KEY}"'), "line 4: source[0].keys_sha256 is wrong: write a list of digests"),
        (ROW.replace("shop", "Shop/1"), "line 2: source[0].name is wrong: write a name of a-z"),
        (ROW + "colour = 1\n", "line 5: source[0].colour is not known: take it out"),
        ("# ours\n" + ROW + ROW.replace(KEY, OTHER), "line 7: source[1].name is the name of another one"),
        (ROW + ROW.replace("shop", "site"), "line 8: one key stands in two places"),
        (ROW + READER, "line 7: one key stands in two places"),
        (ROW.replace("kind", "kine"), "line 1: source[0].kind is missing: write"),
        (ROW + 'origins = ["shop.example"]\n', "line 5: source[0].origins[0] is wrong: write a list of origins"),
        (ROW + "\n[[reader]]\nname = 'crm'\n", "line 6: reader[0].keys_sha256 is missing: write a list of digests"),
        (READER + 'scopes = ["score:read"]\n', "line 4: reader[0].scopes[0] is wrong: write a list of scopes"),
        (
            ROW.replace("server", "browser") + 'identity = "claimed"\n',
            'line 5: source[0].identity lets any page name any customer: write the pages that may, origins = ["https',
        ),
        (
            ROW.replace("server", "browser") + 'origins = ["https://shop.example", "*"]\nidentity = "claimed"\n',
            "line 6: source[0].identity lets any page name any customer",
        ),
        (
            (ROW + 'region = "PL"\nformer_spellings = true\n')
            + (ROW.replace("shop", "site").replace(KEY, OTHER) + 'region = "US"\nformer_spellings = true\n'),
            "line 12: source[1].former_spellings is already true for a source whose region is PL",
        ),
        (
            ROW.replace("server", "browser") + "replay = true\n",
            "line 5: source[0].replay lets it send in the name of any source: make a row of its own",
        ),
        (ROW.replace("server", "till") + "replay = true\n", "line 5: source[0].replay lets it send in the name"),
        (ROW + "replay = 1.5\n", "line 5: source[0].replay is wrong: write true or false"),
        (READER + 'scopes = ["dead-letters:all"]\n', '"dead-letters:write" for an operator'),
        (ROW + "age_days_max = 401\n", "line 5: source[0].age_days_max is wrong: write a number of days, 1 to 400"),
        (
            ROW + 'traits = ["plan", "E-Mail"]\n',
            "line 5: source[0].traits[1] is wrong: write a list of at most 32 names",
        ),
        (
            ROW + f"traits = {[f't{n}' for n in range(33)]}\n",
            "line 5: source[0].traits is wrong: write a list of at most",
        ),
        (ROW + 'previous_ids = "people"\n', 'line 5: source[0].previous_ids is wrong: write "customers" or "visitors"'),
        (ROW + 'impressions = "mine"\n', 'line 5: source[0].impressions is wrong: write "own" or "catalogue"'),
        ("\n[[sources]]\nname = 'shop'\n", "line 2: sources is not known"),
        (f'source = [{{name = "a", kind = "x", keys_sha256 = ["{KEY}"]}}]', "source[0].kind is wrong: write"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_the_place_of_the_fault(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "sources.toml"
    file.write_text(text)

    with pytest.raises(ConfigurationError) as refusal:
        load_sources(file)

    assert str(file) in str(refusal.value)
    assert named in str(refusal.value)
    assert "plain-key" not in str(refusal.value)


@pytest.mark.parametrize("key", ["1", "2", "3", "key", "secret", "password", "test", "0000", "9999", "", "x"])
@pytest.mark.parametrize("row", [ROW, READER], ids=["source", "reader"])
def test_a_key_that_anybody_can_guess_is_refused_with_how_to_make_one(tmp_path: Path, row: str, key: str) -> None:
    file = tmp_path / "sources.toml"
    file.write_text(row.replace(KEY, digest(key)))

    with pytest.raises(ConfigurationError, match=r"line \d: this is the digest of an example key.*openssl rand"):
        load_sources(file)


def test_a_guessable_key_that_is_revoked_may_stay(tmp_path: Path) -> None:
    file = tmp_path / "sources.toml"
    file.write_text(ROW.replace(KEY, digest("1")) + f'revoked_sha256 = ["{digest("1")}"]\n')

    assert load_sources(file).source("1") is None


def test_a_key_that_is_revoked_in_one_row_is_nobodys(tmp_path: Path) -> None:
    file = tmp_path / "sources.toml"
    file.write_text(ROW + READER.replace(KEY, OTHER) + f'revoked_sha256 = ["{KEY}"]\n')

    assert load_sources(file).source("a key of the tests") is None


def test_a_missing_file_is_refused_with_the_setting_to_change(tmp_path: Path) -> None:
    for missing in (tmp_path / "none.toml", None):
        with pytest.raises(ConfigurationError, match="TACTUS_SOURCES"):
            follow_sources(missing, load=load_sources)


def test_a_reload_takes_a_good_file_and_keeps_the_old_one_over_a_bad(path: Path) -> None:
    sources = follow_sources(path, load=load_sources)
    write_sources(path, revoked=(SPARE_KEY,))
    sources.reload()
    assert sources.current.source(SPARE_KEY) is None

    path.write_text("[[source")
    sources.reload()

    assert sources.current.source(SERVER_KEY) is not None
    assert sources.current.source(SPARE_KEY) is None


async def test_a_file_that_has_changed_is_taken_without_a_signal(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_file, "LOOK_S", 0.01)
    sources = follow_sources(path, load=load_sources)
    following = asyncio.create_task(sources.follow())

    async def withdrawn() -> bool:
        return sources.current.source(SPARE_KEY) is None

    write_sources(path, revoked=(SPARE_KEY,))
    await eventually(withdrawn, what="the key is withdrawn")
    following.cancel()


def test_former_spellings_of_one_country_do_not_weld(tmp_path: Path) -> None:
    rows = [
        ROW.replace("shop", f"s{n}").replace(KEY, digest(f"a key of a test {n}")) + f"{region}former_spellings = true\n"
        for n, region in enumerate(['region = "US"\n', 'region = "CA"\n', ""])
    ]
    file = tmp_path / "sources.toml"
    file.write_text("".join(rows))

    assert load_sources(file).source("a key of a test 2") is not None


HOOK = """
[[source]]
name = "web-shop"
kind = "server"
keys_sha256 = []
hook = {provider = "shopify", secret_files = ["secrets/old", "secrets/new"], url = "https://door.example/hooks/shopify/web-shop"}
"""


def test_a_hook_s_secrets_are_read_from_their_files_and_it_is_found_by_provider_and_name(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "old").write_text("former\n")
    (tmp_path / "secrets" / "new").write_bytes(b"present")
    file = tmp_path / "sources.toml"
    file.write_text(HOOK)

    sources = load_sources_with_secrets(file)
    found = sources.hook("shopify", "web-shop")

    assert found is not None
    source, hook = found
    assert (source.name, hook.secrets) == ("web-shop", [b"former", b"present"])
    assert hook.url == "https://door.example/hooks/shopify/web-shop"
    assert sources.hook("stripe", "web-shop") is None
    assert sources.hook("shopify", "another") is None


def test_who_checks_no_signature_needs_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "sources.toml"
    file.write_text(HOOK)

    sources = follow_sources(file, load=load_sources).current

    assert sources.hook("shopify", "web-shop") is None


def test_a_secret_that_is_gone_is_told_at_the_reload_and_the_former_ones_go_on(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    for name in ("old", "new"):
        (tmp_path / "secrets" / name).write_text(name)
    file = tmp_path / "sources.toml"
    file.write_text(HOOK)
    sources = follow_sources(file, load=load_sources_with_secrets)

    (tmp_path / "secrets" / "new").unlink()
    with structlog.testing.capture_logs() as lines:
        sources.reload()

    assert ["finds no secret in secrets/new" in line["reason"] for line in lines] == [True]
    assert sources.current.hook("shopify", "web-shop") is not None


@pytest.mark.parametrize("secret", [None, b"", b" \n"])
def test_a_hook_without_a_secret_is_refused_by_its_line_and_never_shows_one(
    tmp_path: Path, secret: bytes | None
) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "old").write_bytes(b"a-former-secret")
    if secret is not None:
        (tmp_path / "secrets" / "new").write_bytes(secret)
    file = tmp_path / "sources.toml"
    file.write_text(HOOK)

    with pytest.raises(ConfigurationError, match=r"line 6.*secrets/new.*shopify shows") as refused:
        load_sources_with_secrets(file)

    assert "a-former-secret" not in str(refused.value)


@pytest.mark.parametrize("hook", ['"shopify"', "{provider = 'shopify'}", "{provider = 'shopify', secret_files = []}"])
def test_half_a_hook_is_refused_with_a_whole_one(tmp_path: Path, hook: str) -> None:
    file = tmp_path / "sources.toml"
    file.write_text(f'[[source]]\nname = "a"\nkind = "server"\nkeys_sha256 = []\nhook = {hook}\n')

    with pytest.raises(ConfigurationError, match="secret_files"):
        load_sources(file)


GENERIC = """\
[[source]]
name = "lockers"
kind = "server"
keys_sha256 = []

hook = {{provider = "generic", {rest}}}
"""
SIGNED = 'map = "map.yaml", secret_files = ["secret"], signature = {header = "X-Sig"'
MAP = """\
id: {field: id}
identities: [{kind: customer, value: {field: who}}]
event: {touchpoint: case.opend}
"""


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ('secret_files = ["secret"]', "needs map"),
        ('map = "map.yaml", secret_files = ["secret"]', "needs both secret_files and signature, or neither"),
        ('map = "map.yaml", signature = {header = "X-Sig"}', "needs both secret_files and signature, or neither"),
        (SIGNED + ', algorithm = "md5"}', "is wrong: write how the sender signs"),
        (SIGNED + ', signed = "{timestamp}"}', "signs nothing of the body"),
        (SIGNED + ', signed = "{raw}{body}"}', "no other braces"),
        (SIGNED + ', signed = "{timestamp}{raw}"}', "needs a timestamp"),
        (SIGNED + ', signed = "{url}{raw}"}', "signs the url"),
        (SIGNED + ', timestamp_header = "X-At", tolerance_s = 300}', "a timestamp that nobody signs"),
        (SIGNED + ", tolerance_s = 999999}", "is wrong"),
        (SIGNED + ', sign = "x"}', "is not known"),
    ],
)
def test_a_generic_hook_that_is_not_whole_is_told_what_it_lacks(tmp_path: Path, rest: str, message: str) -> None:
    file = tmp_path / "sources.toml"
    file.write_text(GENERIC.format(rest=rest))

    with pytest.raises(ConfigurationError, match="line 6") as refused:
        load_sources(file)

    assert message in str(refused.value)


@pytest.mark.parametrize("row", ['map = "map.yaml"', 'secret_files = ["s"], signature = {header = "X"}'])
def test_a_vendors_hook_has_no_map_and_no_signature_of_its_own(tmp_path: Path, row: str) -> None:
    file = tmp_path / "sources.toml"
    file.write_text(GENERIC.format(rest=row).replace("generic", "shopify"))

    with pytest.raises(ConfigurationError, match="shopify has its own"):
        load_sources(file)


def test_the_files_of_a_generic_hook_are_read_beside_the_sources_file(tmp_path: Path) -> None:
    file = tmp_path / "sources.toml"
    file.write_text(GENERIC.format(rest=SIGNED + "}"))
    (tmp_path / "map.yaml").write_text(MAP.replace("opend", "opened"))
    (tmp_path / "secret").write_text("s3\n")

    found = load_sources_with_secrets(file, touchpoints={"case.opened"}).hook("generic", "lockers")

    assert found is not None
    assert (found[1].secrets, found[1].map is not None) == ([b"s3"], True)


def test_a_map_that_cannot_be_used_keeps_a_sources_file_out_and_names_both_lines(tmp_path: Path) -> None:
    file = tmp_path / "sources.toml"
    file.write_text(GENERIC.format(rest=SIGNED + "}"))
    (tmp_path / "map.yaml").write_text(MAP)
    (tmp_path / "secret").write_text("s3\n")

    with pytest.raises(ConfigurationError, match=r"line 6.*map\.yaml:3: event\.touchpoint.*did you mean case\.opened"):
        load_sources_with_secrets(file, touchpoints={"case.opened"})
    (tmp_path / "map.yaml").unlink()
    with pytest.raises(ConfigurationError, match=r"line 6.*map\.yaml: cannot be read"):
        load_sources_with_secrets(file)


def test_staff_are_known_by_who_they_are_and_by_where(tmp_path: Path) -> None:
    file = tmp_path / "sources.toml"
    who = 'staff = {identities = ["email:Ann@Shop.example", "phone:600100200"], addresses = ["203.0.113.0/24"]}\n'
    file.write_text(ROW + 'region = "PL"\n' + who)

    (source,) = load_sources(file).with_staff

    assert source.staff is not None
    stored = source.staff.stored(b"k" * 32, region=source.region)
    assert stored == {
        f"email_hash:{pseudonym(b'k' * 32, 'email', 'ann@shop.example')}",
        f"phone_hash:{pseudonym(b'k' * 32, 'phone', '+48600100200')}",
    }
    assert [str(one) for one in source.staff.ranges] == ["203.0.113.0/24"]


@pytest.mark.parametrize(
    "staff",
    [
        '{identities = ["ann@shop.example"]}',
        '{identities = ["email:ann"]}',
        '{identities = ["email_hash:0123"]}',
        '{identities = ["customer:null"]}',
        '{identities = ["phone:600100200"]}',
        '{addresses = ["203.0.113.7/24"]}',
        '{addresses = ["the office"]}',
        '{addresses = ["2001:db8::1"]}',
        "{people = []}",
        '["email:ann@shop.example"]',
    ],
)
def test_staff_that_no_event_could_name_is_refused_with_its_line_and_fix(tmp_path: Path, staff: str) -> None:
    file = tmp_path / "sources.toml"
    file.write_text(ROW + f"staff = {staff}\n")

    with pytest.raises(ConfigurationError, match=r"staff.*(email:ann@|203\.0\.113\.0/24|a /64)") as refused:
        load_sources(file)
    line = ROW.rstrip("\n").count("\n") + 2
    assert f"line {line}:" in str(refused.value)
