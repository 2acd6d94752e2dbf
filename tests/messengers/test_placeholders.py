"""The closed grammar of placeholders."""

import random

import pytest

from messengers.placeholders import NAMES, PlaceholderErrors, Slot, escape, parse


def test_text_is_split_into_literals_and_slots():
    assert parse("Hallo {first_name|Leserin}, hier ist {newsletter}.") == (
        "Hallo ",
        Slot("first_name", "Leserin"),
        ", hier ist ",
        Slot("newsletter"),
        ".",
    )


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", ()),
        ("plain", ("plain",)),
        ("a {{ b", ("a { b",)),
        ("a } b", ("a } b",)),
        ("{{{first_name|x}", ("{", Slot("first_name", "x"))),
        ("{first_name|}", (Slot("first_name", ""),)),
        ("{first_name|a|b}", (Slot("first_name", "a|b"),)),
    ],
)
def test_small_texts(text, segments):
    assert parse(text) == segments


@pytest.mark.parametrize(
    ("text", "code", "position"),
    [
        ("Hi {first_name", "unclosed", 3),
        ("Hi {}", "bad_name", 3),
        ("Hi {First_Name}", "bad_name", 3),
        ("Hi { first_name }", "bad_name", 3),
        ("Hi {first_name.__class__}", "bad_name", 3),
        ("Hi {first_name!r}", "bad_name", 3),
        ("Hi {first_name:>10}", "bad_name", 3),
        ("Hi {0}", "bad_name", 3),
        ("Hi {phone}", "unknown_name", 3),
        ("Hi {first_name|{last_name}}", "bad_fallback", 3),
        ("Hi {first_name|" + "x" * 101 + "}", "bad_fallback", 3),
        ("Hi {{first_name}}", "double_braces", 3),
    ],
)
def test_mistakes_are_named_with_their_place(text, code, position):
    with pytest.raises(PlaceholderErrors) as caught:
        parse(text)

    fault = caught.value.faults[0]
    assert (fault.code, fault.position) == (code, position)
    assert "first_name" in str(fault)
    assert f"column {position + 1}" in str(fault)


def test_every_mistake_is_listed_with_line_and_column():
    with pytest.raises(PlaceholderErrors) as caught:
        parse("{a}\n  {b} {newsletter}\n{")

    places = [(fault.line, fault.column) for fault in caught.value.faults]
    assert places == [(1, 1), (2, 3), (3, 1)]


def test_replies_may_bring_their_own_names():
    assert parse("{reference}", allowed=None) == (Slot("reference"),)
    with pytest.raises(PlaceholderErrors):
        parse("{reference}")


def test_an_escaped_text_is_one_literal():
    text = "a {first_name} {{ } b"

    assert parse(escape(text)) == (text,)


def test_no_text_escapes_the_grammar():
    """Fuzz: a result only ever holds literals and allowed names; nothing else is raised."""
    rng = random.Random(2026)
    bits = [*"{}|{}|\n ab_.:!0%é\x00", "first_name", "newsletter", "{first_name|x}", "{{", "ß🙂"]
    parsed = refused = 0
    for _ in range(20_000):
        text = "".join(rng.choices(bits, k=rng.randrange(12)))
        try:
            segments = parse(text)
        except PlaceholderErrors:
            refused += 1
            continue
        parsed += 1
        assert all(s.name in NAMES for s in segments if isinstance(s, Slot))
        assert "".join(_source(s) for s in segments).replace("{{", "{") == text.replace("{{", "{")
    assert parsed > 1000
    assert refused > 1000


def _source(segment):
    if isinstance(segment, str):
        return escape(segment)
    fallback = "" if segment.fallback is None else f"|{segment.fallback}"
    return f"{{{segment.name}{fallback}}}"
