"""PDF by typst: tagged (PDF/UA-1), with the fonts that the package brings along.

The data go in as JSON, so nothing in them can be taken for markup. No font has every character;
what is missing is written out by its Unicode name, because a PDF that shows an empty box says
nothing.
"""

import json
import re
import unicodedata
from pathlib import Path
from typing import Any, Final

import typst
from django.utils.translation import get_language

FOLDER = Path(__file__).resolve().parent
STANDARD: Final = "ua-1"
SCRIPTS = ("LATIN", "GREEK", "CYRILLIC", "DIGIT", "MODIFIER", "COMBINING")
ZERO_WIDTH_SPACE = "\u200b"
LONG_RUN = re.compile(r"\S{24}(?=\S)")
# Joiners and variation selectors: they only shape the character before them.
SHAPERS = {0x200B, 0x200C, 0x200D, 0xFE0E, 0xFE0F}


def pdf(template: str, data: dict[str, Any]) -> bytes:
    """The document `<template>.typ`, filled with JSON-able `data` in the active language."""
    source = (FOLDER / f"{template}.typ").read_bytes()
    try:
        return _compile(source, data)
    except typst.TypstError:
        return _compile(source, _printable(data))


def breakable(text: str) -> str:
    """Long runs without a space, such as hashes, with places where a line may end."""
    return LONG_RUN.sub(lambda run: run.group() + ZERO_WIDTH_SPACE, text)


def _compile(source: bytes, data: dict[str, Any]) -> bytes:
    language = (get_language() or "de")[:2]
    return typst.compile(
        source,
        None,
        format="pdf",
        pdf_standards=STANDARD,
        ignore_system_fonts=True,
        sys_inputs={"data": json.dumps(data), "language": language},
    )


def _printable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _printable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_printable(item) for item in value]
    return "".join(map(_shown, value)) if isinstance(value, str) else value


def _shown(character: str) -> str:
    if ord(character) < 0x80:
        return character if character.isprintable() or character in "\n\t" else " "
    if ord(character) in SHAPERS:
        return ""
    name = unicodedata.name(character, f"U+{ord(character):04X}")
    is_common = name.startswith(SCRIPTS) or unicodedata.category(character)[0] in "PZ"
    return character if is_common and ord(character) < 0x3000 else f"[{name.lower()}]"
