"""Pictures as plain numbers: templates draw SVG from them by attributes, without any style."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

WIDTH = 320
LABEL_WIDTH = 104
VALUE_WIDTH = 36
BAR_HEIGHT = 22
ROW_HEIGHT = 32
COLUMNS_HEIGHT = 140
BASELINE = 110
HEADROOM = 18  # for the words above the columns
PERCENT = 100
MARK = 0.8  # width of a mark in percent
DAY = timedelta(days=1)
Change = tuple[datetime, bool, bool]  # when, whether it is a yes, whether it is a no


def bars(rows: list[tuple[str, int, str]]) -> dict[str, Any]:
    """Horizontal bars from (label, count, CSS class), the longest as wide as there is room."""
    longest = max((count for _label, count, _css in rows), default=0) or 1
    room = WIDTH - LABEL_WIDTH - VALUE_WIDTH
    drawn = [
        {
            "label": label,
            "count": count,
            "css": css,
            "y": number * ROW_HEIGHT,
            "text_y": number * ROW_HEIGHT + 16,
            "width": max(2, round(room * count / longest)) if count else 0,
            "value_x": LABEL_WIDTH + round(room * count / longest) + 8,
        }
        for number, (label, count, css) in enumerate(rows)
    ]
    return {
        "rows": drawn,
        "width": WIDTH,
        "height": ROW_HEIGHT * len(rows),
        "x": LABEL_WIDTH,
        "bar_height": BAR_HEIGHT,
    }


def columns(series: list[tuple[date, int, int]]) -> dict[str, Any]:
    """Two columns for each day, week or month: yes above, no beside it."""
    highest = max((max(yes, no) for _day, yes, no in series), default=0) or 1
    step = WIDTH / max(1, len(series))
    drawn = []
    for number, (day, yes, no) in enumerate(series):
        heights = [round((BASELINE - HEADROOM) * count / highest) for count in (yes, no)]
        drawn.append(
            {
                "day": day,
                "yes": yes,
                "no": no,
                "x": round(number * step, 1),
                "x2": round(number * step + step * 0.42, 1),
                "width": round(step * 0.38, 1),
                "yes_height": heights[0],
                "no_height": heights[1],
                "yes_y": BASELINE - heights[0],
                "no_y": BASELINE - heights[1],
            }
        )
    return {
        "columns": drawn,
        "width": WIDTH,
        "height": COLUMNS_HEIGHT,
        "baseline": BASELINE,
        "highest": highest if any(yes or no for _day, yes, no in series) else 0,
        "label_y": BASELINE + 20,
    }


def spans(lines: list[tuple[str, list[Change]]], now: datetime) -> dict[str, Any]:
    """For each name the times between a yes and the no after it, in percent of the whole time."""
    moments = [at for _name, changes in lines for at, _yes, _no in changes]
    first = min(moments, default=now)
    whole = max(now - first, DAY)

    def place(at: datetime) -> float:
        return round(PERCENT * max(0.0, (at - first) / whole), 2)

    return {"first": first, "now": now, "lines": [_line(*line, now, place) for line in lines]}


def _line(
    name: str, changes: list[Change], now: datetime, place: Callable[[datetime], float]
) -> dict[str, Any]:
    """Bars where consent held, and a mark for each change."""
    drawn: list[dict[str, float]] = []
    since: datetime | None = None
    for at, is_yes, is_no in changes:
        if is_yes and since is None:
            since = at
        elif is_no and since is not None:
            drawn.append(_bar(place(since), place(at)))
            since = None
    if since is not None:
        drawn.append(_bar(place(since), place(now)))
    marks = [
        {"x": min(place(at), PERCENT - MARK), "css": "bar-bad" if is_no else "mark"}
        for at, _yes, is_no in changes
    ]
    return {"name": name, "bars": drawn, "marks": marks, "holds": since is not None}


def _bar(start: float, end: float) -> dict[str, float]:
    return {"x": start, "width": max(MARK, round(end - start, 2))}
