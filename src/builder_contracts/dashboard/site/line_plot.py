"""Line plots as SVG text: small, printable, and readable without a script."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from builder_contracts.dashboard.history.series import DAY_MS
from builder_contracts.dashboard.site.wording import format_date

_WIDTH, _HEIGHT = 480, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 12, 12, 26
_GAP_MS = 4 * DAY_MS


@dataclass(frozen=True)
class PlotLine:
    """A value at each time (milliseconds since 1970, UTC), oldest first; never empty."""

    times: Sequence[int]
    values: Sequence[float]
    budgets: Sequence[float | None] = ()


def draw_plot(
    line: PlotLine,
    title: str,
    show: Callable[[float], str],
    *,
    unit: str = "seconds",
    top: float | None = None,
) -> Markup:
    """The plot of a line and its budget. ``show`` writes a value with its unit; ``top`` fixes the scale.

    ``unit`` (seconds, bytes, ratio or count) is for the script that reads values off the plot.
    """
    limits = [budget for budget in line.budgets if budget is not None]
    highest = top if top is not None else _scale_end(max([*line.values, *limits, 1e-9]) * 1.05, unit)
    first, last = line.times[0], line.times[-1]
    dates = [(first, "start"), ((first + last) // 2, "middle"), (last, "end")]
    if last - first < 2 * DAY_MS:
        dates = [(first, "start"), (last, "end")]
    if last - first < DAY_MS:
        # A single night is placed in the middle.
        first, last = first - DAY_MS // 2, last + DAY_MS // 2
        dates = [((first + last) // 2, "middle")]

    def x(time: int) -> float:
        return _LEFT + (time - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - value / highest * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg class="plot" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}"'
        f' data-unit="{unit}" data-first="{first}" data-last="{last}" data-top="{highest:g}"'
        f' data-box="{_LEFT} {_RIGHT} {_TOP} {_BOTTOM}">'
    ]
    for step in range(5):
        at = y(highest * step / 4)
        parts.append(f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        if step % 2 == 0:
            label = escape(show(highest * step / 4))
            parts.append(
                f'<text class="tick" x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{label}</text>'
            )
    for time, anchor in dates:
        parts.append(
            f'<text class="tick" x="{x(time):.1f}" y="{_HEIGHT - 8}" text-anchor="{anchor}">'
            f"{format_date(time)[4:]}</text>"
        )
    parts += [f'<path class="budget" d="{_draw_budget(line, (first, last), x, y)}"/>'] if limits else []
    parts.append(f'<path class="line" d="{_draw_values(line, x, y)}"/>')
    end = f'cx="{x(line.times[-1]):.1f}" cy="{y(line.values[-1]):.1f}"'
    parts.append(f'<circle class="end" {end} r="3.5"/></svg>')
    # Built from numbers and from labels that are escaped above.
    return Markup("".join(parts))  # noqa: S704


def _draw_values(line: PlotLine, x: Callable[[int], float], y: Callable[[float], float]) -> str:
    drawn = []
    before = None
    for time, value in zip(line.times, line.values, strict=True):
        pen = "M" if before is None or time - before > _GAP_MS else "L"
        drawn.append(f"{pen}{x(time):.1f} {y(value):.1f}")
        before = time
    return "".join(drawn)


def _draw_budget(
    line: PlotLine, ends: tuple[int, int], x: Callable[[int], float], y: Callable[[float], float]
) -> str:
    """The budget as it was at each time: a change of it is a step. It reaches to the ends of the plot."""
    drawn = []
    before: float | None = None
    times = [ends[0], *line.times[1:]]
    for time, budget in zip(times, line.budgets, strict=True):
        if budget is None:
            before = None
            continue
        at = f"{x(time):.1f} {y(budget):.1f}"
        if before is None:
            drawn.append(f"M{at}")
        elif budget != before:
            drawn.append(f"H{x(time):.1f}V{y(budget):.1f}")
        before = budget
    if before is not None:
        drawn.append(f"H{x(ends[1]) + 0.1:.1f}")
    return "".join(drawn)


def _scale_end(value: float, unit: str) -> float:
    """The end of the scale: its ticks are round numbers in the unit shown."""
    scale = 1024.0 ** min(int(math.log(max(value, 1), 1024)), 4) if unit == "bytes" else 1.0
    if unit == "seconds" and value > 180:
        scale = 60.0
    return round_up(value / scale) * scale


def round_up(value: float) -> float:
    """The next number of one significant digit (1, 2, 4, 6, 8) at or above a positive value."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value * (1 - 1e-9))
