"""Plots as SVG, by the standard library alone: bars with every run on them, and lines."""

from collections.abc import Mapping, Sequence
from html import escape
from statistics import median
from typing import Final

_WIDTH: Final = 720
_LEFT: Final = 60
_COLOURS: Final = ("#0b6e99", "#d97706", "#6b7280", "#7c3aed")
_STYLE: Final = (
    "text{font:12px sans-serif;fill:#333}.t{font-weight:bold;font-size:14px}.g{stroke:#ddd}.m{text-anchor:middle}"
    ".e{text-anchor:end}"
)


def bars(title: str, unit: str, groups: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Return a plot of medians as bars, with a dot for each run.

    Args:
        title: of the plot.
        unit: of the values.
        groups: for each group the values of each series.
    """
    names = list(next(iter(groups.values())))
    most = max(max(values) for group in groups.values() for values in group.values()) * 1.1
    height, base = 320, 260
    parts = _frame(title, unit, most, height, base)
    room = (_WIDTH - _LEFT - 10) / len(groups)
    wide = min(room * 0.8 / len(names), 60)
    for number, (group, series) in enumerate(groups.items()):
        middle = _LEFT + room * (number + 0.5)
        parts.append(f'<text class="m" x="{middle:.0f}" y="{base + 18}">{escape(group)}</text>')
        for place, (name, values) in enumerate(series.items()):
            x = middle + (place - len(names) / 2) * wide
            tall = median(values) / most * (base - 40)
            colour = _COLOURS[names.index(name)]
            parts.append(
                f'<rect x="{x:.1f}" y="{base - tall:.1f}" width="{wide - 4:.1f}" height="{tall:.1f}" fill="{colour}"/>'
            )
            parts += [
                f'<circle cx="{x + wide / 2 - 2:.1f}" cy="{base - value / most * (base - 40):.1f}" r="2" fill="#111" '
                'fill-opacity="0.5"/>'
                for value in values
            ]
    return _document(parts + _legend(names, height), height)


def lines(title: str, unit: str, across: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Return a plot of lines through points. `across`: what the horizontal axis shows."""
    furthest = max(x for points in series.values() for x, _ in points)
    most = max(y for points in series.values() for _, y in points) * 1.1
    height, base = 340, 260
    parts = _frame(title, unit, most, height, base)
    for step in range(6):
        x = _LEFT + (_WIDTH - _LEFT - 10) * step / 5
        parts.append(f'<text class="m" x="{x:.0f}" y="{base + 18}">{furthest * step / 5:.3g}</text>')
    parts.append(f'<text class="m" x="{_WIDTH / 2}" y="{base + 36}">{escape(across)}</text>')
    for colour, points in zip(_COLOURS, series.values(), strict=False):
        path = " ".join(
            f"{_LEFT + (_WIDTH - _LEFT - 10) * x / furthest:.1f},{base - y / most * (base - 40):.1f}" for x, y in points
        )
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    return _document(parts + _legend(list(series), height), height)


def _frame(title: str, unit: str, most: float, height: int, base: int) -> list[str]:
    parts = [
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text class="t" x="{_LEFT}" y="20">{escape(title)}</text>',
    ]
    for step in range(5):
        value = most * step / 4
        y = base - (base - 40) * step / 4
        parts.append(f'<line class="g" x1="{_LEFT}" x2="{_WIDTH - 10}" y1="{y:.0f}" y2="{y:.0f}"/>')
        parts.append(f'<text class="e" x="{_LEFT - 6}" y="{y + 4:.0f}">{value:.3g} {escape(unit)}</text>')
    return parts


def _legend(names: Sequence[str], height: int) -> list[str]:
    parts = []
    for number, name in enumerate(names):
        x = _LEFT + number * 210
        parts.append(f'<rect x="{x}" y="{height - 26}" width="12" height="12" fill="{_COLOURS[number]}"/>')
        parts.append(f'<text x="{x + 18}" y="{height - 16}">{escape(name)}</text>')
    return parts


def _document(parts: Sequence[str], height: int) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">'
    return "\n".join([head, f"<style>{_STYLE}</style>", *parts, "</svg>\n"])
