"""What readers do: say yes, choose, ask, and leave."""

from config.story.stage import Stage
from config.story.visitor import Visitor, expect, wait_for

NEWSLETTER = "/n/stadtanzeiger/"
QUIET_SECONDS = 6.0


def opt_in_by_chat(stage: Stage) -> None:
    phone = stage.phone
    phone.write("START")
    question = phone.answer("Stadtanzeiger", "JA")
    for word in ("Stadtanzeiger Verlag GmbH", "dreimal am Tag", "STOP", "Datenschutz"):
        expect(word in question.text, f"The question does not say {word!r}.")
    notice = next((link for link in question.links if "/notice/" in link), "")
    expect(notice, "The question has no link to the privacy notice.")
    page = Visitor(stage.system.origin).open(notice)
    expect(page.says("Art. 6", "Auskunft", "Widerruf"), "The notice lacks what Art. 13 wants.")
    stage.say("START was answered by sender, content, frequency, how to stop, notice; asks for JA")

    phone.write("JA")
    welcome = phone.answer("Sie bekommen jetzt")
    receipt = next((link for link in welcome.links if "/r/" in link), "")
    expect(receipt, "The welcome has no link to the receipt.")
    page = Visitor(stage.system.origin).open(receipt)
    expect(page.says("Stadtanzeiger", "JA"), "The receipt does not show what was agreed to.")
    stage.say("JA was confirmed; the receipt shows the wording that was agreed to")

    for topic in ("Lokales", "Sport", "Kultur"):
        expect(any(topic in label for label in welcome.buttons), f"No button for {topic}.")
    phone.press("Kultur")
    phone.answer("Lokales, Sport")
    phone.write("THEMEN")
    phone.answer("Tippen Sie auf ein Thema")
    stage.say("its topics are buttons: Kultur was pressed and is gone")

    leaver = stage.leaver
    leaver.write("start!")
    leaver.answer("JA")
    leaver.write("Ja 👍")
    leaver.answer("Sie bekommen jetzt")
    stage.say("a second phone said it in its own spelling: “start!” and “Ja 👍”")


def opt_in_by_mail(stage: Stage) -> None:
    visitor = Visitor(stage.system.origin)
    page = visitor.open(NEWSLETTER)
    asked = visitor.submit(page, "sign-up", {"address": stage.reader_mail})
    expect("/asked/" in asked.url, "The form does not say to look into the mailbox.")
    mail = stage.mailbox.wait_for(stage.reader_mail, "bestätigen")
    link = mail.link(r"/c/")
    expect("List-Unsubscribe-Post" not in mail.headers, "A confirmation is no newsletter.")
    confirm = visitor.open(link)
    again = visitor.open(link)
    expect(again.text == confirm.text, "Opening the link twice changed something.")
    expect(len(stage.mailbox.to(stage.reader_mail)) == 1, "Opening the link sent a mail.")
    stage.say("the link in the mail was opened twice, as scanners do: nothing happened")

    done = visitor.submit(confirm, "")
    expect(done.soup.select(".badge-good"), "The button did not confirm.")
    stage.mailbox.wait_for(stage.reader_mail, "Sie sind dabei")
    used = visitor.session.get(link, timeout=30)
    expect(used.status_code in (200, 404, 410), "A used link breaks the page.")
    stage.say("its one button confirmed; the welcome came by mail")


def leave_by_mail(stage: Stage) -> None:
    mail = stage.mailbox.wait_for(stage.reader_mail, stage.facts["title"])
    expect(mail.content_types[:2] == ["text/plain", "text/html"], "Text does not come before HTML.")
    expect("image/jpeg" in mail.content_types, "The picture is not in the mail.")
    expect(mail.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click", "No one-click.")
    link = mail.one_click
    visitor = Visitor(stage.system.origin)
    visitor.open(link)
    response = Visitor(stage.system.origin).session.post(
        link,
        data={"List-Unsubscribe": "One-Click"},
        timeout=30,
        allow_redirects=False,
        headers={"Referer": ""},
    )
    expect(response.status_code == 200, f"One click answered {response.status_code}.")
    expect(visitor.open(link).soup.select(".badge-off"), "After one click it has not ended.")
    stage.say("text first, HTML second, picture inside; RFC 8058 ended it by one POST, no GET did")


def ask_for_data(stage: Stage) -> None:
    phone = stage.phone
    phone.write("Auskunft bitte")
    answer = phone.answer("Auskunft", "Nummer")
    number = answer.text.split("Nummer ")[1].split(".")[0]
    stage.facts["request"] = number
    page = stage.visit("dpo", "/privacy/requests/")
    expect(page.says(number), f"The officer does not see the request {number}.")
    stage.say(f"request {number} is open, and its deadline was told: {answer.text[:120]}")


def stop(stage: Stage) -> None:
    leaver = stage.leaver
    leaver.write("Stopp!!")
    leaver.answer("abgemeldet")
    stage.facts["after_stop"] = str(len(leaver.messages()))
    stage.signed_in("editor")
    from config.story.acts.editor import broadcast_to_all

    title = broadcast_to_all(stage, "Noch eine Meldung")
    stage.phone.answer(title)
    wait_for(lambda: True, "nothing", QUIET_SECONDS)
    expect(
        len(leaver.messages()) == int(stage.facts["after_stop"]),
        "A message came after STOP had been answered.",
    )
    stage.say(
        "“Stopp!!” was answered once; the next broadcast reached the other phone, not this one"
    )
