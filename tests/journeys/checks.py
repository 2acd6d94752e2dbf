"""What a page must keep for everybody: labels, contrast, headings, no sideways scrolling."""

from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Page, Request, ViewportSize

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
PHONE: ViewportSize = {"width": 390, "height": 844}
NARROWEST: ViewportSize = {"width": 360, "height": 740}


@cache
def axe() -> str:
    return AXE.read_text()


class Watch:
    """Listens to a page for as long as it lives."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        # A page that answers 4xx on purpose (a refused form) is named in the console, too.
        if message.type == "error" and "status of 4" not in message.text:
            where = message.location
            place = f"{urlsplit(where['url']).path}:{where['lineNumber']}"
            self.complaints.append(f"console at {place}: {message.text}")

    def _request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws") and address.hostname not in (
            "127.0.0.1",
            "localhost",
        ):
            self.complaints.append(f"another host: {address.hostname}")


def accessibility_faults(page: Page, *only: str) -> list[str]:
    """What axe-core finds against WCAG 2.1 A and AA, as "rule: selector" lines.

    `only` names single rules. Its text is evaluated by the debugger, which the page's content
    policy does not concern.
    """
    page.evaluate(axe())
    return _axe(page, *only)


def _axe(page: Page, *only: str) -> list[str]:
    wanted = {"type": "rule", "values": only} if only else {"type": "tag", "values": RULES}
    run = "only => axe.run(document, {runOnly: only, resultTypes: ['violations']})"
    found = page.evaluate(run, wanted)
    return [
        f"{fault['id']}: {node['target']} {node.get('failureSummary', '')}"
        for fault in found["violations"]
        for node in fault["nodes"]
    ]


def faults_at_every_size(page: Page) -> list[str]:
    """All faults of a wide light page; then what changes on a narrow dark one: colours and width.

    One visit for both: the elements are the same, and a visit is what takes the time.
    """
    wide = page.viewport_size
    faults = accessibility_faults(page) + ["sideways"] * scrolls_sideways(page)
    page.emulate_media(color_scheme="dark")
    for size in (PHONE, NARROWEST):
        page.set_viewport_size(size)
        faults += [f"sideways at {size['width']} pixels"] * scrolls_sideways(page)
    faults += [f"narrow and dark: {fault}" for fault in _axe(page, "color-contrast")]
    page.emulate_media(color_scheme="light")
    if wide:
        page.set_viewport_size(wide)
    return faults


def scrolls_sideways(page: Page) -> bool:
    return bool(
        page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth + 1"
        )
    )
