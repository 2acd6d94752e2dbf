"""From bytes to rows: encodings, delimiters and headings as newsrooms have them."""

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field

from subscriptions.errors import ImportRefused
from subscriptions.words.fold import skeleton

MAX_BYTES = 20 * 1024 * 1024
MAX_ROWS = 200_000
MAX_CELL = 4_000  # characters
DELIMITERS = ";,\t|"

# Column -> headings that mean it, folded like everything people type.
HEADINGS = {
    "address": (
        "telefon, telefonnummer, tel, handy, handynummer, mobil, mobilnummer, mobiltelefon, "
        "rufnummer, nummer, phone, phone number, mobile, cell, number, e-mail, email, mail, "
        "e-mail-adresse, emailadresse, mailadresse, adresse, address, kontakt, whatsapp, "
        "identifier, msisdn"
    ),
    "first_name": "vorname, first name, firstname, given name, rufname",
    "last_name": "nachname, name, familienname, last name, lastname, surname, zuname",
    "language": "sprache, language, lang",
    "topics": "themen, thema, topics, topic, interessen, ressorts, rubriken",
    "consent_at": (
        "einwilligung am, einwilligung, einwilligungsdatum, datum, datum der einwilligung, "
        "zugestimmt am, anmeldedatum, angemeldet am, eingewilligt am, opt-in, opt-in am, "
        "consent at, consent date, consent, date, subscribed at, opted in at, opt in date"
    ),
    "consent_source": (
        "quelle, herkunft, nachweis, beleg, formular, consent source, source, evidence, proof, form"
    ),
    "wording": (
        "wortlaut, einwilligungstext, text, wording, consent text, hinweis, widerspruchshinweis, "
        "hinweis bei erhebung, notice at collection, objection notice"
    ),
    "sold_at": (
        "kaufdatum, gekauft am, bestelldatum, bestellt am, verkauft am, vertrag vom, sold at, "
        "purchase date, purchased at, order date, date of sale"
    ),
    "sale": "kauf, produkt, ware, bestellung, artikel, leistung, vertrag, sale, product, purchase",
    "status": "status, zustand, state",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file. `line` counts from 1, the heading included, as editors count."""

    line: int
    cells: dict[str, str] = field(repr=False)
    is_broken: bool = False

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


def read_rows(content: bytes) -> list[Row]:
    """The rows of a CSV file. Raises `ImportRefused` if it cannot be one."""
    if len(content) > MAX_BYTES:
        raise ImportRefused(f"The file is larger than {MAX_BYTES // 1024 // 1024} MB: split it.")
    text = decoded(content)
    lines = _lines(text, delimiter_of(text))
    heading = next(lines, None)
    if heading is None:
        raise ImportRefused("The file is empty.")
    columns = _columns(heading[1])
    rows = [_row(line, cells, columns) for line, cells in lines if any(map(str.strip, cells))]
    if len(rows) > MAX_ROWS:
        raise ImportRefused(f"The file has more than {MAX_ROWS} rows: split it.")
    if not rows:
        raise ImportRefused("The file has a heading and no rows.")
    return rows


def decoded(content: bytes) -> str:
    """The text: UTF-8 with or without a mark, UTF-16 with one, else what Windows writes."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return _strictly(content, encoding)
    if b"\0" in content:
        raise ImportRefused("This is no CSV file. Save the table as CSV first.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def delimiter_of(text: str) -> str:
    """The sign that stands most often in the heading, outside of quotes."""
    heading = next((line for line in text.splitlines() if line.strip()), "")
    outside = "".join(heading.split('"')[::2])
    best = max(DELIMITERS, key=outside.count)
    return best if outside.count(best) else ";"


def _strictly(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise ImportRefused(f"The file says that it is {encoding}, and is not.") from None


def _lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise ImportRefused(f"Line {line} cannot be read: a quote is not closed.") from None
        if any(map(str.strip, cells)):
            yield line, cells


def _columns(heading: list[str]) -> list[str]:
    known = {
        _folded(text): column for column, texts in HEADINGS.items() for text in texts.split(",")
    }
    columns = [known.get(_folded(cell), "") for cell in heading]
    if "address" not in columns:
        raise ImportRefused(
            "No column with telephone numbers or e-mail addresses was found. Its heading is one of:"
            " Telefon, Handynummer, E-Mail, Phone, Address."
        )
    # "Name" beside "Vorname" is the last name; two columns of one meaning: the first one counts.
    return [
        "" if column in columns[:position] else column for position, column in enumerate(columns)
    ]


def _folded(text: str) -> str:
    return "".join(letter for letter in skeleton(text) if letter.isalnum())


def _row(line: int, cells: list[str], columns: list[str]) -> Row:
    # A formula is no address: some programs put a quote or an equals sign before a number.
    named = {
        column: cell.strip().removeprefix("'")
        for column, cell in zip(columns, cells, strict=False)
        if column
    }
    too_many = len(cells) > len(columns) and any(map(str.strip, cells[len(columns) :]))
    is_broken = too_many or any(len(cell) > MAX_CELL for cell in cells)
    return Row(line, named, is_broken)
