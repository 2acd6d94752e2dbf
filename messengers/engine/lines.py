"""A worker's line to one channel: its adapter, what it has rendered, and what its rate allows."""

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import orjson
import structlog

from messengers import media
from messengers.channels import account_of, call_seconds
from messengers.contract import (
    Adapter,
    Content,
    Rendered,
    RenderError,
    Request,
    Response,
)
from messengers.engine.pace import Pace
from messengers.models import Channel, Dispatch
from messengers.rate import Allowance
from messengers.registry import adapter_for
from messengers.sql import run
from messengers.transports import Transport, transport_for

log = structlog.get_logger("jawort.engine")

LEASE_SLACK = 5.0  # seconds that a lease outlasts a call

PREPARED = """
    UPDATE messengers_dispatch SET prepared = prepared || jsonb_build_object(%s::text, %s::jsonb)
     WHERE id = %s"""


@dataclass(slots=True)
class Text:
    """One dispatch's content, rendered for one channel."""

    rendered: Rendered | None
    with_footer: Rendered | None = None  # the same for those who must be told how to object
    is_broadcast: bool = True
    prepared: dict[str, Any] | None = None  # None: its picture is still on its way
    upload: Request | None = field(default=None, repr=False)
    problem: str = ""


class Line:
    """One channel as one worker sees it. Made anew in each run, so that settings are fresh."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.adapter: Adapter = adapter_for(account_of(channel))
        self.transport: Transport = transport_for(self.adapter)
        self.call_seconds = call_seconds(channel)
        self.lease_seconds = self.call_seconds + LEASE_SLACK  # built on the database's clock
        self.pace = Pace()
        if self.adapter.transport == "smtp":
            self.pace = Pace(self.adapter.smtp_server().connections)
        self.bulk = int(channel.settings.get("bulk", self.adapter.capabilities.bulk))
        self.has_setbacks = channel.setbacks > 0 or bool(channel.paused_why)
        self._texts: dict[UUID, Text] = {}
        self.unsendable: set[UUID] = set()  # dispatches whose upload could not even be made
        self.allowance = Allowance(channel.id)

    # --- Content ---

    def text(self, dispatch: UUID) -> Text:
        """The dispatch's content as this messenger shows it; rendered once."""
        if dispatch not in self._texts:
            self._texts[dispatch] = self._render(Dispatch.objects.get(id=dispatch))
        return self._texts[dispatch]

    def is_ready(self, dispatch: UUID) -> bool:
        """Whether there is nothing left to upload; begins the upload where there is."""
        text = self.text(dispatch)
        if text.upload is not None:
            try:
                self.transport.submit(dispatch, text.upload, self.call_seconds)
            except Exception as error:
                self.tell_broken(error)
                self.unsendable.add(dispatch)
                return False
            text.upload = None
        return text.prepared is not None or bool(text.problem)

    def _render(self, dispatch: Dispatch) -> Text:
        try:
            content = Content.from_json(dispatch.content)
            text = Text(self.adapter.render(replace(content, footer="")))
            text.is_broadcast = content.purpose == "broadcast"
            if content.footer:
                text.with_footer = self.adapter.render(content.with_footer())
            kept = dispatch.prepared.get(str(self.channel.id))
            if content.image is None or kept is not None:
                text.prepared = kept or {}
                return text
            data = media.read(content.image.key)
            text.upload = self.adapter.prepare(content.image, data)
            if text.upload is None:
                text.prepared = {"image": data}
            return text
        except RenderError as error:
            return self._broken(dispatch.id, error.code)
        except FileNotFoundError:
            return self._broken(dispatch.id, "image_missing")
        except Exception as error:
            # Our own mistake: it costs this dispatch, and must not stop the others.
            return self._broken(dispatch.id, type(error).__name__)

    def _broken(self, dispatch: UUID, code: str) -> Text:
        log.error("content_broken", dispatch=str(dispatch), code=code)
        return Text(None, problem="render")

    def tell_broken(self, error: Exception) -> None:
        """No request can be made of what the channel is told: its token, its URL."""
        log.error("request_broken", channel=str(self.channel.id), error=type(error).__name__)

    def upload_again(self, dispatch: UUID) -> None:
        """No answer came: what was made of the dispatch is made anew when it is asked for."""
        del self._texts[dispatch]

    def uploaded(self, dispatch: UUID, outcome: Response) -> bool:
        """Read the answer to an upload and keep it; whether the picture is there now."""
        text = self._texts[dispatch]
        try:
            text.prepared = self.adapter.prepared(outcome)
        except RenderError:
            return False
        kept = orjson.dumps(text.prepared).decode()
        run(PREPARED, [str(self.channel.id), kept, dispatch])
        return True

    # --- Rate ---

    def may_ask(self, now: float) -> bool:
        """Whether there is a grant, or it makes sense to ask for one again."""
        return self.allowance.may_ask(now)

    def take(self, want: int, *, is_reply: bool) -> int:
        """How many of `want` may go now by the channel's rate; they are used up."""
        return self.allowance.take(want, is_reply=is_reply)

    def close(self) -> None:
        self.transport.close()
