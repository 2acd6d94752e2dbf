"""A person with a browser: opens pages, fills in forms, and sees what stands there."""

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from bs4 import BeautifulSoup, Tag

TIMEOUT_SECONDS = 30
Field = str | list[str] | bool | Path


class Untrue(AssertionError):
    """Something the story promises was not so."""


def expect(truth: object, otherwise: str) -> None:
    """Raise `Untrue` with the sentence unless `truth` holds."""
    if not truth:
        raise Untrue(otherwise)


def wait_for(look: Callable[[], Any], what: str, seconds: float = 30.0, step: float = 0.25) -> Any:
    """Look again until there is something; `Untrue` if nothing came in time."""
    deadline = time.monotonic() + seconds
    while True:
        if seen := look():
            return seen
        expect(time.monotonic() < deadline, f"Waited {seconds:.0f} s in vain for {what}.")
        time.sleep(step)


class Page:
    """One answer of the server, read as a person reads it."""

    def __init__(self, response: requests.Response) -> None:
        self.url = response.url
        self.status = response.status_code
        self.content = response.content
        self.headers = response.headers
        self.soup = BeautifulSoup(response.content, "html.parser")

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", self.soup.get_text(" ")).strip()

    def says(self, *words: str) -> bool:
        """Whether every one of the words stands on the page, whatever the case."""
        text = self.text.casefold()
        return all(word.casefold() in text for word in words)

    def link(self, pattern: str) -> str:
        """The address of the first link whose address or text matches."""
        for anchor in self.soup.find_all("a", href=True):
            if re.search(pattern, str(anchor["href"])) or re.search(pattern, anchor.get_text(" ")):
                return urljoin(self.url, str(anchor["href"]))
        raise Untrue(f"{urlsplit(self.url).path} has no link like {pattern!r}.")

    def form(self, pattern: str) -> Tag:
        """The first form whose action or button matches."""
        for form in self.soup.find_all("form"):
            assert isinstance(form, Tag)
            buttons = " ".join(
                f"{b.get_text(' ')} {b.get('name', '')}={b.get('value', '')}"
                for b in form.find_all("button")
            )
            classes = " ".join(map(str, form.get_attribute_list("class")))
            if re.search(
                pattern, f"{form.get('action', '')} {form.get('id', '')} {classes} {buttons}"
            ):
                return form
        raise Untrue(f"{urlsplit(self.url).path} has no form like {pattern!r}.")


class Visitor:
    """One browser with its own cookies. Never follows a form to another host."""

    def __init__(self, origin: str, language: str = "de") -> None:
        self.origin = origin
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Accept-Language"] = language
        self.session.headers["Referer"] = f"{origin}/"

    def open(self, path: str, *, status: int = 200) -> Page:
        response = self.session.get(urljoin(self.origin, path), timeout=TIMEOUT_SECONDS)
        return self._seen(response, status)

    def submit(
        self,
        page: Page,
        form: str,
        fields: Mapping[str, Field] | None = None,
        *,
        press: str = "",
        status: int = 200,
    ) -> Page:
        """Send the form as a browser would: what stands in it, changed by `fields`.

        `press` is the value of the button that is pressed, where a form has several.
        """
        element = page.form(form)
        data, files = _filled(element, dict(fields or {}), press)
        url = urljoin(page.url, str(element.get("action") or page.url))
        expect(
            urlsplit(url).netloc == urlsplit(self.origin).netloc, "A form leads to another host."
        )
        if str(element.get("method", "get")).lower() == "get":
            response = self.session.get(url, params=data, timeout=TIMEOUT_SECONDS)
        else:
            response = self.session.post(
                url,
                data=data,
                files=files or None,
                timeout=TIMEOUT_SECONDS,
                headers={"Origin": self.origin, "Referer": page.url},
            )
        return self._seen(response, status)

    def _seen(self, response: requests.Response, status: int) -> Page:
        page = Page(response)
        where = f"{response.request.method} {urlsplit(response.url).path}"
        hint = page.text[:300] if page.status != status else ""
        expect(page.status == status, f"{where} answered {page.status} instead of {status}. {hint}")
        return page


def _filled(
    form: Tag, wanted: dict[str, Field], press: str
) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """The pairs that a browser would send, and the files beside them."""
    data: list[tuple[str, str]] = []
    controls = form.find_all(["input", "select", "textarea"])
    names = [str(control.get("name") or "") for control in controls]
    wanted = {_full_name(name, names): value for name, value in wanted.items()}
    for control in controls:
        name = str(control.get("name") or "")
        if name and name not in wanted and not control.has_attr("disabled"):
            data += [(name, value) for value in _values(control)]
    files: dict[str, Any] = {}
    for name, value in wanted.items():
        if isinstance(value, Path):
            files[name] = (value.name, value.read_bytes())
        elif isinstance(value, list):
            data += [(name, item) for item in value]
        elif value is not False:
            data.append((name, "on" if value is True else str(value)))
    return data + _pressed(form, press), files


def _full_name(field: str, names: list[str]) -> str:
    """The form's own name of a field: a form among several on a page puts a prefix before it."""
    if field in names:
        return field
    full = next((name for name in names if name.endswith(f"-{field}")), "")
    expect(full, f"The form has no field {field!r}.")
    return full


def _values(control: Tag) -> list[str]:
    if control.name == "textarea":
        return [control.get_text().removeprefix("\n")]
    if control.name == "select":
        options = control.find_all("option")
        chosen = [o for o in options if o.has_attr("selected")]
        if not chosen and not control.has_attr("multiple"):
            chosen = options[:1]
        return [str(o.get("value", o.get_text())) for o in chosen]
    kind = str(control.get("type", "text")).lower()
    if kind in {"submit", "button", "image", "file", "reset"}:
        return []
    if kind in {"checkbox", "radio"}:
        return [str(control.get("value", "on"))] if control.has_attr("checked") else []
    return [str(control.get("value", ""))]


def _pressed(form: Tag, press: str) -> list[tuple[str, str]]:
    for button in form.find_all("button"):
        name, value = str(button.get("name") or ""), str(button.get("value") or "")
        if name and (not press or press in (name, value)):
            return [(name, value)]
    expect(not press, f"The form has no button {press!r}.")
    return []
