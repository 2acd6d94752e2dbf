import json
import logging

import pytest
import structlog

from config.logs import JsonFormatter, configure

PHONE = "+4917604069001"


@pytest.fixture
def lines():
    """What stands in the log afterwards; every line that another test might add is its own."""
    written: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(self.format(record))

    handler = Keep()
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("tested")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    configure()
    yield written
    logger.removeHandler(handler)


def test_our_lines_keep_listed_keys_and_lose_all_others(lines):
    structlog.get_logger("tested").info("Batch finished", batch=7, phone=PHONE)

    line = json.loads(lines[0])
    assert (line["event"], line["batch"], line["level"]) == ("Batch finished", 7, "info")
    assert PHONE not in lines[0]


def test_of_other_packages_only_the_template_is_kept(lines):
    logging.getLogger("tested").warning("Could not reach %s", PHONE)

    assert json.loads(lines[0])["event"] == "Could not reach %s"
    assert PHONE not in lines[0]


@pytest.mark.parametrize("text", [f"Could not reach {PHONE}", PHONE, ValueError(PHONE)])
def test_a_text_that_somebody_else_has_filled_in_is_left_out(lines, text):
    logging.getLogger("tested").warning(text)

    line = json.loads(lines[0])
    assert PHONE not in lines[0]
    assert (line["logger"], line["level"], "event" in line) == ("tested", "warning", False)
    assert line["where"][0].endswith("test_a_text_that_somebody_else_has_filled_in_is_left_out")
    assert __file__ in line["where"][0]


@pytest.mark.parametrize("name", ["jawort.requests", "privacy.tasks"])
def test_the_fixed_words_of_our_own_code_are_kept(lines, name, monkeypatch):
    monkeypatch.setattr(logging.getLogger("tested"), "name", name)

    logging.getLogger("tested").warning("The package waits")

    assert json.loads(lines[0])["event"] == "The package waits"


def test_of_an_exception_type_and_place_are_kept_but_not_its_text(lines):
    try:
        raise ValueError(f"duplicate key: {PHONE}")
    except ValueError:
        logging.getLogger("tested").exception("It failed")

    line = json.loads(lines[0])
    assert line["error"] == "ValueError"
    assert "test_of_an_exception" in line["where"][0]
    assert PHONE not in lines[0]


def test_celery_lines_keep_the_task_and_lose_its_arguments(lines):
    logging.getLogger("tested").error(
        "Task %(name)s[%(id)s] failed",
        {"name": "messengers.tasks.work", "id": "4711", "args": f"['{PHONE}']"},
    )

    line = json.loads(lines[0])
    assert (line["task"], line["task_id"]) == ("messengers.tasks.work", "4711")
    assert PHONE not in lines[0]


def test_a_line_break_cannot_forge_a_line(lines):
    structlog.get_logger("tested").info("Batch finished", reason='x"}\n{"event": "forged"}')

    assert len(lines[0].splitlines()) == 1


def test_the_scanner_would_see_a_careless_line(lines):
    """So that the absence above is news: the value does reach a plain formatter."""
    record = logging.LogRecord("tested", 20, "", 0, "Could not reach %s", (PHONE,), None)

    assert PHONE in logging.Formatter().format(record)
