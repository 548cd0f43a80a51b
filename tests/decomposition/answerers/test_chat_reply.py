"""Chat replies as plain values: each comes to a turn, or to the reason why it is none."""

import json
from typing import Any

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from decomposition.actions import Abstain, Ask, Given, Note, Quote, Reply, Unlock, Unreadable
from decomposition.answerers.chat_reply import (
    Called,
    NotStrict,
    Said,
    called,
    given,
    readable,
    strict,
)
from decomposition.answerers.chat_settings import standard
from decomposition.answerers.chat_tools import CLOSING, READING, TOOLS
from decomposition.message import Failure, Message


def tool(name: object, arguments: object) -> Said:
    """A reply that calls one tool."""
    return Said(calls=(Called(name, arguments),), finish="tool_calls")


def tools(*calls: tuple[str, dict[str, Any]]) -> Said:
    """A reply that calls several."""
    return Said(calls=tuple(Called(name, json.dumps(each)) for name, each in calls))


def unreadable(reply: Given) -> Unreadable:
    """The reply, which must be none that can be read."""
    assert isinstance(reply, Unreadable)
    return reply


TURNS: dict[str, tuple[Said, Given]] = {
    "reply": (tool("reply", '{"message": "42"}'), (Reply("42"),)),
    "confidence": (
        tool("reply", '{"message": "42", "confidence": 1}'),
        (Reply("42", 1.0),),
    ),
    "quote": (
        tool("reply", '{"message": "x", "quotes": [{"pointer": "$q.1", "text": "a b"}]}'),
        (Reply("x", None, (Quote("$q.1", "a b"),)),),
    ),
    "abstain": (tool("abstain", "{}"), (Abstain(),)),
    "arguments as an object": (tool("note", {"text": "n"}), (Note("n"),)),
    "braces are no template": (
        tool("ask", '{"questions": ["what is {x} in {{y}}?"]}'),
        (Ask(("what is {x} in {{y}}?",), eager=True),),
    ),
    "text beside a call": (
        Said("Let me see.", (Called("reply", '{"message": "1"}'),)),
        (Reply("1"),),
    ),
    "asks are merged": (
        tools(("ask", {"questions": ["a"]}), ("ask", {"questions": ["b", "c"]})),
        (Ask(("a", "b", "c"), eager=True),),
    ),
    "a note between asks": (
        tools(
            ("ask", {"questions": ["a"]}),
            ("note", {"text": "n"}),
            ("ask", {"questions": ["b"]}),
            ("unlock", {"pointers": ["$a1"]}),
        ),
        (Ask(("a", "b"), eager=True), Note("n"), Unlock(("$a1",))),
    ),
    "an ask after the end is left to the engine": (
        tools(
            ("ask", {"questions": ["a"]}),
            ("unlock", {"pointers": ["$a1"]}),
            ("ask", {"questions": ["b"]}),
        ),
        (Ask(("a",), eager=True), Unlock(("$a1",)), Ask(("b",), eager=True)),
    ),
}


@pytest.mark.parametrize("said", TURNS.values(), ids=TURNS.keys())
def test_what_holds_together_is_a_turn(said: tuple[Said, Given]) -> None:
    """Calls of tools become actions, in their order; asks that follow each other become one."""
    assert given(said[0], "tools") == said[1]


ENDED: dict[str, tuple[Said, Failure]] = {
    "length": (
        Said("42", finish="length"),
        Failure("truncated", "the reply was cut at the limit of its tokens"),
    ),
    "length with a whole call": (
        Said("", (Called("reply", '{"message": "1"}'),), finish="length"),
        Failure("truncated", "the reply was cut at the limit of its tokens"),
    ),
    "max_tokens": (
        Said("", finish="max_tokens"),
        Failure("truncated", "the reply was cut at the limit of its tokens"),
    ),
    "filter": (Said("", finish="content_filter"), Failure("refused", "content filter")),
    "refusal": (Said("", refusal="I will not."), Failure("refused", "I will not.")),
    "refusal beside an answer": (
        Said("", (Called("reply", '{"message": "1"}'),), "I will not."),
        Failure("refused", "I will not."),
    ),
    "refusal as a reason": (
        Said("", finish="refusal"),
        Failure("refused", "the model refused"),
    ),
}


@pytest.mark.parametrize("said", ENDED.values(), ids=ENDED.keys())
def test_why_a_reply_ended_comes_before_what_it_holds(said: tuple[Said, Failure]) -> None:
    """A reply that was cut, filtered or refused is that, whatever can be read in it."""
    assert given(said[0], "tools") == said[1]
    assert given(said[0], "json") == said[1]


BROKEN: dict[str, tuple[Said, str, str]] = {
    "null": (Said(), "empty", "empty"),
    "blank": (Said(" \n"), "empty", "empty"),
    "prose": (Said("The answer is 42."), "bad_output", "no action"),
    "unknown tool": (tool("answer", "{}"), "bad_output", "no tool is called 'answer'"),
    "no name": (tool(None, "{}"), "bad_output", "no tool"),
    "name is an object": (tool({"a": 1}, "{}"), "bad_output", "no tool"),
    "missing argument": (tool("reply", "{}"), "bad_output", "message"),
    "unknown argument": (tool("reply", '{"message": "a", "x": 1}'), "bad_output", "`x`"),
    "wrong type": (tool("reply", '{"message": 42}'), "bad_output", "str"),
    "confidence is true": (
        tool("reply", '{"message": "a", "confidence": true}'),
        "bad_output",
        "confidence",
    ),
    "questions as text": (tool("ask", '{"questions": "a"}'), "bad_output", "array"),
    "arguments are a list": (tool("note", '["a"]'), "bad_output", "object"),
    "arguments are null": (tool("abstain", None), "bad_output", "object"),
    "no arguments": (tool("abstain", ""), "bad_output", "not JSON"),
    "truncated text": (tool("reply", '{"message": "4'), "truncated", "middle"),
    "truncated key": (tool("reply", '{"mess'), "truncated", "middle"),
    "truncated number": (tool("reply", '{"message": "a", "confidence": '), "truncated", "middle"),
    "truncated literal": (tool("reply", '{"message": nul'), "truncated", "middle"),
    "truncated escape": (tool("reply", '{"message": "\\u00'), "truncated", "middle"),
    "truncated list": (tool("ask", '{"questions": ["a", "b"'), "truncated", "middle"),
    "truncated after a comma": (tool("ask", '{"questions": ["a",'), "truncated", "middle"),
    "two objects": (
        tool("reply", '{"message": "a"}{"message": "b"}'),
        "bad_output",
        "more than one value",
    ),
    "a key twice": (tool("reply", '{"message": "a", "message": "b"}'), "bad_output", "twice"),
    "NaN": (tool("reply", '{"message": "a", "confidence": NaN}'), "bad_output", "NaN"),
    "1e999": (tool("reply", '{"message": "a", "confidence": 1e999}'), "bad_output", "too large"),
    "5,000 digits": (tool("note", '{"text": ' + "7" * 5_000 + "}"), "bad_output", "digits"),
    "nested": (tool("note", '{"text": ' + "[" * 100_000), "bad_output", "too deep"),
    "single quotes": (tool("note", "{'text': 'a'}"), "bad_output", "not JSON"),
    "trailing comma": (tool("note", '{"text": "a",}'), "bad_output", "not JSON"),
    "one bad call spoils the reply": (
        Said(calls=(Called("note", '{"text": "a"}'), Called("reply", "{"))),
        "truncated",
        "middle",
    ),
}


@pytest.mark.parametrize("said", BROKEN.values(), ids=BROKEN.keys())
def test_nothing_is_repaired(said: tuple[Said, str, str]) -> None:
    """What is not exactly a turn is unreadable, of a kind, with a reason that a model can use."""
    reply = unreadable(given(said[0], "tools"))
    assert reply.kind == said[1]
    assert said[2] in reply.reason
    assert len(reply.reason) < 400


JSON_TURNS: dict[str, tuple[str, Given]] = {
    "reply": ('{"actions": [{"action": "reply", "message": "42"}]}', (Reply("42"),)),
    "spaces around it": (' \n{"actions": [{"action": "abstain"}]}\n', (Abstain(),)),
    "asks are merged": (
        (
            '{"actions": [{"action": "ask", "questions": ["a"]},'
            ' {"action": "ask", "questions": ["b"]},'
            ' {"action": "unlock", "pointers": ["$a1", "$a2"]}]}'
        ),
        (Ask(("a", "b"), eager=True), Unlock(("$a1", "$a2"))),
    ),
}


@pytest.mark.parametrize("said", JSON_TURNS.values(), ids=JSON_TURNS.keys())
def test_one_json_object_is_a_turn(said: tuple[str, Given]) -> None:
    """Without tools a turn is one object with its actions."""
    assert given(Said(said[0], finish="stop"), "json") == said[1]


JSON_BROKEN: dict[str, tuple[str, str]] = {
    "prose before": ('Sure: {"actions": []}', "bad_output"),
    "prose after": ('{"actions": [{"action": "abstain"}]} Done.', "bad_output"),
    "code fence": ('```json\n{"actions": [{"action": "abstain"}]}\n```', "bad_output"),
    "two objects": ('{"actions": []} {"actions": []}', "bad_output"),
    "a list": ('[{"action": "abstain"}]', "bad_output"),
    "no actions": ('{"actions": []}', "bad_output"),
    "something beside": ('{"actions": [{"action": "abstain"}], "thought": "x"}', "bad_output"),
    "an action without a name": ('{"actions": [{"message": "a"}]}', "bad_output"),
    "an unknown action": ('{"actions": [{"action": "exec", "code": "1"}]}', "bad_output"),
    "truncated": ('{"actions": [{"action": "reply", "mess', "truncated"),
    "empty": ("", "empty"),
}


@pytest.mark.parametrize("said", JSON_BROKEN.values(), ids=JSON_BROKEN.keys())
def test_json_is_read_as_strictly(said: tuple[str, str]) -> None:
    """Prose, fences, several values and anything unknown make a reply unreadable."""
    assert unreadable(given(Said(said[0]), "json")).kind == said[1]


def test_text_is_an_answer_to_the_letter() -> None:
    """In text mode nothing is read as a pointer or a bracket."""
    assert given(Said("see $a1 [x]"), "text") == (Reply(Message.of("see $a1 [x]")),)


def test_subquestions_can_wait_for_demand() -> None:
    """A model that is not eager asks lazily."""
    said = tool("ask", '{"questions": ["a"]}')
    assert given(said, "tools", eager=False) == (Ask(("a",), eager=False),)


def test_calls_are_taken_from_the_bodies_of_three_protocols() -> None:
    """The arguments are those that came: as text from OpenAI, as objects from the others."""
    function = {"name": "note", "arguments": '{"text": "a"}'}
    openai = {"choices": [{"message": {"tool_calls": [{"function": function}]}}]}
    ollama = {"message": {"tool_calls": [{"function": {"name": "note", "arguments": {"a": 1}}}]}}
    block = {"type": "tool_use", "name": "note", "input": {"a": 1}}
    assert called(openai) == (Called("note", '{"text": "a"}'),)
    assert called(ollama) == (Called("note", {"a": 1}),)
    assert called({"content": [{"type": "text"}, block]}) == (Called("note", {"a": 1}),)


@pytest.mark.parametrize("body", [None, [], {}, {"choices": []}, {"choices": ["x"]}, {"a": 1}])
def test_a_body_of_another_form_says_nothing_of_calls(body: object) -> None:
    """Where the form is not known, the client's reading has to do."""
    assert called(body) is None


@pytest.mark.parametrize(
    "calls", [["x"], [None], [{}], [{"function": "x"}], [{"function": {"name": 7}}]]
)
def test_a_call_of_another_form_is_a_call_of_nothing(calls: list[object]) -> None:
    """A call without a function is kept, so that the reply is refused and not read around it."""
    found = called({"choices": [{"message": {"tool_calls": calls}}]})
    assert found is not None
    assert unreadable(given(Said(calls=found), "tools")).kind == "bad_output"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["function", "name", "arguments", "message", "type", "input"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given_any(VALUES, st.sampled_from([each["function"]["name"] for each in TOOLS]))
def test_whatever_a_model_sends_comes_to_a_turn_or_a_reason(value: object, name: str) -> None:
    """Nothing that can stand in a body, or in the text of arguments, raises."""
    text = json.dumps(value)
    bodies: list[Any] = [
        {"choices": [{"message": {"tool_calls": [value]}}]},
        {"choices": [{"message": {"tool_calls": [{"function": value}]}}]},
        {
            "choices": [
                {"message": {"tool_calls": [{"function": {"name": name, "arguments": text}}]}}
            ]
        },
        {"content": [value, {"type": "tool_use", "name": name, "input": value}]},
        {"message": {"tool_calls": [{"function": {"name": name, "arguments": value}}]}},
    ]
    for body in bodies:
        assert isinstance(given(Said(calls=called(body) or ()), "tools"), tuple | Unreadable)
    for body in bodies[:3]:
        assert readable(body)["choices"]
    assert isinstance(given(Said(text), "json"), tuple | Unreadable)


def test_strict_json_names_what_it_read() -> None:
    """The reason begins with what was read."""
    with pytest.raises(NotStrict, match="the plan is not JSON"):
        strict("x", "the plan")


def test_schemas_and_structs_take_the_same_arguments() -> None:
    """Every argument that a schema names is taken, and every required one is needed."""
    sample: dict[str, object] = {"string": "$a1", "number": 0.5, "array": ["$a1"]}
    for each in TOOLS:
        name, schema = each["function"]["name"], each["function"]["parameters"]
        fields = schema["properties"]
        full = {field: sample[fields[field]["type"]] for field in fields}
        if name == "reply":
            full["quotes"] = [{"pointer": "$q", "text": "a"}]
        assert isinstance(given(tool(name, json.dumps(full)), "tools"), tuple)
        for field in schema["required"]:
            left = {key: value for key, value in full.items() if key != field}
            assert isinstance(given(tool(name, json.dumps(left)), "tools"), Unreadable)
        assert schema["additionalProperties"] is False


def test_one_who_may_not_ask_is_offered_no_ask() -> None:
    """A leaf can reply and abstain, and unlock where something is hidden."""
    names = [[each["function"]["name"] for each in offered] for offered in (READING, CLOSING)]
    assert names == [["unlock", "reply", "abstain"], ["reply", "abstain"]]


def test_instructions_name_every_tool() -> None:
    """What a model is told speaks of everything that it may do, in both modes."""
    for mode in ("tools", "json"):
        told = standard(mode)
        assert all(each["function"]["name"] in told.text for each in TOOLS)
        assert told.leaf
        assert told.version.startswith(f"{told.name}#")
    assert standard("tools").version != standard("json").version
