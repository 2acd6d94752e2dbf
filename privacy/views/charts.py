"""Pictures as plain numbers: templates draw SVG from them by attributes, without any style."""

from datetime import date
from typing import Any

WIDTH = 320
LABEL_WIDTH = 104
VALUE_WIDTH = 36
BAR_HEIGHT = 22
ROW_HEIGHT = 32
COLUMNS_HEIGHT = 140
BASELINE = 110


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
    """Two columns for each day: yes above, no beside it."""
    highest = max((max(yes, no) for _day, yes, no in series), default=0) or 1
    step = WIDTH / max(1, len(series))
    drawn = []
    for number, (day, yes, no) in enumerate(series):
        heights = [round(BASELINE * count / highest) for count in (yes, no)]
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
