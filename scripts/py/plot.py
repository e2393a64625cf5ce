"""Pictures as SVG, drawn by hand: a line for each series over a logarithmic axis. Standard library only."""

import math
from pathlib import Path

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 50, 60
COLORS = ("#1b6ca8", "#c0392b", "#2d7d46", "#7d5ba6")


def lines(path, title, across, upward, places, series):
    """Writes a picture: `series` maps a name to its values at `places`. The upward axis begins at nothing."""
    most = max(max(values) for values in series.values()) * 1.15
    low, high = math.log10(places[0]), math.log10(places[-1])
    x_of = lambda place: LEFT + (math.log10(place) - low) / max(high - low, 1e-9) * (WIDTH - LEFT - RIGHT)  # noqa: E731
    y_of = lambda value: HEIGHT - BOTTOM - value / most * (HEIGHT - TOP - BOTTOM)  # noqa: E731
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
           f'font-family="sans-serif" font-size="13">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="28" font-size="16">{title}</text>']  # fmt: skip
    for step in range(6):
        value = most * step / 5
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y_of(value):.1f}" y2="{y_of(value):.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y_of(value) + 4:.1f}" text-anchor="end">{value:.0f}</text>')
    for place in places:
        out.append(f'<text x="{x_of(place):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{place:,}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 16}" text-anchor="middle">{across}</text>')
    out.append(f'<text x="16" y="{TOP - 6}">{upward}</text>')
    for color, (name, values) in zip(COLORS, series.items()):
        points = [(x_of(place), y_of(value)) for place, value in zip(places, values)]
        path_of = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        out.append(f'<polyline points="{path_of}" fill="none" stroke="{color}" stroke-width="2.5"/>')
        for (x, y), value in zip(points, values):
            out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>')
            out.append(f'<text x="{x:.1f}" y="{y - 9:.1f}" text-anchor="middle" fill="{color}">{value:.1f}</text>')
        out.append(f'<text x="{points[-1][0] + 12:.1f}" y="{points[-1][1] + 4:.1f}" fill="{color}">{name}</text>')
    Path(path).write_text("\n".join([*out, "</svg>"]) + "\n", encoding="utf-8")
