"""What the data-protection officer does: answer, erase, verify."""

import io
import json
import re
import zipfile
from urllib.parse import urljoin

from config.story.stage import Stage
from config.story.visitor import Page, Visitor, expect, wait_for

ERASURE_SECONDS = 120.0
PURPOSE = "request"


def export(stage: Stage) -> None:
    officer = stage.signed_in("dpo")
    page = _request(stage, stage.facts["request"])
    officer.submit(page, "/package/make/")
    made: Page = wait_for(
        lambda: _with_package(_request(stage, stage.facts["request"])), "the package", 60.0
    )
    looked = officer.session.post(
        urljoin(made.url, str(made.form("/package/read/")["action"])),
        data={"csrfmiddlewaretoken": _token(made), "purpose": PURPOSE},
        headers={"Referer": made.url, "Origin": stage.system.origin},
        timeout=60,
    )
    _complete(looked.content, _e164(stage.number))
    stage.phone.seen = len(stage.phone.messages())
    officer.submit(_request(stage, stage.facts["request"]), "/package/deliver/")
    link = stage.phone.link("/privacy/answer/", seconds=30)
    reader = Visitor(stage.system.origin)
    for _ in range(2):
        reader.open(link)
    packed = reader.submit(reader.open(link), "")
    _complete(packed.content, _e164(stage.number))
    again = reader.session.get(link, timeout=30)
    expect(not again.content.startswith(b"PK"), "The package can be fetched twice.")
    stage.say(
        "JSON, CSV and PDF came by a link in the chat; one download, and looking does not count"
    )


def erase(stage: Stage) -> None:
    leaver, officer = stage.leaver, stage.signed_in("dpo")
    leaver.write("Bitte alles löschen")
    leaver.write("LÖSCHEN")
    told = leaver.answer("Löschung", "Nummer")
    number = told.text.split("Nummer ")[1].split(".")[0]
    expect(
        _finds(stage, stage.leaving), "The officer does not find the person who is to be erased."
    )
    question = officer.open(_request(stage, number).link(r"/erase/$"))
    officer.submit(question, "/erase/now/")

    def look() -> Page | None:
        page = _request(stage, number)
        return page if page.soup.select("a[href*='/certificates/']") else None

    page: Page = wait_for(look, "the certificate of the erasure", ERASURE_SECONDS, step=1.0)
    certificate = officer.open(page.link(r"/certificates/[0-9a-f-]{36}/$"))
    expect(stage.leaving[-7:] not in certificate.text, "The certificate tells who was erased.")
    pdf = officer.session.get(certificate.link(r"/pdf/$"), timeout=60).content
    expect(pdf.startswith(b"%PDF"), "The certificate is no PDF.")
    expect(not _finds(stage, stage.leaving), "The officer still finds the erased person.")
    stage.say(f"request {number}: erased, scanned, certified; the person is found no more")


def verify(stage: Stage) -> None:
    officer = stage.signed_in("dpo")
    page = officer.open("/privacy/audit/")
    verified = officer.submit(page, "/audit/verify/")
    good = verified.soup.select_one(".note-good")
    expect(good, "The verification did not succeed.")
    said = re.sub(r"\s+", " ", good.get_text(" ")).strip() if good else ""
    stage.say(f"verified: {said[:160]}")


def _with_package(page: Page) -> Page | None:
    """The page, once a worker has made the package."""
    return page if page.soup.select("form[action$='/package/deliver/']") else None


def _request(stage: Stage, number: str) -> Page:
    officer = stage.signed_in("dpo")
    rows = officer.open("/privacy/requests/?show=all")
    for anchor in rows.soup.find_all("a", href=True):
        if number in anchor.get_text(" "):
            return officer.open(str(anchor["href"]))
    expect(False, f"The work list does not show {number}.")
    return rows


def _finds(stage: Stage, number: str) -> bool:
    officer = stage.signed_in("dpo")
    page = officer.open("/privacy/people/")
    found = officer.submit(page, "form", {"typed": number, "purpose": PURPOSE})
    nobody = bool(found.soup.select("main .empty"))
    people = bool(re.search(r"/privacy/people/[0-9a-f-]{36}/", str(found.soup.select("main a"))))
    expect(nobody != people, "The search for a person says neither yes nor no.")
    return people


def _e164(number: str) -> str:
    return number.replace(" ", "")


def _token(page: Page) -> str:
    return str(page.soup.select_one("[name=csrfmiddlewaretoken]")["value"])  # type: ignore[index]


def _complete(packed: bytes, number: str) -> None:
    """A package holds JSON, CSV and PDF, and the JSON holds what was asked for."""
    with zipfile.ZipFile(io.BytesIO(packed)) as package:
        names = package.namelist()
        kinds = {name.rsplit(".", 1)[-1] for name in names}
        expect({"json", "csv", "pdf"} <= kinds, f"The package holds only {sorted(kinds)}.")
        data = json.loads(package.read(next(n for n in names if n.endswith("data.json"))))
    text = json.dumps(data, ensure_ascii=False)
    for word in (number, "Stadtanzeiger", "START", "sport"):
        expect(word in text, f"The export does not hold {word!r}.")
