"""Chat models by their specs: provider, model, address, key and price, before anything is sent."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from decomposition.answerers.chat_settings import ChatSettings
from workbench.chat import chat_answerer, chat_settings, named_in, require_prices
from workbench.config import Chat, Config, load_config
from workbench.exits import Complaint, Exit
from workbench.limits import NO_LIMITS, Limits
from workbench.specs import answerer, cast, chats_in

KEYS: Mapping[str, str] = {"OPENAI_API_KEY": "sk-o", "ANTHROPIC_API_KEY": "sk-a"}


def nobody() -> None:
    """An expert that is not asked for."""
    pytest.fail("no expert was named")


@pytest.fixture
def configured(tmp_path: Path) -> Callable[[str], Config]:
    """Reads a configuration."""

    def read(text: str) -> Config:
        path = tmp_path / "c.toml"
        path.write_text(text)
        return load_config(path)

    return read


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ("chat:openai:gpt-x", ("openai", "openai", "gpt-x")),
        ("chat:ollama:llama3:8b", ("ollama", "ollama", "llama3:8b")),
        ("chat:local:org/model", ("local", "openai", "org/model")),
        ("chat:anthropic", ("anthropic", "anthropic", "usual")),
        ("chat:", ("local", "openai", "usual")),
        ("chat", ("local", "openai", "usual")),
    ],
)
def test_a_spec_names_a_provider_and_a_model(
    configured: Callable[[str], Config], spec: str, named: tuple[str, str, str]
) -> None:
    """What it leaves out stands in the configuration; a model's name may hold colons."""
    config = configured(
        '[chat]\nprovider = "local"\nmodel = "usual"\n[provider.local]\nkind = "openai"\n'
    )
    found = named_in(spec, config)
    assert (found.provider, found.kind, found.model) == named


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("chat:openia:m", "did you mean 'openai'?"),
        ("chat:mistral:m", "a server of your own is a table"),
        ("chat:openai", "names no model"),
        ("chat:openai:", "names no model"),
    ],
)
def test_a_spec_that_names_nothing_is_wrong_usage(spec: str, said: str) -> None:
    """The message says how to write it."""
    with pytest.raises(Complaint, match=said) as caught:
        chat_settings(spec, environ=KEYS)
    assert caught.value.code == Exit.USAGE


def test_a_provider_s_own_table_goes_before_the_general_one(
    configured: Callable[[str], Config],
) -> None:
    """Two servers of one protocol can stand side by side in an ensemble."""
    config = configured(
        "[chat]\ntemperature = 0.5\nmax_output_tokens = 9\n"
        '[provider.a]\nkind = "openai"\nbase_url = "http://127.0.0.1:1/v1"\nkey_env = ""\n'
        '[provider.b]\nkind = "openai"\nbase_url = "http://127.0.0.1:2/v1"\ntemperature = 1\n'
    )
    first, key = chat_settings("chat:a:m", config, KEYS)
    second, other = chat_settings("chat:b:m", config, KEYS)
    assert (first.base_url, first.temperature, key) == ("http://127.0.0.1:1/v1", 0.5, "")
    assert (second.base_url, second.temperature, other) == ("http://127.0.0.1:2/v1", 1.0, "sk-o")
    assert (first.max_output_tokens, second.max_output_tokens) == (9, 9)
    assert first.provider == "a"


@pytest.mark.parametrize(
    ("spec", "environ", "address"),
    [
        ("chat:openai:m", {}, "https://api.openai.com/v1"),
        ("chat:openai:m", {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, "http://127.0.0.1:1/v1"),
        ("chat:ollama:m", {}, "http://127.0.0.1:11434"),
        ("chat:ollama:m", {"OLLAMA_HOST": "0.0.0.0:5"}, "http://127.0.0.1:5"),
        ("chat:ollama:m", {"OLLAMA_HOST": "box"}, "http://box:11434"),
    ],
)
def test_the_environment_may_say_where_a_provider_is(
    spec: str, environ: Mapping[str, str], address: str
) -> None:
    """Where the configuration says nothing, the provider's own variable holds."""
    assert chat_settings(spec, environ={**KEYS, **environ})[0].address == address


def test_a_secretive_address_in_the_environment_is_refused() -> None:
    """The variable is looked at like the file."""
    with pytest.raises(Complaint) as caught:
        chat_settings("chat:openai:m", environ={**KEYS, "OPENAI_BASE_URL": "http://169.254.0.1"})
    assert caught.value.code == Exit.REFUSED


@pytest.mark.parametrize(
    ("spec", "chat", "variable"),
    [
        ("chat:openai:m", Chat(), "OPENAI_API_KEY"),
        ("chat:anthropic:m", Chat(), "ANTHROPIC_API_KEY"),
        ("chat:openai:m", Chat(key_env="MINE"), "MINE"),
        ("chat:ollama:m", Chat(key_env="MINE"), "MINE"),
        ("chat:openai:m", Chat(key_env="MINE", base_url="http://127.0.0.1:1"), "MINE"),
    ],
)
def test_a_key_that_is_missing_is_named_before_anything_is_sent(
    spec: str, chat: Chat, variable: str
) -> None:
    """The provider cannot be asked, and the message says which variable to set."""
    with pytest.raises(Complaint, match=f"the variable {variable} is not set") as caught:
        chat_settings(spec, Config(chat=chat), {})
    assert caught.value.code == Exit.PROVIDER


@pytest.mark.parametrize(
    ("spec", "chat"),
    [
        ("chat:ollama:m", Chat()),
        ("chat:openai:m", Chat(key_env="")),
        ("chat:openai:m", Chat(base_url="http://127.0.0.1:1/v1")),
    ],
)
def test_a_server_of_one_s_own_needs_no_key(spec: str, chat: Chat) -> None:
    """Ollama, and a server at an address of one's own, are asked without one."""
    assert chat_settings(spec, Config(chat=chat), {})[1] == ""


@pytest.mark.parametrize("key", ["sk-a\nX-Other: 1", "sk a", "sk-\u0430"])
def test_a_key_that_no_header_can_hold_is_not_sent(key: str) -> None:
    """What would be another header is refused."""
    with pytest.raises(Complaint, match="characters that no key has") as caught:
        chat_settings("chat:openai:m", environ={"OPENAI_API_KEY": key})
    assert key not in str(caught.value)


def test_instructions_of_a_user_are_part_of_who_answers(tmp_path: Path) -> None:
    """Another text under the same name is another answerer."""
    file = tmp_path / "mine.md"
    config = Config(chat=Chat(instructions=str(file)))
    names: set[str] = set()
    for text in ("Act.", "Act well."):
        file.write_text(text)
        made = chat_answerer("chat:openai:m", config, KEYS)
        assert made.instructions.startswith("mine#")
        names.add(made.identity)
    assert len(names) == 2
    for raw in (b" \n", b"\xff"):
        file.write_bytes(raw)
        with pytest.raises(Complaint):
            chat_answerer("chat:openai:m", config, KEYS)


def test_a_cap_on_money_needs_a_price(configured: Callable[[str], Config]) -> None:
    """Without one nothing starts; a price of 0 is one; unpaid answerers need none."""
    priced = configured('[prices."openai:m"]\nusd_per_million_in = 0\nusd_per_million_out = 0\n')
    bare = chat_answerer("chat:openai:m", environ=KEYS)
    free = chat_answerer("chat:openai:m", priced, KEYS)
    unpaid = answerer("gullible", nobody, 0)  # type: ignore[arg-type]
    cap = Limits(usd=1.0)
    for limits in ([cap], [NO_LIMITS, cap]):
        with pytest.raises(Complaint, match="needs the price of openai:m") as caught:
            require_prices(limits, [unpaid, bare], "c.toml")
        assert caught.value.code == Exit.BAD_DATA
        require_prices(limits, [unpaid, free], "c.toml")
    require_prices([NO_LIMITS], [bare], "c.toml")


def test_chat_models_stand_in_every_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    """In votes, ensembles and behind faults, each named once."""
    inside = "majority[chat:openai:m, faulty:0.5:chat:ollama:llama3:8b, chat:openai:m]"
    assert chats_in(inside) == ["chat:openai:m", "chat:ollama:llama3:8b"]
    assert chats_in("vote:3:chat:openai:m") == ["chat:openai:m"]
    monkeypatch.setenv("OPENAI_API_KEY", "sk-o")
    made = cast("vote:3:chat:openai:m", nobody, 0)  # type: ignore[arg-type]
    assert made.samples == 3
    assert made.members[0].paid
    faulty = answerer("faulty:0.5:chat:openai:m", nobody, 0)  # type: ignore[arg-type]
    assert faulty.paid
    assert faulty.provider == "openai"


def test_settings_hold_no_key() -> None:
    """The key is beside them, so that they can be shown and kept."""
    settings, key = chat_settings("chat:openai:m", environ=KEYS)
    assert isinstance(settings, ChatSettings)
    assert key == "sk-o"
    assert "sk-o" not in repr(settings) + settings.identity()
