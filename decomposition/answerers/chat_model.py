"""Chat models: any model that LangChain knows, as an answerer.

LangChain writes the request and reads the reply; `chat_wire` carries both, so its clients' own
retries, redirects and time-outs are never in play. The only module that imports LangChain.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, Final, Self, cast

import langsmith
import msgspec
from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import Runnable
from pydantic import PrivateAttr

from decomposition.actions import Given, Unreadable
from decomposition.answerers.base import Answerer, Author
from decomposition.answerers.chat_faults import decided, redacted, told
from decomposition.answerers.chat_reply import (
    Called,
    Mode,
    Said,
    called,
    given,
    readable,
)
from decomposition.answerers.chat_settings import HOMES, ChatSettings, Instructions
from decomposition.answerers.chat_tools import CLOSING, READING, TOOLS, Tool
from decomposition.answerers.chat_wire import Decided, Exchange, Wire, under_way
from decomposition.errors import BadAnswerer, EngineBug, RunStopped, TransientFault
from decomposition.message import Failure
from decomposition.spend import Attempt, Estimate, Usage
from decomposition.view import View

MAX_KEPT: Final = 1 << 20
"""Characters of a reply that its receipt keeps."""
MAX_TOKENS: Final = 10**9


class ChatModel(Answerer):
    """Acts as a chat model says, one request for each view.

    The model is told its instructions and sees the view's text, and nothing else.
    """

    author: Author = "model"
    instant = False
    paid = True

    def __init__(self, settings: ChatSettings, key: str = "") -> None:
        """A model at a provider.

        Args:
            settings: Checked here.
            key: Goes with every request; empty for none.

        Raises:
            BadAnswerer: The settings do not hold together.
        """
        settings.check()
        wire = Wire(settings, key)
        self._wire: Wire | None = wire
        self._begin(settings, settings.mode, key)
        self._talk = _Talk(_wired(settings, wire, key), settings)

    def _begin(self, settings: ChatSettings, mode: Mode, key: str) -> None:
        self.settings = settings
        self.identity = settings.identity()
        self.instructions = settings.told.version
        self.provider = settings.provider
        self.sees_fuel = settings.sees_fuel
        self._mode: Mode = mode
        self._key = key
        if not settings.tracing:
            langsmith.configure(enabled=False)

    @classmethod
    def of_runnable(
        cls,
        runnable: Runnable[Any, Any],
        name: str,
        *,
        mode: Mode | None = None,
        settings: ChatSettings | None = None,
    ) -> "ChatModel":
        """Whatever takes messages or a state with messages, and returns such, or a text.

        Its own retries, redirects and time-outs are its own affair.

        Args:
            runnable: A LangChain chat model, a chain or a compiled graph.
            name: Stands in the identity; to be changed when its answers would.
            mode: How it says a turn; None for tools with a chat model, else for text that is
                the answer.
            settings: For limits, price and instructions; those of the request are not used.
                In text mode it is told nothing unless there are instructions here.

        Raises:
            BadAnswerer: It is a chat model that takes no tools, or the settings do not hold
                together.
        """
        chosen: Mode = mode or ("tools" if isinstance(runnable, BaseChatModel) else "text")
        made = settings or ChatSettings(name, "runnable")
        if chosen == "text" and made.instructions is None:
            made = msgspec.structs.replace(made, instructions=Instructions("none", ""))
        if chosen == "json":
            made = msgspec.structs.replace(made, mode="json")
        self = cls.__new__(cls)
        self._begin(made, chosen, "")
        self.identity = f"runnable:{name}?mode={chosen}&instructions={made.told.version}"
        self._wire = None
        self._talk = _Talk(runnable, made, chosen)
        return self

    async def act(self, views: Sequence[View]) -> Sequence[Given]:
        """One turn for each view, one after the other."""
        return [(await self.attempt(view, "")).given for view in views]

    def estimate(self, view: View) -> Estimate:
        """The most that a call for this view can use."""
        tools = self._talk.tools_bytes if self._mode == "tools" else 0
        return self.settings.estimate(view.text, tools)

    async def attempt(self, view: View, call: str) -> Attempt:
        """One request.

        Raises:
            TransientFault: Nothing was decided.
            RunStopped: No request can succeed now.
        """
        exchange = Exchange(call)
        under_way.set(exchange)
        limit_s = self.settings.total_s
        try:
            async with asyncio.timeout(limit_s):
                message = await self._talk.said(view)
        except TimeoutError:
            fault = f"{self.who} did not answer within {limit_s:g} seconds"
            raise TransientFault(fault, None, self._used(view, exchange)) from None
        # Client libraries raise anything on a reply that is none; an answerer's call is an edge.
        except Exception as error:  # noqa: BLE001
            return Attempt(self._failed(error, view, exchange), self._used(view, exchange))
        said, used = _said(message, exchange), self._used(view, exchange, message)
        if said.finish == "error":
            raise TransientFault(f"{self.who} broke off its reply", None, used)
        return Attempt(given(said, self._mode, eager=self.settings.eager), used)

    @property
    def who(self) -> str:
        """The model as messages name it."""
        return f"{self.settings.provider}:{self.settings.model}"

    async def close(self) -> None:
        """Close the connections."""
        if self._wire is not None:
            await self._wire.close()

    def _failed(self, error: Exception, view: View, exchange: Exchange) -> Failure | Unreadable:
        """The failure, or the reply that is no turn, that an error is.

        Raises:
            TransientFault: It may pass.
            RunStopped: No request can succeed now.
        """
        for each in _causes(error):
            if isinstance(each, Decided):
                return each.failure
            if isinstance(each, RunStopped | EngineBug):
                raise each
            if isinstance(each, TransientFault):
                used = each.usage or self._used(view, exchange)
                raise TransientFault(str(each), each.retry_after_s, used) from error
        if exchange.status == 200 and _calls_a_tool(exchange.body):
            # The model said something whole, which the client's own types have no room for.
            return Unreadable("the arguments of a tool must be one JSON object")
        if exchange.status:
            why = told(exchange.raw, self._key)
            raise TransientFault(
                f"{self.who} sent a reply that holds no message: {why}"[:400],
                None,
                self._used(view, exchange),
            ) from error
        return _foreign(error, self.who)

    def _used(self, view: View, exchange: Exchange, message: AIMessage | None = None) -> Usage:
        """What a request used, with the texts that went and came."""
        tokens_in, tokens_out, cached = _tokens(message)
        price, cost = self.settings.price, None
        if message is None and 400 <= exchange.status < 500 and exchange.status != 408:
            # What a provider turns away it does not charge.
            tokens_in = tokens_out = 0
            cost = 0.0
        if price is not None and tokens_in is not None and tokens_out is not None:
            cost = price.cost(tokens_in, tokens_out, cached)
        reply = exchange.raw[: 4 * MAX_KEPT].decode(errors="replace")
        if not exchange.status and message is not None:
            reply = message.model_dump_json(exclude_none=True)
        return Usage(
            tokens_in,
            tokens_out,
            cost,
            request=self._talk.told_as(view),
            reply=redacted(reply, self._key) if exchange.status >= 300 else reply[:MAX_KEPT],
            finish=_finish(message),
            model=_name(message),
        )


def _calls_a_tool(body: object) -> bool:
    """Whether a reply holds a message that calls tools, whatever with."""
    try:
        return bool(cast("Any", body)["choices"][0]["message"]["tool_calls"])
    except (TypeError, KeyError, IndexError):
        return False


# -- talking ---------------------------------------------------------------------------------


class _Talk:
    """A model with its messages and tools, made once."""

    def __init__(
        self,
        runnable: Runnable[Any, Any],
        settings: ChatSettings,
        mode: Mode | None = None,
    ) -> None:
        self._settings = settings
        self._mode: Mode = mode or settings.mode
        self._said = _asker(runnable, tracing=settings.tracing)
        instructions = settings.told
        self._system = SystemMessage(instructions.text)
        self._leaf = SystemMessage(f"{instructions.text}\n{instructions.leaf}".strip())
        self._tools: dict[int, dict[str, Any]] = {}
        if self._mode == "tools":
            for offered in (TOOLS, READING, CLOSING):
                self._tools[len(offered)] = _bound(runnable, offered)
        self.tools_bytes = len(msgspec.json.encode(self._tools.get(len(TOOLS), {})))

    async def said(self, view: View) -> AIMessage:
        """What the model says to a view."""
        messages: list[BaseMessage] = [HumanMessage(view.text)]
        if self._settings.told.text:
            messages.insert(0, self._leaf if view.leaf else self._system)
        return _message(await self._said(messages, self._tools.get(len(offered(view)), {})))

    def told_as(self, view: View) -> str:
        """The request as its receipt keeps it: the instructions and tools by their names."""
        kept = {
            "model": self._settings.model,
            "instructions": self._settings.told.version,
            "leaf": view.leaf,
            "user": view.text,
            "max_output_tokens": self._settings.max_output_tokens,
            "temperature": self._settings.temperature,
            "tools": [each["function"]["name"] for each in offered(view)] if self._tools else None,
        }
        return msgspec.json.encode({name: each for name, each in kept.items() if each}).decode()


def offered(view: View) -> tuple[Tool, ...]:
    """The tools for a view: those that may not ask can only look where something is hidden."""
    if not view.leaf:
        return TOOLS
    return READING if "$q." in view.question else CLOSING


_Asker = Callable[[list[BaseMessage], dict[str, Any]], Awaitable[object]]


def _asker(runnable: Runnable[Any, Any], *, tracing: bool) -> _Asker:
    """The quickest way to ask: LangChain's callbacks cost as much again and serve its tracing."""
    if isinstance(runnable, _Direct) and not tracing:
        return runnable.direct

    # A compiled graph takes a state; only such have channels.
    stateful = hasattr(runnable, "input_channels")

    async def invoked(messages: list[BaseMessage], tools: dict[str, Any]) -> object:
        said: Any = {"messages": messages} if stateful else messages
        return await runnable.ainvoke(said, **tools)

    return invoked


def _bound(runnable: Runnable[Any, Any], tools: Sequence[Tool]) -> dict[str, Any]:
    """What a model is called with so that it may call these tools.

    Raises:
        BadAnswerer: It takes none.
    """
    if not isinstance(runnable, BaseChatModel):
        raise BadAnswerer("only a chat model takes tools; give another mode")
    try:
        bound = runnable.bind_tools(list(tools))
    except NotImplementedError:
        raise BadAnswerer('this model takes no tools; give it mode="json"') from None
    return dict(cast("Any", bound).kwargs)


def _message(said: object) -> AIMessage:
    """The message in what a runnable returns.

    Raises:
        TransientFault: There is none.
    """
    if isinstance(said, dict):
        listed = cast("dict[str, object]", said).get("messages")
        said = cast("list[object]", listed)[-1] if isinstance(listed, list) and listed else None
    if isinstance(said, str):
        return AIMessage(said)
    if isinstance(said, AIMessage):
        return said
    raise Decided(Failure("answerer", f"it returned a {type(said).__name__}, not a message"))


def _said(message: AIMessage, exchange: Exchange) -> Said:
    """What a message says, its calls as they came where the body of the reply is known."""
    calls = called(exchange.body)
    if calls is None:
        calls = tuple(Called(each["name"], each["args"]) for each in message.tool_calls)
        calls += tuple(Called(each["name"], each["args"]) for each in message.invalid_tool_calls)
    refusal = message.additional_kwargs.get("refusal")
    return Said(
        str(message.text),
        calls,
        refusal if isinstance(refusal, str) else "",
        _finish(message),
    )


def _finish(message: AIMessage | None) -> str:
    """Why a reply ended, as its provider names it."""
    known = {} if message is None else message.response_metadata
    for name in ("finish_reason", "stop_reason", "done_reason"):
        found = known.get(name)
        if isinstance(found, str):
            return found[:80]
    return ""


def _name(message: AIMessage | None) -> str:
    known = {} if message is None else message.response_metadata
    found = known.get("model_name") or known.get("model")
    return found[:200] if isinstance(found, str) else ""


def _tokens(message: AIMessage | None) -> tuple[int | None, int | None, int]:
    """Tokens in and out, and those of the first that had been read before."""
    used = None if message is None else message.usage_metadata
    if used is None:
        return None, None, 0
    details = used.get("input_token_details") or {}
    before = _count(details.get("cache_read"))
    tokens_in = _count(used.get("input_tokens"))
    return tokens_in, _count(used.get("output_tokens")), min(before or 0, tokens_in or 0)


def _count(value: object) -> int | None:
    fine = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS
    return cast("int", value) if fine else None


# -- errors of what is not ours --------------------------------------------------------------


def _causes(error: BaseException) -> list[BaseException]:
    """An error and what it came from, nearest first."""
    found: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in found:
        found.append(each)
        each = each.__cause__ or each.__context__
    return found


_PASSING_NAMES: Final = frozenset(
    {"APIConnectionError", "APITimeoutError", "ConnectError", "ReadError", "RemoteProtocolError"}
    | {"ConnectTimeout", "ReadTimeout", "PoolTimeout", "WriteTimeout", "ServerDisconnectedError"}
)
"""What clients of providers raise for a connection that did not hold."""


def _foreign(error: Exception, who: str) -> Failure:
    """The failure that an error of a user's own runnable is.

    Raises:
        TransientFault: It may pass.
        RunStopped: No request can succeed now.
        Exception: The error itself, where nothing is known of it.
    """
    for each in _causes(error):
        status = getattr(each, "status_code", None)
        if isinstance(status, int):
            return decided(status, _headers(each), str(each).encode(), who, "", time.time())
        if isinstance(each, ConnectionError | TimeoutError) or (
            type(each).__name__ in _PASSING_NAMES
        ):
            raise TransientFault(f"{who} cannot be reached: {redacted(str(each), '')[:200]}")
    raise error


def _headers(error: BaseException) -> dict[str, str]:
    """The headers of the response that an error holds, if it holds one."""
    found = getattr(getattr(error, "response", None), "headers", None)
    pairs = cast("Mapping[object, object]", found).items() if isinstance(found, Mapping) else ()
    return {str(name).lower(): str(value) for name, value in pairs}


# -- LangChain's models on our wire ----------------------------------------------------------


class _Direct(BaseChatModel):
    """A LangChain model whose requests our wire carries."""

    _wire: Wire = PrivateAttr()
    _limit_field: str = PrivateAttr("")

    def carried_by(self, wire: Wire, limit_field: str = "") -> Self:
        """The same model on this wire; `limit_field` names the limit of tokens in a request."""
        self._wire, self._limit_field = wire, limit_field
        return self

    async def direct(self, messages: list[BaseMessage], tools: dict[str, Any]) -> AIMessage:
        """The reply to messages, without LangChain's callbacks."""
        result = await self._agenerate(messages, **tools)
        first = result.generations[0]
        found = cast("AIMessage", first.message)
        more = {**(result.llm_output or {}), **(first.generation_info or {})}
        found.response_metadata = {**more, **found.response_metadata}
        return found


class _OpenAI(_Direct):
    """How `ChatOpenAI` asks: OpenAI's protocol, which most servers speak."""

    async def _agenerate(
        self: Any,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: object = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: object,
    ) -> ChatResult:
        payload: dict[str, Any] = self._get_request_payload(messages, stop=stop, **kwargs)
        payload[self._limit_field] = payload.pop("max_completion_tokens")
        body = await self._wire.post("/chat/completions", payload)
        return self._create_chat_result(readable(body))


class _Anthropic(_Direct):
    """How `ChatAnthropic` asks."""

    async def _agenerate(
        self: Any,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: object = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: object,
    ) -> ChatResult:
        payload: dict[str, Any] = self._get_request_payload(messages, stop=stop, **kwargs)
        body = await self._wire.post("/v1/messages", payload)
        read = import_module("anthropic.types").Message.model_validate
        return self._format_output(read(body))


class _Ollama(_Direct):
    """How `ChatOllama` asks."""

    async def _acreate_chat_stream(
        self: Any, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: object
    ) -> AsyncIterator[dict[str, Any]]:
        params = {**self._chat_params(messages, stop, **kwargs), "stream": False}
        sent = {name: each for name, each in params.items() if each is not None}
        body = await self._wire.post("/api/chat", sent)
        if body.get("done") is not True:
            raise TransientFault("the reply of Ollama is not done")
        yield body


def _wired(settings: ChatSettings, wire: Wire, key: str) -> _Direct:
    """The model of a provider, its requests carried by our wire."""
    made: dict[str, Any] = {"base_url": settings.address, "cache": False}
    if settings.temperature is not None:
        made["temperature"] = settings.temperature
    if settings.kind == "ollama":
        made |= {"num_predict": settings.max_output_tokens, "num_ctx": settings.context_tokens}
        return _made(settings, made, _Ollama).carried_by(wire)
    made |= {"max_tokens": settings.max_output_tokens, "max_retries": 0, "api_key": key or "none"}
    if settings.kind == "anthropic":
        return _made(settings, made, _Anthropic).carried_by(wire)
    # Its own clients are never used, so they are not made.
    made |= {"use_responses_api": False, "client": wire, "async_client": wire}
    at_home = settings.address == HOMES["openai"]
    name = settings.limit_field or ("max_completion_tokens" if at_home else "max_tokens")
    return _made(settings, made, _OpenAI).carried_by(wire, name)


def _made(settings: ChatSettings, parameters: dict[str, Any], asks: type[_Direct]) -> _Direct:
    """The model that LangChain makes, but for how it asks.

    Raises:
        BadAnswerer: LangChain makes none of these settings.
    """
    make = cast("Callable[..., BaseChatModel]", init_chat_model)
    try:
        model = make(settings.model, model_provider=settings.kind, **parameters)
    except (ImportError, ValueError) as error:
        raise BadAnswerer(f"LangChain cannot make {settings.model!r}: {str(error)[:300]}") from None
    kind = cast("type[_Direct]", type(asks.__name__, (asks, type(model)), {}))
    return kind.model_construct(**vars(model))
