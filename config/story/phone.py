"""A reader's phone in the simulator: somebody writes, presses buttons, and sees what came."""

import re
from dataclasses import dataclass
from urllib.parse import urljoin

from bs4 import Tag

from config.story.visitor import Page, Visitor, expect, wait_for

ANSWER_SECONDS = 20.0


@dataclass(frozen=True)
class Bubble:
    """One message that came."""

    text: str
    links: tuple[str, ...]
    buttons: tuple[str, ...]
    picture: str = ""
    alt: str = ""


class Phone:
    """Held by one visitor; `number` is as its owner would type it."""

    def __init__(self, origin: str, number: str, name: str = "") -> None:
        self.visitor = Visitor(origin)
        phones = self.visitor.open("/simulator/")
        page = self.visitor.submit(phones, "/simulator/", {"number": number, "name": name})
        self.url = page.url
        self.seen = len(self.messages())

    def page(self) -> Page:
        return self.visitor.open(self.url)

    def write(self, text: str) -> None:
        self.seen = len(self.messages())
        self.visitor.submit(self.page(), "composer-form", {"text": text})

    def press(self, label: str) -> None:
        """Press a button under the newest message that has it."""
        self.seen = len(self.messages())
        page = self.page()
        for form in page.soup.select(".bubble-buttons form"):
            button = form.find("button")
            if isinstance(button, Tag) and label.casefold() in button.get_text().casefold():
                data = {str(i.get("name")): str(i.get("value")) for i in form.find_all("input")}
                data["button"] = str(button.get("value"))
                url = urljoin(page.url, str(form.get("action")))
                response = self.visitor.session.post(url, data=data, timeout=30)
                expect(response.ok, f"The button {label} answered {response.status_code}.")
                return
        expect(False, f"No message has a button {label!r}.")

    def messages(self) -> list[Bubble]:
        """What came, oldest first."""
        bubbles = self.page().soup.select(".bubble-theirs")
        return [_bubble(bubble) for bubble in reversed(bubbles)]

    def link(self, pattern: str, seconds: float = ANSWER_SECONDS) -> str:
        """The first link like this in what came since the phone last wrote."""

        def look() -> str:
            links = (link for bubble in self.messages()[self.seen :] for link in bubble.links)
            return next((link for link in links if pattern in link), "")

        return str(wait_for(look, f"a message with a link like {pattern}", seconds))

    def answer(self, *words: str, seconds: float = ANSWER_SECONDS) -> Bubble:
        """The next message since the phone last wrote that has all the words."""

        def look() -> Bubble | None:
            for bubble in self.messages()[self.seen :]:
                if all(word.casefold() in bubble.text.casefold() for word in words):
                    return bubble
            return None

        found: Bubble = wait_for(look, f"a message with {words}", seconds)
        return found

    def picture(self, bubble: Bubble) -> bytes:
        return self.visitor.open(bubble.picture).content


def _bubble(element: Tag) -> Bubble:
    text = element.select_one(".bubble-text")
    image = element.find("img")
    return Bubble(
        text=re.sub(r"\s+", " ", text.get_text(" ")).strip() if text else "",
        links=tuple(str(a["href"]) for a in element.find_all("a", href=True)),
        buttons=tuple(b.get_text(" ").strip() for b in element.select(".bubble-button")),
        picture=str(image.get("src", "")) if isinstance(image, Tag) else "",
        alt=str(image.get("alt", "")) if isinstance(image, Tag) else "",
    )
