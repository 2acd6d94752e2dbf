"""What the editor does: write, look, test, send, watch."""

import io
import re

from PIL import Image

from config.story.acts.lists import first_number
from config.story.stage import Stage
from config.story.visitor import Field, Page, expect, wait_for

TITLE = "Last-Minute-Tor: Rot-Weiß im Finale"
BUTTON = ("Zum Spielbericht", "https://www.example.org/stadtpokal")
SEND_SECONDS = 120.0


def write(stage: Stage) -> None:
    editor = stage.signed_in("editor")
    page = editor.open("/desk/new/?newsletter=stadtanzeiger")
    fields: dict[str, Field] = {
        "title": TITLE,
        "markdown": stage.article,
        "language": "de",
        "image": stage.props / "stadium.jpg",
        "image_alt": "Ein Fußballplatz unter Flutlicht",
        "button_label_1": BUTTON[0],
        "button_url_1": BUTTON[1],
        "who": "chosen",
        "topics": ["sport"],
    }
    without = editor.submit(page, "broadcast-form", {**fields, "image_alt": ""})
    expect(without.soup.select(".errorlist"), "A picture without description was taken.")
    saved = editor.submit(page, "broadcast-form", fields)
    stage.facts["broadcast"], stage.facts["title"] = saved.url, TITLE
    expect(saved.says("Zoë Krüger"), "The preview does not show the text.")
    expect(saved.soup.select(".phone"), "The preview shows no phone.")
    people, batches = _reach(saved)
    expect(400 <= people <= 450 and batches >= 2, f"Sport reaches {people} people in {batches}.")
    stage.say(f"the desk counts {people} people in {batches} batches for the topic Sport")

    channel = _channel(saved, "Simulator")
    editor.submit(saved, "/test/", {"channel": channel, "address": stage.number})
    test = stage.phone.answer("Test", "Zoë Krüger")
    expect(test.picture, "The test came without its picture.")
    stage.say("a test came to the editor's own phone, marked as one")


def send(stage: Stage) -> None:
    stage.phone.seen = len(stage.phone.messages())
    editor = stage.signed_in("editor")
    question = editor.open(stage.facts["broadcast"] + "send/")
    after = editor.submit(question, "form")
    again = editor.submit(question, "form")
    expect(again.status == 200, "Pressing send twice breaks the page.")
    bubble = stage.phone.answer("Zoë Krüger", seconds=SEND_SECONDS)
    expect("Liebe Jana" in bubble.text, "The reader is not greeted by her name.")
    picture = Image.open(io.BytesIO(stage.phone.picture(bubble)))
    expect(picture.size[0] >= 600, "The picture did not come.")
    expect(not picture.getexif(), "The picture carries camera data.")
    expect(any(BUTTON[0] in label for label in bubble.buttons), "The button did not come.")
    done = _finished(stage, after)
    stage.say(f"the phone showed the message with picture and button; {done}")


def broadcast_to_all(stage: Stage, title: str) -> str:
    """Write and send a short one to everybody; its title."""
    editor = stage.signed_in("editor")
    page = editor.open("/desk/new/?newsletter=stadtanzeiger")
    fields = {"title": title, "markdown": f"{title}: kurz und wichtig.", "who": "everybody"}
    saved = editor.submit(page, "broadcast-form", fields)
    stage.phone.seen = len(stage.phone.messages())
    editor.submit(editor.open(saved.url + "send/"), "form")
    _finished(stage, saved)
    return title


def _finished(stage: Stage, page: Page) -> str:
    """Wait until the bar is full; what the page says then."""
    editor = stage.signed_in("editor")

    def look() -> Page | None:
        shown = editor.open(page.url)
        bar = shown.soup.find("progress")
        full = bar and bar.get("value") == bar.get("max")
        return shown if full else None

    shown: Page = wait_for(look, "the broadcast to finish", SEND_SECONDS, step=0.5)
    states = [
        re.sub(r"\s+", " ", li.get_text(" ")).strip() for li in shown.soup.select(".states li")
    ]
    return "finished: " + ", ".join(states)


def _reach(page: Page) -> tuple[int, int]:
    total = page.soup.select_one(".reach-total")
    expect(total, "The page does not count the audience.")
    around = total.parent.get_text(" ") if total and total.parent else ""
    numbers = [int(re.sub(r"\D", "", n)) for n in re.findall(r"\d[\d.,]*", around)]
    return first_number(str(total)), numbers[-1]


def _channel(page: Page, name: str) -> str:
    for option in page.soup.select("select[name=channel] option"):
        if name.casefold() in option.get_text().casefold():
            return str(option["value"])
    expect(False, f"A test cannot be sent by {name}.")
    return ""
