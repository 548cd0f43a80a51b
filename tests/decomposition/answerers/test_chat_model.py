"""Chat models over HTTP on loopback: one request a call, and what becomes of each reply."""

import asyncio
import gzip
import json
import socket
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib import import_module
from typing import Any

import langsmith
import langsmith.utils
import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableLambda

from decomposition.actions import Ask, Given, Reply, Unlock, Unreadable
from decomposition.answerers import chat_wire
from decomposition.answerers.chat_model import ChatModel
from decomposition.answerers.chat_settings import ChatSettings, Instructions, Price, standard
from decomposition.errors import BadAnswerer, RunStopped, TransientFault
from decomposition.message import Failure, Message
from decomposition.spend import Attempt, Usage
from decomposition.view import View
from tests.decomposition.answerers.loopback import (
    ANSWER,
    Server,
    calling,
    completion,
    response,
    serving,
)
from tests.decomposition.answerers.loopback import (
    Reply as Served,
)

KEY = "sk-secret-0123456789"
PRICE = Price(2.0, 10.0)


def seen(text: str = "Question: what is {x}?\n", *, leaf: bool = False, question: str = "") -> View:
    """A view of this text."""
    return View(text, b"k" * 20, question or "what is {x}?", (), {}, "", "", "", leaf)


def settings(server: Server, **changes: object) -> ChatSettings:
    """Settings for a server."""
    path = "/v1" if changes.get("kind", "openai") == "openai" else ""
    named: dict[str, Any] = {
        "model": "m",
        "base_url": f"{server.url}{path}",
        "total_s": 20.0,
        **changes,
    }
    return ChatSettings(**named)


def asked(
    replies: Sequence[Served],
    work: Callable[[ChatModel, Server], Awaitable[Any]] | None = None,
    **changes: object,
) -> tuple[Any, Server]:
    """What one call came to, or what `work` did with a model, and the server that was asked."""

    async def run() -> tuple[Any, Server]:
        async with serving(*replies) as server:
            model = ChatModel(settings(server, **changes), KEY)
            try:
                made = model.attempt(seen(), "c-1f") if work is None else work(model, server)
                return await made, server
            finally:
                await model.close()

    return asyncio.run(run())


def came(*replies: Served, **changes: object) -> Given:
    """The turn that one call came to."""
    attempt, _ = asked(replies, None, **changes)
    assert isinstance(attempt, Attempt)
    return attempt.given


# -- what goes out ---------------------------------------------------------------------------


def test_the_model_sees_the_view_and_its_instructions_and_nothing_else() -> None:
    """The user's message is the view to the letter, braces and all."""
    _, server = asked([ANSWER])
    (request,) = server.requests
    system, user = request.body["messages"]
    assert user == {"role": "user", "content": "Question: what is {x}?\n"}
    assert system == {"role": "system", "content": standard("tools").text}
    assert [each["function"]["name"] for each in request.body["tools"]] == [
        *("ask", "unlock", "note", "reply", "abstain")
    ]
    assert request.path == "/v1/chat/completions"
    assert request.body["max_tokens"] == 4_096
    assert "temperature" not in request.body


def test_the_call_goes_along_in_a_header_alone() -> None:
    """The ledger's id is in a header, so that equal views make equal bodies."""
    _, server = asked([ANSWER])
    (request,) = server.requests
    assert request.headers["x-client-request-id"] == "c-1f"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert "c-1f" not in json.dumps(request.body)


@pytest.mark.parametrize(
    ("question", "names"),
    [("what?", ["reply", "abstain"]), ("what of $q.1?", ["unlock", "reply", "abstain"])],
)
def test_one_who_may_not_ask_is_told_so(question: str, names: list[str]) -> None:
    """A leaf is offered what it may do, and its instructions say it."""

    async def work(model: ChatModel, _: Server) -> Attempt:
        return await model.attempt(seen(leaf=True, question=question), "")

    _, server = asked([ANSWER], work)
    (request,) = server.requests
    assert [each["function"]["name"] for each in request.body["tools"]] == names
    assert request.body["messages"][0]["content"].endswith(standard("tools").leaf.strip())


def test_json_mode_sends_no_tools() -> None:
    """For a model without tools the instructions are other ones, and no tool is sent."""
    text = '{"actions": [{"action": "reply", "message": "42"}]}'
    reply = completion({"role": "assistant", "content": text}, "stop")
    attempt, server = asked([reply], mode="json", temperature=0.5)
    assert attempt.given == (Reply("42"),)
    (request,) = server.requests
    assert "tools" not in request.body
    assert request.body["temperature"] == 0.5
    assert request.body["messages"][0]["content"] == standard("json").text


def test_the_limit_of_tokens_has_the_name_that_the_server_wants() -> None:
    """Servers that are not OpenAI's get `max_tokens`, unless another name is set."""
    _, server = asked([ANSWER], limit_field="max_completion_tokens", max_output_tokens=7)
    assert server.requests[0].body["max_completion_tokens"] == 7
    assert "max_tokens" not in server.requests[0].body


# -- what comes back -------------------------------------------------------------------------


def test_several_asks_of_one_reply_are_one_action() -> None:
    """Subquestions of one reply are asked at once."""
    reply = calling(
        ("ask", '{"questions": ["a {b}"]}'),
        ("ask", '{"questions": ["c"]}'),
        ("unlock", '{"pointers": ["$a1", "$a2"]}'),
    )
    assert came(reply) == (Ask(("a {b}", "c"), eager=True), Unlock(("$a1", "$a2")))


def test_what_was_used_is_kept() -> None:
    """Tokens, money, why it ended, who answered, and both texts, without the instructions."""
    attempt, _ = asked([ANSWER], price=PRICE)
    used = attempt.usage
    assert (used.tokens_in, used.tokens_out) == (120, 30)
    assert used.cost_usd == pytest.approx((120 * 2 + 30 * 10) / 1e6)
    assert (used.finish, used.model) == ("tool_calls", "served-1")
    assert json.loads(used.reply)["choices"][0]["message"]["tool_calls"]
    kept = json.loads(used.request)
    assert kept["user"] == seen().text
    assert kept["instructions"] == standard("tools").version
    assert standard("tools").text not in used.request
    assert KEY not in used.request + used.reply


def test_an_estimate_is_more_than_any_reply_uses() -> None:
    """The bytes of what is sent bound its tokens, and the limit bounds the reply's."""

    async def work(model: ChatModel, server: Server) -> tuple[int, Any]:
        await model.attempt(seen(), "")
        return len(json.dumps(server.requests[0].body).encode()), model.estimate(seen())

    (size, estimate), _ = asked([ANSWER], work, price=PRICE)
    assert estimate.tokens_in >= size - 200
    assert estimate.tokens_out == 4_096
    assert estimate.cost_usd == pytest.approx(PRICE.cost(estimate.tokens_in, 4_096))


def test_without_a_price_the_cost_is_not_known() -> None:
    """None is not zero."""

    async def work(model: ChatModel, _: Server) -> tuple[Any, Attempt]:
        return model.estimate(seen()), await model.attempt(seen(), "")

    (estimate, attempt), _ = asked([ANSWER], work)
    assert estimate.cost_usd is None
    assert attempt.usage.cost_usd is None


DECIDED: dict[str, tuple[bytes, Given]] = {
    "length": (
        completion({"role": "assistant", "content": "4"}, "length"),
        Failure("truncated", "the reply was cut at the limit of its tokens"),
    ),
    "filter": (
        completion({"role": "assistant", "content": ""}, "content_filter"),
        Failure("refused", "content filter"),
    ),
    "refusal": (
        completion({"role": "assistant", "content": None, "refusal": "No."}, "stop"),
        Failure("refused", "No."),
    ),
    "null": (
        completion({"role": "assistant", "content": None}, "stop"),
        Unreadable("the reply is empty", "empty"),
    ),
    "400": (
        response({"error": {"message": "context too long"}}, 400),
        Failure("provider", "refused with 400: context too long"),
    ),
    "413": (response(b"", 413), Failure("provider", "refused with 413")),
    "422": (
        response({"detail": [{"loc": ["body"]}]}, 422),
        Failure("provider", 'refused with 422: {"detail": [{"loc": ["body"]}]}'),
    ),
}


@pytest.mark.parametrize("case", DECIDED.values(), ids=DECIDED.keys())
def test_a_reply_that_decides_is_recorded(case: tuple[bytes, Given]) -> None:
    """What would come again, however often it is asked, is an outcome and no fault."""
    assert came(case[0]) == case[1]


def test_a_malformed_call_among_good_ones_spoils_the_reply() -> None:
    """Order and arguments are those of the body, whatever the client makes of them."""
    reply = calling(("note", '{"text": "a", "text": "b"}'), ("reply", '{"message": "1"}'))
    given = came(reply)
    assert isinstance(given, Unreadable)
    assert "twice" in given.reason


CUT = ANSWER.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)[:-20]

ODD: dict[str, object] = {
    "a list": {"name": "reply", "arguments": '["7"]'},
    "a number": {"name": "reply", "arguments": "7"},
    "null": {"name": "reply", "arguments": "null"},
    "no text": {"name": "reply", "arguments": None},
    "an object": {"name": "reply", "arguments": {"message": 7}},
    "nothing": {"name": "reply", "arguments": ""},
    "no name": {"arguments": "{}"},
    "a name that is none": {"name": 7, "arguments": "{}"},
    "no function": None,
    "a function that is none": "reply",
}


@pytest.mark.parametrize("function", ODD.values(), ids=ODD.keys())
def test_a_call_of_any_form_is_a_reply_that_can_be_refused(function: object) -> None:
    """What no client could read costs the model a refusal; it is no fault to be tried again."""
    calls = [{"id": "t", "type": "function", "function": function}]
    given = came(completion({"role": "assistant", "content": None, "tool_calls": calls}))
    assert isinstance(given, Unreadable)
    assert given.kind == "bad_output"


PASSING: dict[str, bytes] = {
    "429": response({"error": {"message": "slow down"}}, 429),
    "408": response(b"", 408),
    "409": response(b"", 409),
    "500": response(b"oops", 500),
    "503": response(b"", 503),
    "529": response(b"", 529),
    "html": response(b"<!DOCTYPE html><html>sign in</html>"),
    "no choices": response({"id": "x", "object": "chat.completion", "model": "m"}),
    "null choices": response({"id": "x", "choices": None, "model": "m"}),
    "choices are empty": response({"id": "x", "choices": [], "model": "m"}),
    "no message": response({"id": "x", "choices": [{"index": 0}], "model": "m"}),
    "a list": response([1]),
    "not UTF-8": response(b"\xff\xfe{}"),
    "an error with 200": response({"error": {"message": "upstream"}}),
    "cut body": CUT,
    "a stream": response(b'data: {"choices": []}\n\n'),
    "no HTTP": b"hello\r\n\r\n",
}


@pytest.mark.parametrize("reply", PASSING.values(), ids=PASSING.keys())
def test_what_may_pass_is_a_transient_fault(reply: bytes) -> None:
    """Overload, pages for people and replies without a message are asked again, by the loop."""

    async def work(model: ChatModel, server: Server) -> int:
        with pytest.raises(TransientFault) as caught:
            await model.attempt(seen(), "c-1")
        assert isinstance(caught.value.usage, Usage)
        assert caught.value.usage.request
        return len(server.requests)

    requests, _ = asked([reply], work)
    assert requests == 1


def fault_of(reply: Served, **changes: object) -> Exception:
    """The error that a reply is raised as."""

    async def work(model: ChatModel, _: Server) -> Exception:
        with pytest.raises((TransientFault, RunStopped)) as caught:
            await model.attempt(seen(), "c-1")
        return caught.value

    return asked([reply], work, **changes)[0]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("Retry-After: 7", 7.0),
        ("Retry-After: 0.5", 0.5),
        ("Retry-After: -1", None),
        ("Retry-After: nan", None),
        ("Retry-After: soon", None),
        ("Retry-After-Ms: 250", 0.25),
        ("X-Other: 7", None),
    ],
)
def test_the_pause_that_is_asked_for_is_told(header: str, seconds: float | None) -> None:
    """Retry-After in seconds is told to the loop; what is no pause is not."""
    fault = fault_of(response(b"", 429, header))
    assert isinstance(fault, TransientFault)
    assert fault.retry_after_s == seconds


def test_a_pause_until_a_date_is_one_in_seconds() -> None:
    """Retry-After may be a date."""
    until = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    fault = fault_of(response(b"", 503, f"Retry-After: {until}"))
    assert isinstance(fault, TransientFault)
    assert fault.retry_after_s == pytest.approx(3_600, abs=60)


def test_what_is_turned_away_costs_nothing() -> None:
    """A refused request used no tokens; of one that broke on the way nobody knows."""
    refused, _ = asked([response({"error": "too long"}, 400)])
    assert (refused.usage.tokens_in, refused.usage.tokens_out, refused.usage.cost_usd) == (0, 0, 0)
    for reply, known in ((response(b"", 429), 0), (response(b"", 500), None), (CUT, None)):
        fault = fault_of(reply)
        assert isinstance(fault, TransientFault)
        assert isinstance(fault.usage, Usage)
        assert fault.usage.tokens_in == known


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_taken_stops_the_run_and_is_told_to_nobody(status: int) -> None:
    """The provider's own words are shown without the key that they repeat."""
    body = {"error": {"message": f"Incorrect API key provided: {KEY}. Bearer {KEY}"}}
    fault = fault_of(response(body, status))
    assert isinstance(fault, RunStopped)
    assert "Incorrect API key" in str(fault)
    assert "secret" not in str(fault)


def test_a_fault_keeps_the_key_out_of_the_receipt() -> None:
    """What is kept of a refusal's text is without the key."""
    fault = fault_of(response({"error": f"overloaded, {KEY}"}, 500))
    assert isinstance(fault, TransientFault)
    assert isinstance(fault.usage, Usage)
    assert "overloaded" in fault.usage.reply
    assert "secret" not in fault.usage.reply + str(fault)


def test_a_reply_that_repeats_the_key_is_read_without_it() -> None:
    """Neither the answer nor what is kept of the reply holds it."""
    attempt, _ = asked([calling(("reply", json.dumps({"message": f"it is {KEY}"})))])
    assert attempt.given == (Reply("it is [key]"),)
    assert KEY not in attempt.usage.reply


def test_a_model_that_is_not_there_stops_the_run() -> None:
    """404 is the same for every view, so nothing more is sent."""
    fault = fault_of(response({"error": {"message": "no model m"}}, 404))
    assert isinstance(fault, RunStopped)
    assert "name of the model" in str(fault)


def test_a_model_without_tools_is_told_from_a_bad_request() -> None:
    """The message says which setting asks it without tools; nothing is switched by itself."""
    fault = fault_of(response({"error": "registry/m does not support tools"}, 400))
    assert isinstance(fault, RunStopped)
    assert 'mode = "json"' in str(fault)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    """Nothing is sent where a redirect leads, the key least of all."""

    async def run() -> tuple[Exception, Server]:
        async with serving(ANSWER) as other:
            reply = response(b"", status, f"Location: {other.url}/v1/chat/completions")
            async with serving(reply) as server:
                model = ChatModel(settings(server), KEY)
                with pytest.raises(RunStopped, match="redirects to") as caught:
                    await model.attempt(seen(), "")
                await model.close()
            return caught.value, other

    _, other = asyncio.run(run())
    assert not other.requests
    assert not other.connections


def test_a_server_that_says_nothing_runs_into_the_limit_of_the_whole() -> None:
    """A stall ends as a fault that may pass."""
    fault = fault_of(None, total_s=0.05)
    assert isinstance(fault, TransientFault)
    assert "within 0.05 seconds" in str(fault)


def test_a_reply_that_stops_runs_into_the_limit_of_reading() -> None:
    """The limit between two pieces is another one than that of the whole."""
    fault = fault_of(None, read_s=0.05)
    assert isinstance(fault, TransientFault)
    assert "sent nothing for 0.05 seconds" in str(fault)


def test_nobody_listening_is_a_fault_that_may_pass() -> None:
    """A refused connection is asked again later."""

    async def run() -> None:
        async with serving(ANSWER) as server:
            model = ChatModel(settings(server), KEY)
        try:
            with pytest.raises(TransientFault, match="no connection to 127"):
                await model.attempt(seen(), "")
        finally:
            await model.close()

    asyncio.run(run())


def test_a_packed_reply_is_read_as_far_as_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """What unpacks to more than the cap is a failure; what unpacks to less is a reply."""
    head, _, body = ANSWER.partition(b"\r\n\r\n")
    assert head
    packed = response(gzip.compress(body), 200, "Content-Encoding: gzip")
    assert came(packed) == (Reply("42"),)
    monkeypatch.setattr(chat_wire, "MAX_BODY", 1 << 20)
    bomb = response(gzip.compress(b"0" * (8 << 20)), 200, "Content-Encoding: gzip")
    assert came(bomb) == Failure("provider", "the reply is over the cap of 1048576 bytes")
    plain = response(b"0" * (2 << 20))
    assert came(plain) == Failure("provider", "the reply is over the cap of 1048576 bytes")


def test_an_unknown_packing_is_a_fault_that_may_pass() -> None:
    """Nothing is guessed about bytes that nobody asked for."""
    fault = fault_of(response(b"xx", 200, "Content-Encoding: br"))
    assert isinstance(fault, TransientFault)
    assert isinstance(fault_of(response(b"xx", 200, "Content-Encoding: gzip")), TransientFault)


def test_an_answer_of_ten_megabytes_comes_whole() -> None:
    """The engine cuts long answers, not the wire."""
    given = came(calling(("reply", json.dumps({"message": "7" * 10_000_000}))))
    assert isinstance(given, tuple)
    assert given == (Reply("7" * 10_000_000),)


# -- connections -----------------------------------------------------------------------------


def test_calls_share_connections_and_may_run_side_by_side() -> None:
    """Twenty calls, five at a time, need no more than five connections."""

    async def work(model: ChatModel, _: Server) -> list[Attempt]:
        made: list[Attempt] = []
        while len(made) < 20:
            made += await asyncio.gather(*(model.attempt(seen(), f"c-{i}") for i in range(5)))
        return made

    made, server = asked([ANSWER], work)
    assert {each.given for each in made} == {(Reply("42"),)}
    assert len(server.requests) == 20
    assert server.connections <= 5


@pytest.mark.parametrize("close", [True, False])
def test_a_model_outlives_its_event_loop(close: bool) -> None:  # noqa: FBT001 - a parameter
    """The same model is asked in one loop after another, closed between them or not."""
    made: list[ChatModel] = []

    async def run(port: int, *, close: bool) -> tuple[Given, int]:
        async with serving(ANSWER, port=port) as server:
            model = made[0] if made else ChatModel(settings(server), KEY)
            made[:] = [model]
            attempt = await model.attempt(seen(), "")
            if close:
                await model.close()
            return attempt.given, int(server.url.rpartition(":")[2])

    given, port = asyncio.run(run(0, close=close))
    again, _ = asyncio.run(run(port, close=True))
    assert given == again == (Reply("42"),)


# -- other protocols -------------------------------------------------------------------------


def test_anthropic_is_asked_in_its_own_protocol() -> None:
    """Its path, its headers, and its reasons to stop."""
    body = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [
            {"type": "text", "text": "Let me see."},
            {"type": "tool_use", "id": "t", "name": "reply", "input": {"message": "42"}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 11, "output_tokens": 7},
    }
    cut = {**body, "content": [{"type": "text", "text": "4"}], "stop_reason": "max_tokens"}
    no = {**body, "content": [], "stop_reason": "refusal"}

    async def work(model: ChatModel, _: Server) -> list[Attempt]:
        return [await model.attempt(seen(), "c-2") for _ in range(3)]

    made, server = asked([response(each) for each in (body, cut, no)], work, kind="anthropic")
    assert [each.given for each in made] == [
        (Reply("42"),),
        Failure("truncated", "the reply was cut at the limit of its tokens"),
        Failure("refused", "the model refused"),
    ]
    assert (made[0].usage.tokens_in, made[0].usage.tokens_out) == (11, 7)
    request = server.requests[0]
    assert request.path == "/v1/messages"
    assert request.headers["x-api-key"] == KEY
    assert "authorization" not in request.headers
    assert request.headers["x-client-request-id"] == "c-2"
    assert request.body["system"] == standard("tools").text
    assert request.body["max_tokens"] == 4_096
    assert request.body["messages"] == [{"role": "user", "content": seen().text}]


def test_ollama_is_asked_in_its_own_protocol() -> None:
    """One whole reply and no stream; the limits are its own options."""
    call = {"function": {"name": "reply", "arguments": {"message": "42"}}}
    body = {
        "model": "llama3:8b",
        "created_at": "2026-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": "", "tool_calls": [call]},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 9,
        "eval_count": 4,
    }
    cut = {**body, "done_reason": "length"}
    broken = {**body, "done": False}

    async def work(model: ChatModel, _: Server) -> list[Attempt]:
        made = [await model.attempt(seen(), "c-3") for _ in range(2)]
        with pytest.raises(TransientFault, match="not done"):
            await model.attempt(seen(), "c-3")
        return made

    made, server = asked(
        [response(each) for each in (body, cut, broken)],
        work,
        kind="ollama",
        model="llama3:8b",
        context_tokens=8_192,
    )
    assert made[0].given == (Reply("42"),)
    assert isinstance(made[1].given, Failure)
    assert made[1].given.kind == "truncated"
    assert (made[0].usage.tokens_in, made[0].usage.tokens_out) == (9, 4)
    request = server.requests[0]
    assert request.path == "/api/chat"
    assert request.body["stream"] is False
    assert request.body["options"]["num_predict"] == 4_096
    assert request.body["options"]["num_ctx"] == 8_192
    assert request.body["messages"][1]["content"] == seen().text


# -- identity --------------------------------------------------------------------------------


def test_identity_holds_all_that_the_answers_depend_on() -> None:
    """Another model, place, mode, temperature, limit or instruction is another answerer."""
    base = ChatSettings("m", base_url="http://h:1/v1")
    others = [
        ChatSettings("n", base_url="http://h:1/v1"),
        ChatSettings("m", base_url="http://h:2/v1"),
        ChatSettings("m", base_url="http://h:1/v1", mode="json"),
        ChatSettings("m", base_url="http://h:1/v1", temperature=0.0),
        ChatSettings("m", base_url="http://h:1/v1", max_output_tokens=1),
        ChatSettings("m", base_url="http://h:1/v1", eager=False),
        ChatSettings("m", base_url="http://h:1/v1", instructions=Instructions("mine", "Act.")),
    ]
    names = {each.identity() for each in (base, *others)}
    assert len(names) == 1 + len(others)
    assert base.identity().startswith("chat:openai:m@h:1/v1?mode=tools&")
    mended = ChatSettings("m", base_url="http://h:1/v1", read_s=1.0, price=PRICE)
    assert mended.identity() == base.identity()


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "ftp://host/v1",
        "http://169.254.169.254/v1",
        "http://2852039166/v1",
        "http://0xa9fea9fe/v1",
        "http://0251.0376.0251.0376/",
        "http://[fe80::1]/v1",
        "http://[::ffff:169.254.169.254]/",
        "http://[fd00:ec2::254]/",
        "http://metadata.google.internal/v1",
        "http://METADATA.google.internal./v1",
        "http://user:secret@host/v1",
        "http://host/v1?key=1",
        "http:///v1",
        "http://host:99999/v1",
    ],
)
def test_nothing_is_sent_to_an_address_that_is_no_model(address: str) -> None:
    """Files, link-local and metadata addresses, and keys in an address are refused at once."""
    with pytest.raises(BadAnswerer):
        ChatModel(ChatSettings("m", base_url=address), KEY)


def test_a_name_that_leads_to_such_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are looked at again when they are looked up, before anything is sent."""

    def looked_up(*_: object, **__: object) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    model = ChatModel(ChatSettings("m", base_url="http://models.example/v1"), KEY)

    async def run() -> None:
        try:
            with pytest.raises(RunStopped, match="is a link-local or metadata address"):
                await model.attempt(seen(), "")
        finally:
            await model.close()

    asyncio.run(run())


def test_a_price_counts_what_was_read_before_apart() -> None:
    """Cached tokens have their own price, where it is known."""
    assert Price(2.0, 10.0, 1.0).cost(100, 10, 40) == pytest.approx((60 * 2 + 40 + 100) / 1e6)
    assert Price(2.0, 10.0).cost(100, 10, 40) == pytest.approx((100 * 2 + 100) / 1e6)


# -- anything that LangChain can run ---------------------------------------------------------


def ran(model: ChatModel) -> Attempt:
    """What one call comes to."""
    return asyncio.run(model.attempt(seen(), ""))


@pytest.mark.parametrize(
    "said", ["42", AIMessage("42"), {"messages": [AIMessage("no"), AIMessage("42")]}]
)
def test_any_runnable_is_an_answerer(said: object) -> None:
    """A chain or a graph answers with its last message, to the letter."""
    got: list[Any] = []

    def answer(messages: list[BaseMessage]) -> object:
        got.extend(messages)
        return said

    attempt = ran(ChatModel.of_runnable(RunnableLambda(answer), "mine"))
    assert attempt.given == (Reply(Message.of("42")),)
    assert [each.content for each in got] == [seen().text]


def test_a_compiled_graph_is_an_answerer() -> None:
    """A graph of LangGraph gets a state and answers with the last message of one."""
    graphs: Any = import_module("langgraph.graph")

    def node(state: dict[str, list[BaseMessage]]) -> dict[str, list[BaseMessage]]:
        return {"messages": [AIMessage(f"{len(state['messages'])} came")]}

    builder = graphs.StateGraph(graphs.MessagesState)
    builder.add_node("answer", node)
    builder.add_edge(graphs.START, "answer")
    model = ChatModel.of_runnable(builder.compile(), "graph-1")
    assert ran(model).given == (Reply(Message.of("1 came")),)


def test_a_runnable_may_say_whole_turns_as_json() -> None:
    """With mode json it is told how, and may ask."""
    got: list[BaseMessage] = []

    def answer(messages: list[BaseMessage]) -> str:
        got.extend(messages)
        return '{"actions": [{"action": "ask", "questions": ["a"]}]}'

    model = ChatModel.of_runnable(RunnableLambda(answer), "mine", mode="json")
    assert ran(model).given == (Ask(("a",), eager=True),)
    assert got[0].content == standard("json").text


def test_a_runnable_that_returns_something_else_fails() -> None:
    """What is no message is a failure of the answerer."""
    given = ran(ChatModel.of_runnable(RunnableLambda(lambda _: 7), "mine")).given
    assert given == Failure("answerer", "it returned a int, not a message")


def test_a_chat_model_that_takes_no_tools_needs_another_mode() -> None:
    """It is told before anything is asked."""
    fake = GenericFakeChatModel(messages=iter([AIMessage("x")]))
    with pytest.raises(BadAnswerer, match="mode"):
        ChatModel.of_runnable(fake, "fake")
    text = ran(ChatModel.of_runnable(fake, "fake", mode="text"))
    assert text.given == (Reply(Message.of("x")),)


def test_faults_of_a_runnable_are_read_from_what_it_raises() -> None:
    """Status and lost connections mean the same as over our own wire; the rest is its own."""

    class Status(Exception):
        status_code = 429

    def raising(error: Exception) -> ChatModel:
        def answer(_: object) -> str:
            raise error

        return ChatModel.of_runnable(RunnableLambda(answer), "mine")

    for error in (Status("slow"), ConnectionResetError("gone")):
        with pytest.raises(TransientFault):
            ran(raising(error))
    with pytest.raises(ZeroDivisionError):
        ran(raising(ZeroDivisionError()))


def test_the_identity_of_a_runnable_is_its_name_and_mode() -> None:
    """Who wrote it says when it has changed."""
    model = ChatModel.of_runnable(RunnableLambda(lambda _: "x"), "mine-2")
    assert model.identity.startswith("runnable:mine-2?mode=text&")
    assert model.paid
    assert not model.instant


# -- tracing ---------------------------------------------------------------------------------


def test_no_trace_is_uploaded_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """LangSmith's own variables start uploads, and a model ends that unless it was asked for."""
    for name in ("LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LANGSMITH_TRACING_V2"):
        monkeypatch.setenv(name, "true")
    langsmith.configure(enabled=None)
    known: Any = langsmith.utils
    forget, tracing_is_enabled = known.get_env_var.cache_clear, known.tracing_is_enabled
    forget()
    try:
        assert tracing_is_enabled()
        ChatModel(ChatSettings("m", tracing=True), KEY)
        assert tracing_is_enabled()
        ChatModel(ChatSettings("m"), KEY)
        assert not tracing_is_enabled()
    finally:
        forget()


def test_a_model_that_is_traced_answers_alike() -> None:
    """With tracing on, the call goes through LangChain's callbacks and comes to the same."""
    attempt, server = asked([ANSWER], tracing=True)
    assert attempt.given == (Reply("42"),)
    assert attempt.usage.finish == "tool_calls"
    assert attempt.usage.model == "served-1"
    assert len(server.requests) == 1
    fault = fault_of(response({"error": {"message": KEY}}, 429, "Retry-After: 3"), tracing=True)
    assert isinstance(fault, TransientFault)
    assert fault.retry_after_s == 3
    assert "secret" not in str(fault)
