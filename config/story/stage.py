"""What the acts of the story share: where it plays, who plays, and what they hold."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from config.story.mailbox import Mailbox
from config.story.phone import Phone
from config.story.system import System
from config.story.visitor import Page, Visitor, expect

# Kept free for books and films by the Bundesnetzagentur; no list of the story has numbers of it.
INVENTED = "+49 221 4710"


@dataclass
class Stage:
    system: System
    props: Path
    article: str
    say: Callable[[str], None]
    staff: dict[str, Visitor] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    number: str = field(init=False)
    leaving: str = field(init=False)
    reader_mail: str = field(init=False)
    phone: Phone = field(init=False)
    leaver: Phone = field(init=False)
    mailbox: Mailbox = field(init=False)

    def __post_init__(self) -> None:
        # Other people each time: nobody is asked twice in ten minutes whether they mean it.
        first, second = random.SystemRandom().sample(range(1_000), 2)
        self.number, self.leaving = f"{INVENTED}{first:03d}", f"{INVENTED}{second:03d}"
        self.reader_mail = f"jana{first}{second}@example.org"
        self.phone = Phone(self.system.origin, self.number, "Jana Leserin")
        self.leaver = Phone(self.system.origin, self.leaving)
        self.mailbox = Mailbox(self.system.origin)

    def signed_in(self, role: str) -> Visitor:
        """The browser of the editor, the dpo or the administrator."""
        if role not in self.staff:
            email, password = self.system.sign_ins[role]
            visitor = Visitor(self.system.origin)
            page = visitor.open("/accounts/login/")
            after = visitor.submit(page, "login", {"login": email, "password": password})
            expect("/accounts/login" not in after.url, f"The {role} cannot sign in.")
            self.staff[role] = visitor
        return self.staff[role]

    def visit(self, role: str, path: str) -> Page:
        return self.signed_in(role).open(path)
