"""Lists from elsewhere: checked against the truth about them, loaded, approved."""

import json
import re

from config.story.stage import Stage
from config.story.visitor import Page, expect, wait_for

REPORTED = re.compile(r"([a-z_]+)\s+([\d.,]+)")


def import_by_command(stage: Stage) -> None:
    """As an operator does it, on the command line; over the page where there is none."""
    path = stage.props / "people.csv"
    truth = json.loads((stage.props / "people.truth.json").read_text())["people.csv"]["rows"]
    if stage.system.is_own:
        email, _password = stage.system.sign_ins["editor"]
        said = stage.system.command(
            "import_subscribers", str(path), "--newsletter", "stadtanzeiger",
            "--channel", "simulator", "--by", email, "--load",
        )  # fmt: skip
        expect("1000" in said or "1,000" in said or "1.000" in said, f"Not 1,000: {said[-400:]}")
    else:
        _upload(stage, path.name, "Simulator")
    page = _newest(stage, "editor")
    _compare(page, truth)
    stage.facts["import_phones"] = page.url
    good, refused = truth["good"], sum(truth.values()) - truth["good"]
    stage.say(f"{good} good rows loaded in one go, {refused} left out, each with line and reason")


def import_by_page(stage: Stage) -> None:
    truth = json.loads((stage.props / "people.truth.json").read_text())["people-latin1.csv"]["rows"]
    page = _upload(stage, "people-latin1.csv", "E-Mail")
    _compare(page, truth)
    stage.facts["import_mails"] = page.url
    stage.say(f"{truth['good']} good rows; the encoding was recognised")


def approve(stage: Stage) -> None:
    before = _audience(stage)
    expect(before < 10, f"{before} people can be written to before the approval.")
    for name in ("import_phones", "import_mails"):
        path = stage.facts[name].removeprefix(stage.system.origin)
        refused = stage.visit("editor", path)
        expect(not refused.soup.select("form[action$='/approve/']"), "The uploader may approve.")
        officer = stage.signed_in("dpo")
        officer.submit(officer.open(path), "/approve/")
    # A worker opens the long list.
    wait_for(lambda: _audience(stage) >= 1_040, "1,040 people after the approval", 60.0, step=1.0)
    after = _audience(stage)
    stage.say(
        f"{before} people could be written to before the officer's approval, {after} after it"
    )


def _upload(stage: Stage, name: str, channel: str) -> Page:
    editor = stage.signed_in("editor")
    form = editor.open("/desk/imports/new/")
    fields = {"file": stage.props / name} | _choices(form, channel)
    checked = editor.submit(form, "form", fields)
    return editor.submit(checked, "/load/")


def _choices(page: Page, channel: str) -> dict[str, str]:
    """The value of the channel of this name in the form's list."""
    for option in page.soup.select("select[name=channel] option"):
        if channel.casefold() in option.get_text().casefold():
            return {"channel": str(option["value"])}
    expect(False, f"The form offers no channel {channel!r}.")
    return {}


def _newest(stage: Stage, role: str) -> Page:
    page = stage.visit(role, "/desk/imports/")
    return stage.signed_in(role).open(page.link(r"/desk/imports/[0-9a-f-]{36}/$"))


def _compare(page: Page, truth: dict[str, int]) -> None:
    """The page's three figures against what the list really holds."""
    figures = [int(re.sub(r"\D", "", b.get_text())) for b in page.soup.select(".stats b")]
    total, good = sum(truth.values()), truth["good"]
    expect(
        figures[:3] == [total, good, total - good], f"The report says {figures}, true is {truth}."
    )


def _audience(stage: Stage) -> int:
    """How many people a broadcast to all would reach, as the desk counts them."""
    editor = stage.signed_in("editor")
    page = editor.open("/desk/new/?newsletter=stadtanzeiger")
    form = page.form("broadcast-form")
    reach = page.soup.select_one("#reach")
    expect(reach, "The desk does not count the audience.")
    data = {
        "csrfmiddlewaretoken": str(form.select_one("[name=csrfmiddlewaretoken]")["value"]),  # type: ignore[index]
        "title": "x",
        "markdown": "x",
        "language": "de",
        "who": "everybody",
    }
    response = editor.session.post(
        stage.system.origin + str(reach["hx-post"]),  # type: ignore[index]
        data=data,
        timeout=30,
        headers={"Referer": page.url, "Origin": stage.system.origin},
    )
    expect(response.ok, f"The count answered {response.status_code}.")
    return first_number(response.text)


def first_number(html: str) -> int:
    """The first number in a piece of HTML, with its thousands."""
    text = re.sub(r"<[^>]+>", " ", html)
    found = re.search(r"\d[\d.,\u202f\xa0]*", text)
    return int(re.sub(r"\D", "", found.group())) if found else 0
