"""Makes the subscriber lists that the story imports: as newsrooms really have them.

Always the same people (fixed seed), and none of them exists: the numbers are those that the
Bundesnetzagentur keeps free for films and books, the e-mail domains are reserved by RFC 2606.
`truth` is what an honest import must report, known from how the rows were made.

    python -m config.demo.people FOLDER
"""

import csv
import io
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

SEED = 20261121
GOOD_PHONES = 1_000
GOOD_MAILS = 40


def _words(text: str) -> list[str]:
    return text.split()


FIRST = _words(
    "Jürgen Käthe Björn Änne Günther Zoë Jörg Özlem Søren Renée Anna Bernd Clara Deniz Emil Frieda "
    "Gül Hannes Ida Jakub Karla Lars Mia Nuri Olga Paul Quirin Rosa Sven Tuğba Ulf Vera Wim Yara"
)
LAST = _words(
    "Müller Weiß Groß Straßer Jäger Schön Ölmez Çelik Kowalski Lindström Bäcker Krüger Löwe Süß "
    "Schmidt Fischer Wagner Becker Hoffmann Koch Richter Klein Wolf Neumann Schwarz Zimmermann"
)
SOURCES = (
    "Leserfest Marktplatz",
    "Aboformular Seite 3",
    "Website Formular v2",
    "Messestand Halle 4",
)
WORDING = "Ja, ich möchte den Stadtanzeiger per Messenger erhalten."
TOPICS = ("lokales", "sport", "kultur")

HEADER = [
    "Telefon",
    "Vorname",
    "Nachname",
    "Sprache",
    "Themen",
    "Einwilligung am",
    "Quelle",
    "Wortlaut",
    "Status",
]


@dataclass
class People:
    """A list as text, and the truth about it."""

    header: list[str]
    rows: list[list[str]] = field(default_factory=list)
    truth: Counter[str] = field(default_factory=Counter)
    topics: Counter[str] = field(default_factory=Counter)  # of the good rows

    def add(self, row: list[str], verdict: str) -> None:
        self.rows.append(row)
        self.truth[verdict] += 1
        if verdict == "good":
            self.topics.update(filter(None, row[4].split(",")))

    def text(self) -> str:
        out = io.StringIO()
        writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
        writer.writerow(self.header)
        writer.writerows(self.rows)
        return out.getvalue()


def invented_numbers() -> Iterator[str]:
    """National significant numbers kept free for media use, each once, mobile first."""
    for block in ("176040690", "17139200"):
        yield from (f"{block}{n:02d}" for n in range(100))
    for block in ("3023125", "4066969"):
        yield from (f"{block}{n:03d}" for n in range(1_000))


def spellings(national: str) -> list[str]:
    """One number as different offices type it; all mean the same line."""
    area = 3 if national.startswith("1") else 2
    prefix, line = national[:area], national[area:]
    return [
        f"+49 {prefix} {line}",
        f"0{prefix}/{line}",
        f"0049 {prefix} {line}",
        f"0{prefix} {line[:3]}-{line[3:]}",
        f"+49 (0){prefix} {line}",
        f"0{national}",
    ]


def person(chance: random.Random, where: str) -> list[str]:
    chosen = [
        topic
        for topic, share in zip(TOPICS, (0.75, 0.41, 0.5), strict=True)
        if chance.random() < share
    ]
    day, month, year = (
        chance.randint(1, 28),
        chance.randint(1, 12),
        chance.choice([2023, 2024, 2025]),
    )
    hour, minute = chance.randint(7, 21), chance.randint(0, 59)
    given = chance.choice(
        [
            f"{day:02d}.{month:02d}.{year} {hour:02d}:{minute:02d}",
            f"{year}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}",
        ]
    )
    return [
        where,
        chance.choice(FIRST) if chance.random() > 0.05 else "",
        chance.choice(LAST),
        chance.choices(["de", "en", ""], [85, 10, 5])[0],
        ",".join(chosen),
        given,
        chance.choice(SOURCES),
        WORDING,
        "",
    ]


def changed(row: list[str], **cells: str) -> list[str]:
    names = dict(
        zip(
            ["to", "first", "last", "language", "topics", "at", "source", "wording", "status"],
            range(9),
            strict=True,
        )
    )
    copy = list(row)
    for name, value in cells.items():
        copy[names[name]] = value
    return copy


def by_phone() -> People:
    """1,000 good rows and every mistake that a real list has, in a shuffled but fixed order."""
    chance = random.Random(SEED)
    numbers = invented_numbers()
    people = People(HEADER)
    good = [
        (n, person(chance, chance.choice(spellings(n))))
        for n in (next(numbers) for _ in range(GOOD_PHONES))
    ]
    rows = [(row, "good") for _, row in good]
    # The same person again, spelled otherwise: appended behind, so that the first one counts.
    again = [
        (changed(row, to=chance.choice([s for s in spellings(n) if s != row[0]])), "duplicate")
        for n, row in chance.sample(good, 22)
    ]
    faults: list[tuple[str, int, Callable[[list[str]], list[str]]]] = [
        ("bad_address", 6, lambda row: changed(row, to="0123")),
        ("bad_address", 4, lambda row: changed(row, to="+49 30 keine Ahnung")),
        (
            "bad_address",
            3,
            lambda row: changed(row, to="1,76E+11"),
        ),  # what a spreadsheet makes of it
        ("missing_address", 2, lambda row: changed(row, to="")),
        ("missing_evidence", 9, lambda row: changed(row, at="", source="", wording="")),
        ("bad_date", 3, lambda row: changed(row, at="31.02.2025 10:00")),
        ("future_date", 3, lambda row: changed(row, at="01.01.2099 09:00")),
        ("unknown_topic", 2, lambda row: changed(row, topics="lokales,wetter")),
        ("withdrawn", 14, lambda row: changed(row, status="abgemeldet")),
    ]
    for verdict, count, spoil in faults:
        for _ in range(count):
            rows.append((spoil(person(chance, f"+49 {next(numbers)}")), verdict))
    chance.shuffle(rows)
    for row, verdict in rows + again:
        people.add(row, verdict)
    return people


def by_mail() -> People:
    """A small list from an old program: Latin-1, quoted, the address column named otherwise."""
    chance = random.Random(SEED + 1)
    people = People(["E-Mail", *HEADER[1:]])
    for n in range(GOOD_MAILS):
        row = person(chance, f"leser{n:02d}@example.{chance.choice(['org', 'net', 'com'])}")
        people.add(
            changed(row, first=chance.choice(["Jürgen", "Käthe", "Björn", "Anna"]), last="Weiß"),
            "good",
        )
    people.add(
        changed(people.rows[0], to=people.rows[0][0].replace("@example", "@EXAMPLE")), "duplicate"
    )
    people.add(changed(people.rows[1], to="leser-ohne-klammeraffe.example.org"), "bad_address")
    people.add(
        changed(people.rows[2], to="vergessen@example.org", at="", source="", wording=""),
        "missing_evidence",
    )
    return people


def write_lists(folder: Path) -> None:
    """`people.csv` (UTF-8 with BOM, semicolons), `people-latin1.csv` and `people.truth.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    phones, mails = by_phone(), by_mail()
    (folder / "people.csv").write_bytes(phones.text().encode("utf-8-sig"))
    plain = mails.text().translate({ord("ğ"): "g", ord("Ç"): "C", ord("ş"): "s"})
    (folder / "people-latin1.csv").write_bytes(plain.encode("latin-1"))
    truth = {
        "people.csv": {"rows": phones.truth, "topics": phones.topics},
        "people-latin1.csv": {"rows": mails.truth, "topics": mails.topics},
    }
    (folder / "people.truth.json").write_text(json.dumps(truth, indent=2), encoding="utf-8")


if __name__ == "__main__":
    write_lists(Path(sys.argv[1]))
