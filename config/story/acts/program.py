"""What a program does: read and refuse to be refused nothing it may not have."""

from typing import Any

from config.story.stage import Stage
from config.story.visitor import expect

API = "/api/v1"


def call(stage: Stage) -> None:
    token = _token(stage, ["broadcast.read", "newsletter.read", "subscription.read"])
    newsletters = _get(stage, token, "/newsletters/")["results"]
    expect([n["slug"] for n in newsletters] == ["stadtanzeiger"], "The newsletter is not there.")
    page = _get(stage, token, "/subscriptions/?status=confirmed&page_size=5")["results"]
    expect(len(page) == 5, "The subscriptions are not there.")
    for row in page:
        expect(
            "•" in row["address"] or "*" in row["address"] or "…" in row["address"], "Not masked."
        )
    broadcast = stage.facts["broadcast"].rstrip("/").rsplit("/", 1)[-1]
    results = _get(stage, token, f"/broadcasts/{broadcast}/results/")
    expect(sum(results["states"].values()) == results["recipients"], "The states do not sum up.")
    refused = _call(stage, token, "post", f"/broadcasts/{broadcast}/cancel/")
    expect(refused == 403, f"A token without the right to send got {refused}.")
    expect(_call(stage, "jw_forged", "get", "/newsletters/") == 401, "A forged token is let in.")
    states = ", ".join(f"{state} {count}" for state, count in results["states"].items())
    stage.say(f"results by API: {results['recipients']} recipients, {states}; sending was refused")


def _token(stage: Stage, scopes: list[str]) -> str:
    editor = stage.signed_in("editor")
    form = editor.open("/staff/tokens/new/")
    made = editor.submit(form, "form", {"name": "story", "scopes": scopes, "days": "30"})
    secret = made.soup.select_one(".secret")
    expect(secret, "The new token is not shown.")
    return secret.get_text().strip() if secret else ""


def _get(stage: Stage, token: str, path: str) -> dict[str, Any]:
    response = stage.phone.visitor.session.get(
        f"{stage.system.origin}{API}{path}",
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    expect(response.status_code == 200, f"GET {path} answered {response.status_code}.")
    found: dict[str, Any] = response.json()
    return found


def _call(stage: Stage, token: str, method: str, path: str) -> int:
    response = stage.phone.visitor.session.request(
        method,
        f"{stage.system.origin}{API}{path}",
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    return response.status_code
