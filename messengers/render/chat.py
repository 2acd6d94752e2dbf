"""A content rendered in the chat dialect: text, at most a few buttons, perhaps a picture."""

from __future__ import annotations

from collections.abc import Mapping

from messengers.contract import Button, Capabilities, Content, Message, Problem, RenderError
from messengers.render.checks import ButtonTemplate, length_problem, measured, parts_of, read
from messengers.render.template import Holes, Template
from messengers.render.text import render_chat


def check_chat(content: Content, able: Capabilities) -> list[Problem]:
    """What keeps the content from going out in the chat dialect."""
    problems, parts = read(content, able)
    if parts is not None:
        holes = Holes()
        text = holes.template(render_chat(parts.document.blocks, holes)).measure()
        too_long = length_problem(text, able, caption=content.image is not None)
        if too_long and all(problem.code != "too_long" for problem in problems):
            problems.append(too_long)
    return problems


class ChatRendered:
    """Made once per dispatch; `fill` is a join of prepared pieces."""

    __slots__ = ("_able", "_buttons", "_fixed_buttons", "_image", "_max", "_text")

    def __init__(self, content: Content, able: Capabilities) -> None:
        parts = parts_of(content, able)
        holes = Holes()
        self._able = able
        self._text: Template = holes.template(render_chat(parts.document.blocks, holes))
        self._image = content.image
        self._max = able.caption_max if content.image else able.text_max
        self._buttons: tuple[ButtonTemplate, ...] = parts.buttons
        self._fixed_buttons: tuple[Button, ...] | None = None
        if all(button.is_fixed for button in parts.buttons):
            self._fixed_buttons = self._fill_buttons({})

    def fill(self, values: Mapping[str, str]) -> Message:
        """The message for one person. Raises `RenderError` if it does not fit."""
        text = self._text.fill(values)
        if self._max and measured(text, self._able) > self._max:
            raise RenderError("too_long", "With this person's values the text is too long.")
        buttons = self._fixed_buttons
        if buttons is None:
            buttons = self._fill_buttons(values)
        return Message(text, buttons=buttons, image=self._image)

    def _fill_buttons(self, values: Mapping[str, str]) -> tuple[Button, ...]:
        return tuple(button.fill(values, self._able) for button in self._buttons)
