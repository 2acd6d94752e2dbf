"""What is wrong with a content, told while it is being written, and its parts read once.

The messages are English msgids; `messengers.problems.explain` says them in the reader's language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from messengers import markdown
from messengers.contract import Button, Capabilities, Content, Problem, RenderError
from messengers.markdown import Document, is_safe_url
from messengers.placeholders import NAMES, OPTIONAL, PlaceholderErrors, Slot
from messengers.placeholders import parse as parse_placeholders
from messengers.render.template import Template, line_template
from messengers.words import gettext_noop

SUBJECT_MAX = 150
PAYLOAD_MAX = 200


MESSAGES = {
    "bad_link": gettext_noop(
        "“%(found)s” is no link that may go out: it needs a whole address with https://."
    ),
    "bad_name": gettext_noop(
        "Line %(line)s, column %(column)s: a placeholder needs a name like {first_name}. "
        "Allowed are: %(allowed)s."
    ),
    "bad_fallback": gettext_noop(
        "Line %(line)s, column %(column)s: a fallback is short plain text without braces."
    ),
    "button_label": gettext_noop(
        "The button “%(label)s” has %(length)s characters; here at most %(max)s are shown."
    ),
    "button_empty": gettext_noop("A button needs a label."),
    "button_link": gettext_noop(
        "The button “%(label)s” needs a whole address with https://, or one placeholder for it."
    ),
    "buttons_too_many": gettext_noop("%(count)s buttons; here at most %(max)s are shown."),
    "double_braces": gettext_noop(
        "Line %(line)s, column %(column)s: a placeholder has single braces, like {first_name}."
    ),
    "empty": gettext_noop("There is no text yet."),
    "fallback_missing": gettext_noop(
        "Not everybody told a name: write {%(name)s|…} with the word that stands there instead."
    ),
    "image_type": gettext_noop(
        "Pictures of the type %(type)s are not shown here; use %(allowed)s."
    ),
    "image_unsupported": gettext_noop("This messenger shows no pictures."),
    "image_alt": gettext_noop("The picture needs a text for people who cannot see it."),
    "inline_image": gettext_noop(
        "A picture inside the text is not shown: add it as the picture of the message."
    ),
    "slot_in_url": gettext_noop(
        "A placeholder cannot be part of a link (“%(found)s”): nothing personal goes into one."
    ),
    "subject_missing": gettext_noop("A mail needs a subject."),
    "subject_too_long": gettext_noop("The subject has %(length)s characters; at most %(max)s."),
    "too_long": gettext_noop(
        "The text has %(length)s characters with its longest fallbacks; at most %(max)s go out."
    ),
    "too_many_bytes": gettext_noop(
        "The text has %(length)s bytes with its longest fallbacks; at most %(max)s go out."
    ),
    "unclosed": gettext_noop(
        "Line %(line)s, column %(column)s: a placeholder is opened with { and never closed. "
        "For a brace write {{."
    ),
    "unknown_name": gettext_noop(
        "Line %(line)s, column %(column)s: there is no placeholder “%(found)s”. "
        "Allowed are: %(allowed)s."
    ),
}


def problem(code: str, part: str = "markdown", **facts: str | int) -> Problem:
    """A `Problem` with its English message filled in."""
    return Problem(code, MESSAGES[code] % facts, part, tuple(facts.items()))


@dataclass(frozen=True, slots=True)
class ButtonTemplate:
    """A button whose texts may have holes."""

    label: Template
    url: Template
    payload: Template

    @property
    def is_fixed(self) -> bool:
        """Whether it is the same for everybody."""
        return self.label.is_fixed and self.url.is_fixed and self.payload.is_fixed

    def fill(self, values: Mapping[str, str], able: Capabilities) -> Button:
        """The button for one person. Raises `RenderError` if its label does not fit."""
        label = self.label.fill(values)
        if able.button_label_max and len(label) > able.button_label_max:
            raise RenderError("button_label", "With this person's values a button is too long.")
        return Button(label, self.url.fill(values), self.payload.fill(values))


@dataclass(frozen=True, slots=True)
class Parts:
    """A content taken apart: what the renderers work on."""

    document: Document
    subject: Template
    buttons: tuple[ButtonTemplate, ...]


def allowed_names(content: Content) -> frozenset[str] | None:
    """Broadcasts keep to the closed list; a reply may bring values of any name."""
    return NAMES if content.purpose in ("broadcast", "test") else None


def read(content: Content, capabilities: Capabilities) -> tuple[list[Problem], Parts | None]:
    """All problems that do not depend on the dialect, and the parts if they could be read."""
    allowed = allowed_names(content)
    problems = _image_problems(content, capabilities)
    document = subject = None
    try:
        document = markdown.parse(content.markdown, allowed=allowed)
    except PlaceholderErrors as errors:
        problems += placeholder_problems(errors, "markdown")
    try:
        subject = line_template(content.subject, allowed=allowed)
    except PlaceholderErrors as errors:
        problems += placeholder_problems(errors, "subject")
    if document:
        problems += _document_problems(document, content)
    if subject:
        problems += _subject_problems(subject, content, capabilities)
    found, buttons = _buttons(content, capabilities, allowed)
    problems += found
    if document is None or subject is None or len(buttons) < len(content.buttons):
        return problems, None
    return problems, Parts(document, subject, buttons)


def parts_of(content: Content, capabilities: Capabilities) -> Parts:
    """The parts of a content without problems. Raises `RenderError` naming the first one."""
    problems, parts = read(content, capabilities)
    if problems or parts is None:
        raise RenderError(problems[0].code, problems[0].message)
    return parts


def placeholder_problems(errors: PlaceholderErrors, part: str) -> list[Problem]:
    """The mistakes of the placeholder grammar as problems."""
    return [
        problem(
            fault.code,
            part,
            line=fault.line,
            column=fault.column,
            found=fault.found,
            allowed=", ".join(fault.allowed),
        )
        for fault in errors.faults
    ]


def length_problem(text: str, capabilities: Capabilities, *, caption: bool) -> Problem | None:
    """Whether a rendered text is too long for the messenger, in the messenger's own unit."""
    maximum = capabilities.caption_max if caption else capabilities.text_max
    length = measured(text, capabilities)
    if not maximum or length <= maximum:
        return None
    code = "too_many_bytes" if capabilities.unit == "bytes" else "too_long"
    return problem(code, length=length, max=maximum)


def measured(text: str, capabilities: Capabilities) -> int:
    """The length of a text as the messenger counts it."""
    return len(text.encode()) if capabilities.unit == "bytes" else len(text)


def _document_problems(document: Document, content: Content) -> list[Problem]:
    problems = [
        problem("too_long", length=int(fault.found), max=markdown.MARKDOWN_MAX)
        if fault.code == "too_long"
        else problem(fault.code, found=fault.found)
        for fault in document.faults
    ]
    if not document.blocks and not problems:
        problems.append(problem("empty"))
    if content.purpose in ("broadcast", "test"):
        problems += [
            problem("fallback_missing", name=name)
            for name in sorted({slot.name for slot in document.slots if _needs_fallback(slot)})
        ]
    return problems


def _needs_fallback(slot: Slot) -> bool:
    return slot.name in OPTIONAL and slot.fallback is None


def _subject_problems(subject: Template, content: Content, able: Capabilities) -> list[Problem]:
    if not able.subject:
        return []
    length = len(subject.measure())
    if not content.subject.strip():
        return [problem("subject_missing", "subject")]
    if length > SUBJECT_MAX:
        return [problem("subject_too_long", "subject", length=length, max=SUBJECT_MAX)]
    slots = parse_placeholders(content.subject, allowed=allowed_names(content))
    if content.purpose in ("broadcast", "test"):
        return [
            problem("fallback_missing", "subject", name=slot.name)
            for slot in slots
            if isinstance(slot, Slot) and _needs_fallback(slot)
        ]
    return []


def _image_problems(content: Content, able: Capabilities) -> list[Problem]:
    image = content.image
    if image is None:
        return []
    if not able.image:
        return [problem("image_unsupported", "image")]
    problems = []
    if image.media_type not in able.image_types:
        allowed = ", ".join(sorted(able.image_types))
        problems.append(problem("image_type", "image", type=image.media_type, allowed=allowed))
    if not image.alt.strip():
        problems.append(problem("image_alt", "image"))
    return problems


def _buttons(
    content: Content, able: Capabilities, allowed: frozenset[str] | None
) -> tuple[list[Problem], tuple[ButtonTemplate, ...]]:
    """The buttons' problems, and those buttons that could be read."""
    problems: list[Problem] = []
    templates = []
    count = len(content.buttons)
    if count > able.buttons_max:
        problems.append(problem("buttons_too_many", "buttons", count=count, max=able.buttons_max))
    for button in content.buttons:
        try:
            template = ButtonTemplate(
                *(line_template(text, allowed=allowed) for text in _texts(button))
            )
        except PlaceholderErrors as errors:
            problems += placeholder_problems(errors, "buttons")
            continue
        templates.append(template)
        problems += _button_problems(button, template, able)
    return problems, tuple(templates)


def _texts(button: Button) -> tuple[str, str, str]:
    return button.label, button.url, button.payload


def _button_problems(button: Button, template: ButtonTemplate, able: Capabilities) -> list[Problem]:
    label = template.label.measure()
    problems = []
    if not label.strip():
        problems.append(problem("button_empty", "buttons"))
    if able.button_label_max and len(label) > able.button_label_max:
        problems.append(
            problem(
                "button_label",
                "buttons",
                label=button.label,
                length=len(label),
                max=able.button_label_max,
            )
        )
    if button.url and not _is_button_link(button.url):
        problems.append(problem("button_link", "buttons", label=button.label))
    return problems


def _is_button_link(url: str) -> bool:
    """A whole http(s) address, or exactly one placeholder for one."""
    if is_safe_url(url):
        return not url.lower().startswith("mailto:")
    try:
        segments = parse_placeholders(url, allowed=None)
    except PlaceholderErrors:
        return False
    return len(segments) == 1 and isinstance(segments[0], Slot) and segments[0].is_url
