"""What the engine is compared with: the same client without any of its promises.

- `straw_man`: takes a batch row, reads and opens its people, posts, writes the answers back. It
  asks no gate, writes no intent, has no lease, no rate, no fence; what it sends twice nobody sees.
  Its statements go by the engine's planning and in the engine's pipeline.
- `bare_client`: the same transport and the same request, without a database.
- `naive`: objects of the ORM and one request at a time, as one would write it on the first day.
"""

from collections import deque
from uuid import UUID

import orjson
from django.db import connection

from messengers.contract import HttpRequest, HttpResponse
from messengers.engine.pace import FEWEST
from messengers.sql import engine_transaction, ids, numbers, rows, run
from messengers.transports.http import HttpTransport
from privacy.vault import KeyRing, Where
from tests.bench.world import TEXT
from tests.standins.http_provider import TOKEN

NAME = "{first_name|Leserin}"
WINDOW = FEWEST  # calls in flight, as many as the engine has
WRITE_BACK = 256
TIMEOUT = 20.0
TAKE = """
    UPDATE messengers_batch SET status = 'done'
     WHERE id = (SELECT id FROM messengers_batch WHERE status = 'waiting' AND dispatch_id = %s
                  ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id"""
READ = """
    SELECT d.position, d.id, uuid_send(a.id), uuid_send(a.subject), a.sealed, a.profile_sealed
      FROM unnest(%s::uuid[], %s::bigint[]) AS ours (dispatch, batch)
      JOIN messengers_delivery d ON d.dispatch_id = ours.dispatch AND d.batch_id = ours.batch
      JOIN messengers_address a ON a.id = d.address ORDER BY d.position"""
WRITE = """
    UPDATE messengers_delivery d
       SET status = 'accepted', attempts = 1, changed_at = clock_timestamp()
      FROM unnest(%s::bigint[], %s::smallint[]) AS r (batch, position)
     WHERE d.dispatch_id = %s AND d.batch_id = r.batch AND d.position = r.position"""
HEADERS = (("content-type", "application/json"), ("authorization", f"Bearer {TOKEN}"))
Person = tuple[int, int, str, str]  # batch, position, phone, text


def straw_man(dispatch: UUID, url: str) -> int:
    """Send the dispatch in a continuous window; how many were sent."""
    transport, waiting = HttpTransport(), deque[Person]()
    results: list[tuple[int, int]] = []
    sent, is_dry = 0, False
    while waiting or transport.in_flight or not is_dry:
        if len(waiting) < WINDOW and not is_dry:
            taken = _take(dispatch)
            waiting.extend(taken)
            is_dry = not taken
        while waiting and transport.in_flight < WINDOW:
            batch, position, phone, text = waiting.popleft()
            transport.submit((batch, position), _post(url, phone, text), TIMEOUT)
        for key, response in transport.poll(0.005):
            assert isinstance(key, tuple)
            _id_of(response)  # read, but not kept: the engine needs no id where attempts come back
            results.append(key)
            sent += 1
        if len(results) >= WRITE_BACK:
            _write_back(dispatch, results)
    _write_back(dispatch, results)
    transport.close()
    return sent


def _take(dispatch: UUID) -> list[Person]:
    with engine_transaction(pipelined=True):
        found = rows(TAKE, [dispatch], prepare=True)
        if not found:
            return []
        batch = found[0][0]
        people = rows(READ, [ids([dispatch]), numbers([batch])], prepare=True, binary=True)
    ring = KeyRing.of(row[3] for row in people)
    phones = ring.opener("messengers_address", "sealed")
    profiles = ring.opener("messengers_address", "profile_sealed")
    opened = []
    for position, _, address, subject, sealed, profile in people:
        names = orjson.loads(profiles(subject, address, profile))
        phone = phones(subject, address, sealed).decode()
        opened.append((batch, position, phone, TEXT.replace(NAME, names["first_name"])))
    return opened


def _post(url: str, phone: str, text: str) -> HttpRequest:
    body = orjson.dumps({"to": phone, "text": text, "attempt": "0" * 48})
    return HttpRequest("POST", f"{url}/api/messages", HEADERS, body)


def _id_of(response: object) -> bytes:
    if not isinstance(response, HttpResponse):
        raise RuntimeError(f"The straw man cannot bear a provider that fails: {response}.")
    return str(orjson.loads(response.body)["id"]).encode()


def _write_back(dispatch: UUID, results: list[tuple[int, int]]) -> None:
    if not results:
        return
    batches, positions = (numbers(column) for column in zip(*results, strict=True))
    with engine_transaction(pipelined=True):
        run(WRITE, [batches, positions, dispatch], prepare=True)
    results.clear()


def bare_client(url: str, number: int) -> int:
    """Post the same message `number` times, reading each answer; no database."""
    transport = HttpTransport()
    request = _post(url, "+4917604069001", TEXT.replace(NAME, "Ada"))
    left, done = number, 0
    while left or transport.in_flight:
        while left and transport.in_flight < WINDOW:
            transport.submit(left, request, TIMEOUT)
            left -= 1
        for _, response in transport.poll(0.005):
            _id_of(response)
            done += 1
    transport.close()
    return done


def naive(dispatch: UUID, url: str, number: int) -> int:
    """Fetch a delivery, its address, its key; post it; save it. One after the other."""
    import requests

    from messengers.models import Address, Delivery
    from privacy.vault import open_sealed

    session = requests.Session()
    pages = Delivery.objects.filter(dispatch_id=dispatch, status="queued").order_by("id")[:number]
    for delivery in pages:
        address = Address.objects.get(id=delivery.address)
        where = Where("messengers_address", "sealed", address.id)
        phone = open_sealed(address.subject, "ops", where, bytes(address.sealed)).decode()
        where = Where("messengers_address", "profile_sealed", address.id)
        names = orjson.loads(
            open_sealed(address.subject, "ops", where, bytes(address.profile_sealed))
        )
        call = _post(url, phone, TEXT.replace(NAME, names["first_name"]))
        answer = session.post(call.url, data=call.body, headers=dict(call.headers), timeout=TIMEOUT)
        delivery.status, delivery.provider_ref = "accepted", answer.json()["id"].encode()[:16]
        delivery.save()
    connection.close()
    return len(pages)
