"""The demo's mailbox, read as its owner reads it: the list, a mail, its source."""

import email
import email.policy
import re
from dataclasses import dataclass
from email.message import EmailMessage
from urllib.parse import urljoin

from config.story.visitor import Visitor, expect, wait_for

MAIL_SECONDS = 40.0


@dataclass(frozen=True)
class Mail:
    """One mail as it was received."""

    message: EmailMessage

    @property
    def headers(self) -> dict[str, str]:
        return {name: str(value) for name, value in self.message.items()}

    @property
    def content_types(self) -> list[str]:
        """Of the parts that are no containers, in their order."""
        return [p.get_content_type() for p in self.message.walk() if not p.is_multipart()]

    def text(self, kind: str = "plain") -> str:
        part = self.message.get_body((kind,))
        return str(part.get_content()) if part else ""

    def link(self, pattern: str) -> str:
        """The first address in the text that matches."""
        for found in re.findall(r"https?://[^\s<>()]+", self.text()):
            if re.search(pattern, found):
                return str(found)
        expect(False, f"The mail has no link like {pattern!r}.")
        return ""

    @property
    def one_click(self) -> str:
        """The address of RFC 8058."""
        found = re.search(r"<(https?://[^>]+)>", self.headers.get("List-Unsubscribe", ""))
        expect(found, "The mail has no List-Unsubscribe with an address.")
        return found.group(1) if found else ""


class Mailbox:
    def __init__(self, origin: str) -> None:
        self.visitor = Visitor(origin)

    def to(self, address: str) -> list[Mail]:
        """What came for this address, newest first."""
        page = self.visitor.open("/simulator/mail/")
        shown = self.visitor.submit(page, "/simulator/mail/", {"rcpt": address})
        links = [str(a["href"]) for a in shown.soup.select(".mail-list a")]
        return [self._open(urljoin(shown.url, link)) for link in links]

    def wait_for(self, address: str, subject: str) -> Mail:
        """The newest mail for `address` with `subject` in its subject."""

        def look() -> Mail | None:
            for mail in self.to(address):
                if subject.casefold() in mail.headers.get("Subject", "").casefold():
                    return mail
            return None

        found: Mail = wait_for(look, f"a mail “{subject}”", MAIL_SECONDS)
        return found

    def _open(self, url: str) -> Mail:
        source = self.visitor.open(f"{url}source").content
        message = email.message_from_bytes(source, policy=email.policy.default)
        return Mail(message)
