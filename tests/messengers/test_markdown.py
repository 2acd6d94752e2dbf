"""The Markdown subset, and what the dialects make of it."""

import random
from html.parser import HTMLParser

import pytest

from messengers.markdown import MARKDOWN_MAX, escape_markdown, is_safe_url, parse
from messengers.placeholders import PlaceholderErrors
from messengers.render.chat_html import chat_to_html
from messengers.render.html import ALLOWED_TAGS, cleaned, render_html
from messengers.render.template import Holes
from messengers.render.text import escape_chat, render_chat, render_plain

ARTICLE = """# Rathaus wird saniert

Der **Stadtrat** hat _gestern_ beschlossen:
Es geht los.

- neues Dach
- neue Fenster
  1. Süd
  2. Nord

> „Endlich“, sagte **sie**.
> Und ging.

Mehr: [Plan](https://x.de/plan_a) oder https://x.de/b_c.

***

`code`"""


def chat(markdown, **values):
    return rendered(render_chat, markdown, values)


def plain(markdown, **values):
    return rendered(render_plain, markdown, values)


def html(markdown, **values):
    return rendered(render_html, markdown, values)


def rendered(render, markdown, values):
    holes = Holes()
    return holes.template(render(parse(markdown, allowed=None).blocks, holes)).fill(values)


def test_an_article_in_the_chat_dialect():
    assert (
        chat(ARTICLE)
        == """*Rathaus wird saniert*

Der *Stadtrat* hat _gestern_ beschlossen:
Es geht los.

• neues Dach
• neue Fenster
  1. Süd
  2. Nord

> „Endlich“, sagte *sie*.
> Und ging.

Mehr: Plan (https://x.de/plan_a) oder https://x.de/b_c.

———

`code`"""
    )


def test_an_article_as_the_text_of_a_mail():
    text = plain(ARTICLE)

    assert text.startswith("Rathaus wird saniert\n\nDer Stadtrat hat gestern beschlossen:\n")
    assert "Plan (https://x.de/plan_a)" in text
    assert "*" not in text


def test_an_article_as_html():
    page = html(ARTICLE)

    assert ">Rathaus wird saniert</h1>" in page
    assert "<strong>Stadtrat</strong> hat <em>gestern</em> beschlossen:<br>Es geht los." in page
    assert page.count("<li ") == 4
    assert '<a href="https://x.de/b_c"' in page
    assert "<blockquote" in page
    assert "<hr" in page


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("**a\nb**", "*a*\n*b*"),
        ("**a _b_**", "*a _b_*"),
        ("# a **b** c", "*a b c*"),
        ("- a\n\n  b", "• a\n  b"),
        ("> - a\n> - b", "> • a\n> • b"),
        ("3. a\n4. b", "3. a\n4. b"),
        ("<https://x.de/a_b>", "https://x.de/a_b"),
        ("[anna@x.de](mailto:anna@x.de)", "anna@x.de (anna@x.de)"),
        ("[**fett**](https://x.de)", "*fett* (https://x.de)"),
        ("[](https://x.de)", "https://x.de"),
        ("snake_case 3*4 a~b `", "snake\\_case 3\\*4 a\\~b \\`"),
        ("\\*stern\\*", "\\*stern\\*"),
        ("a\\\nb", "a\nb"),
        ("    eingerückt", "eingerückt"),
        ("&lt;b&gt; <b>", "&lt;b&gt; <b>"),
        ("a\n===", "a\n==="),
    ],
)
def test_small_texts_in_the_chat_dialect(markdown, shown):
    assert chat(markdown) == shown


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "JaVaScRiPt:x", "data:text/html,x", "vbscript:x", "file:///etc",
        "//x.de", "x.de", "", "https://", "https://x.de/ a", "https://x.de/\"x", "https://x.de/<",
        "https://x.de/\n", "https://x.de/{a}", "\x01https://x.de", "https:x.de",
    ],
)  # fmt: skip
def test_only_whole_web_and_mail_addresses_are_links(url):
    assert not is_safe_url(url)


@pytest.mark.parametrize("url", ["https://x.de", "http://x.de/ä?a=b&c#d", "mailto:anna@x.de"])
def test_whole_addresses_are_links(url):
    assert is_safe_url(url)


@pytest.mark.parametrize(
    ("markdown", "code"),
    [
        ("[x](javascript:alert)", "bad_link"),
        ("[x]({first_name})", "bad_link"),
        ("[x](&#xE000;0&#xE001;)", "bad_link"),
        ("[x](&#xE000;99&#xE001;)", "bad_link"),
        ("![x](https://x.de/a.png)", "inline_image"),
        ("Hallo![x](https://x.de/a.png)", "inline_image"),
        ("https://x.de/{first_name}", "slot_in_url"),
        ("x" * (MARKDOWN_MAX + 1), "too_long"),
    ],
)
def test_what_would_not_come_out_as_meant_is_a_fault(markdown, code):
    assert [fault.code for fault in parse(markdown, allowed=None).faults] == [code]


def test_an_exclamation_before_a_link_in_the_next_line_is_no_picture():
    assert parse("Hallo!\n[x](https://x.de)").faults == ()
    assert parse("Hallo! [x](https://x.de)").faults == ()


def test_marks_in_the_source_are_not_taken_for_slots():
    """The marks are private characters: from the writer they are dropped, so none is forged."""
    assert chat("\ue0000\ue001 {newsletter}", newsletter="x") == "0 x"


def test_a_link_of_a_placeholder_is_clickable_in_html_and_plain_in_chat():
    address = "https://x.de/p/a_b?c=d&e=f"

    assert chat("{preferences_url}", preferences_url=address) == address
    assert chat("[hier]({preferences_url})", preferences_url=address) == f"hier ({address})"
    assert 'href="https://x.de/p/a_b?c=d&amp;e=f"' in html(
        "[hier]({preferences_url})", preferences_url=address
    )


def test_a_values_line_breaks_keep_their_place_in_quotes_and_lists():
    assert chat("> {text}", text="a\n> b\nc") == "> a\n> \\> b\n> c"
    assert chat("- {text}", text="a\nb") == "• a\n  b"
    assert "a<br>&lt;b&gt;" in html("{text}", text="a\n<b>")
    assert chat("{first_name}", first_name="a\nb") == "a b"


def test_escaped_words_show_exactly_as_they_are():
    words = "*a* _b_ [c](d) <e> {f} `g` # h\n> i\n1. j\n- k & l ~~m~~ \\ n | o"

    assert plain(escape_markdown(words)) == words
    assert shown(chat_to_html(chat(escape_markdown(words)))) == words


class Shown(HTMLParser):
    """The visible text of HTML, and the tags it consists of."""

    def __init__(self):
        super().__init__()
        self.text = ""
        self.tags = set()
        self.links = []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag == "br":
            self.text += "\n"
        for name, value in attributes:
            assert not name.startswith("on")
            if name == "href":
                self.links.append(value)

    def handle_data(self, data):
        self.text += data


def seen(page):
    reader = Shown()
    reader.feed(page)
    reader.close()
    return reader


def shown(page):
    return seen(page).text


def hostile_texts(count, seed):
    rng = random.Random(seed)
    bits = [*"*_`~>#-+!\\<>&\"'()[]{}|:/.1 \n\tab", "https://x.de/", "javascript:", "<script>",
            "<img src=x onerror=y>", "&#x6a;", "\u202e", "\ue000", "\ue001", "\x00", "ß", "🙂",
            "](", "![", "**", "style=", "{first_name}", "mailto:"]  # fmt: skip
    for _ in range(count):
        yield "".join(rng.choices(bits, k=rng.randrange(1, 25)))


def test_no_value_can_format_in_the_chat_dialect():
    for value in hostile_texts(3000, 1):
        message = chat("Tag {name}, *gut*.", name=value or "x")
        page = seen(chat_to_html(message))
        # Only web addresses are found by messengers themselves; all else is literal.
        assert page.tags <= {"em", "a", "br"}
        assert page.text.startswith("Tag ")
        assert page.text.endswith(", gut.")


def test_a_value_is_shown_letter_for_letter():
    for value in hostile_texts(3000, 2):
        first = chat("{first_name}", first_name=value or "x")
        expected = plain("{first_name}", first_name=value or "x")
        if "https://" not in value:
            assert shown(chat_to_html(first)) == expected


def test_no_value_becomes_a_tag_in_html():
    calm = seen(html("Tag {name}, *gut*.", name="x"))
    for value in hostile_texts(3000, 3):
        page = seen(html("Tag {name}, *gut*.", name=value))
        assert page.tags <= calm.tags | {"br"}
        assert page.links == []


def test_no_text_of_an_editor_becomes_script_in_any_dialect():
    read = 0
    for text in hostile_texts(5000, 4):
        try:
            page = seen(html(text, first_name="Ada"))
        except PlaceholderErrors:
            continue
        read += 1
        assert page.tags <= ALLOWED_TAGS
        for link in page.links:
            assert is_safe_url(link), text
        chat(text, first_name="Ada")
    assert read > 1000


def test_the_second_lock_holds_alone():
    """nh3 runs over what is already escaped; here it meets what escaping would have stopped."""
    dirty = '<p onclick="x">a</p><script>b</script><a href="javascript:c">d</a><img src="x"><svg>'

    assert cleaned(dirty) == "<p>a</p><a>d</a>"


def test_deep_nesting_ends():
    for text in ("> " * 5000 + "x", "- " * 3000 + "x", "[" * 5000, "*" * 9000, "**a " * 3000):
        chat(text)
        html(text)


def test_unpaired_marks_are_only_characters():
    assert chat_to_html("*a _b* c_ `d") == "*a <em>b* c</em> `d"
    assert chat_to_html("**") == "**"
    assert chat_to_html("a\n> b\n> c\nd") == "a<br><blockquote>b<br>c</blockquote>d"
    assert chat_to_html(escape_chat("*a*")) == "*a*"
