"""Configuration: what a TOML file may say, and what becomes of everything else."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from decomposition.answerers.chat_settings import Price
from workbench.config import Config, Rate, load_config, price_of, with_instructions, with_prices
from workbench.exits import Complaint, Exit
from workbench.limits import Limits

Write = Callable[[str], Path]

WHOLE = """
tracing = true

[chat]
provider = "anthropic"
model = "claude-x"
base_url = "https://proxy.example/v1"
key_env = "MY_KEY"
mode = "json"
temperature = 0
max_output_tokens = 512
limit_field = "max_tokens"
context_tokens = 8192
connect_s = 1
read_s = 2.5
total_s = 3
eager = false
sees_fuel = true
instructions = "mine.md"

[provider.local]
kind = "openai"
base_url = "http://127.0.0.1:8080/v1"
key_env = ""

[rate.local]
calls_per_minute = 600
tokens_per_minute = 90000

[prices."openai:gpt-x"]
usd_per_million_in = 1.25
usd_per_million_out = 10
usd_per_million_cached = 0.125

[prices."local:*"]
usd_per_million_in = 0
usd_per_million_out = 0

[caps.run]
calls = 1000
usd = 5

[caps.session]
tokens = 20000
seconds = 60.5
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a configuration."""

    def written(text: str) -> Path:
        path = tmp_path / "c.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def refused(path: Path) -> Complaint:
    """What is said of a configuration that is not taken."""
    with pytest.raises(Complaint) as caught:
        load_config(path)
    return caught.value


def test_everything_that_can_be_said_is_read(write: Write) -> None:
    """Every section and every key arrives, and a file is named from the root."""
    path = write(WHOLE)
    config = load_config(path)
    assert config.tracing
    assert config.chat.temperature == 0
    assert config.chat.instructions == str(path.parent / "mine.md")
    assert config.provider["local"].base_url == "http://127.0.0.1:8080/v1"
    assert config.rate == {"local": Rate(600, 90_000)}
    assert config.prices["openai:gpt-x"] == Price(1.25, 10.0, 0.125)
    assert config.caps.run == Limits(calls=1_000, usd=5.0)
    assert config.caps.session == Limits(tokens=20_000, seconds=60.5)
    assert not config.warnings


def test_a_configuration_can_be_kept_with_a_run(write: Write) -> None:
    """Written out and read again it is the same."""
    config = load_config(write(WHOLE))
    assert msgspec.json.decode(msgspec.json.encode(config), type=Config) == config


def test_an_empty_file_says_nothing(write: Write) -> None:
    """What is not said has its default."""
    assert load_config(write("")) == Config()
    assert load_config(write("\ufeff[chat]\n")) == Config()


BAD: dict[str, tuple[str, str]] = {
    "unknown key": ('[chat]\nmodle = "x"\n', "c.toml:2: unknown key 'modle' in [chat]"),
    "a suggestion": ('[chat]\nmodle = "x"\n', "did you mean 'model'?"),
    "unknown section": ("[chats]\n", "did you mean 'chat'?"),
    "a key in the wrong place": ('modle = "x"\n', "did you mean 'model'?"),
    "unknown key of a price": (
        '[prices."a:b"]\nusd_per_million_in = 1\nusd_per_million_out = 1\nusd = 1\n',
        "c.toml:4: unknown key 'usd' in [prices.a:b]",
    ),
    "nothing is near": ("[chat]\nzzzzzz = 1\n", "there are provider, model"),
    "a key twice": ("[chat]\ntemperature = 1\ntemperature = 2\n", "not TOML"),
    "a section twice": ("[chat]\n[chat]\n", "not TOML"),
    "no TOML": ("{}", "not TOML"),
    "nan": ("[chat]\ntemperature = nan\n", "c.toml:2: chat.temperature"),
    "inf": ("[caps.run]\nusd = inf\n", "c.toml:2: caps.run.usd"),
    "negative": ("[caps.run]\ncalls = -1\n", "c.toml:2: caps.run.calls"),
    "too much": ("[caps.run]\nusd = 1e300\n", "caps.run.usd must be a number from 0"),
    "half a call": ("[caps.run]\ncalls = 1.5\n", "c.toml:2: caps.run.calls"),
    "text for a number": ('[chat]\ntemperature = "hot"\n', "c.toml:2: chat.temperature"),
    "true for a number": ("[chat]\nmax_output_tokens = true\n", "chat.max_output_tokens"),
    "no tokens": ("[chat]\nmax_output_tokens = 0\n", "chat.max_output_tokens must be"),
    "no time": ("[chat]\ntotal_s = 0\n", "chat.total_s must be"),
    "no rate": ("[rate.openai]\ncalls_per_minute = 0\n", "rate.openai.calls_per_minute"),
    "an unknown mode": ('[chat]\nmode = "text"\n', "chat.mode"),
    "a provider of no kind": ('[provider.mine]\nmode = "json"\n', "needs kind"),
    "a variable that is none": ('[chat]\nkey_env = "my key"\n', "name of a variable"),
    "half a price": ('[prices."a:b"]\nusd_per_million_in = 1\n', "usd_per_million_out"),
    "a list for a section": ("[[chat]]\n", "chat"),
    "nested": ("a = " + "[" * 5_000 + "]" * 5_000, "nested too deep"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_what_does_not_hold_together_is_named_with_its_place(
    write: Write, case: tuple[str, str]
) -> None:
    """Unknown and double keys, and values out of range, are bad data at a line of the file."""
    complaint = refused(write(case[0]))
    assert complaint.code == Exit.BAD_DATA
    assert case[1] in str(complaint)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    """A file that is not UTF-8 says where."""
    path = tmp_path / "c.toml"
    path.write_bytes(b"a = '\xff'")
    assert "not UTF-8 at byte 5" in str(refused(path))
    assert refused(tmp_path / "none.toml").code == Exit.BAD_DATA


@pytest.mark.parametrize("section", ["[chat]", '[provider.x]\nkind = "openai"'])
@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "http://169.254.169.254/latest", "http://[fe80::1]/", "http://a:b@h/"],
)
def test_an_address_that_nothing_may_be_sent_to_is_refused(
    write: Write, section: str, address: str
) -> None:
    """Files, link-local addresses and passwords in an address end with the code for security."""
    complaint = refused(write(f'{section}\nbase_url = "{address}"\n'))
    assert complaint.code == Exit.REFUSED
    assert "a:b@" not in str(complaint)


KEYS = [
    '[chat]\napi_key = "hunter2-hunter2"\n',
    '[chat]\nkey_env = "sk-abcdefgh12345"\n',
    '[provider.x]\nkind = "openai"\ntoken = "hunter2-hunter2"\n',
    '[[extra]]\nsecret = "hunter2-hunter2"\n',
]


@pytest.mark.parametrize("text", KEYS[:3])
def test_a_key_in_the_file_is_warned_of_and_dropped(write: Write, text: str) -> None:
    """The value goes nowhere: into no message and into nothing that a run keeps."""
    config = load_config(write(text))
    (warning,) = config.warnings
    assert "looks like a key" in warning
    kept = msgspec.json.encode(config).decode()
    assert "hunter2" not in kept
    assert "sk-abc" not in kept


def test_a_key_in_an_unknown_section_is_told_to_nobody(write: Write) -> None:
    """The message of another fault does not hold it either."""
    assert "hunter2" not in str(refused(write(KEYS[3])))


def test_the_price_of_a_model_is_its_own_before_that_of_its_kind(write: Write) -> None:
    """The longest name that fits goes first; None where nobody said a price."""
    config = load_config(
        write(
            WHOLE + '[prices."openai:*"]\nusd_per_million_in = 3\nusd_per_million_out = 4\n'
            '[prices."openai:gpt-*"]\nusd_per_million_in = 5\nusd_per_million_out = 6\n'
        )
    )
    assert price_of(config, "openai", "gpt-x") == Price(1.25, 10.0, 0.125)
    assert price_of(config, "openai", "gpt-y") == Price(5.0, 6.0)
    assert price_of(config, "openai", "o9") == Price(3.0, 4.0)
    assert price_of(config, "local", "llama3:8b") == Price(0.0, 0.0)
    assert price_of(config, "anthropic", "claude") is None


def test_prices_of_a_file_of_their_own_go_first(tmp_path: Path, write: Write) -> None:
    """Such a file has one table a model."""
    config = load_config(write(WHOLE))
    prices = tmp_path / "prices.toml"
    prices.write_text('["openai:gpt-x"]\nusd_per_million_in = 7\nusd_per_million_out = 8\n')
    assert price_of(with_prices(config, prices), "openai", "gpt-x") == Price(7.0, 8.0)
    prices.write_text('[prices."openai:n"]\nusd_per_million_in = 1\nusd_per_million_out = 2\n')
    mixed = with_prices(config, prices)
    assert price_of(mixed, "openai", "n") == Price(1.0, 2.0)
    assert price_of(mixed, "openai", "gpt-x") == Price(1.25, 10.0, 0.125)
    prices.write_text('["openai:n"]\nusd = 1\n')
    with pytest.raises(Complaint, match="unknown key"):
        with_prices(config, prices)


def test_instructions_of_a_flag_go_before_the_file(write: Write) -> None:
    """A file that is named is found from any folder."""
    config = with_instructions(load_config(write(WHOLE)), Path("other.md"))
    assert config.chat.instructions == str(Path("other.md").absolute())
