"""A time series as a small picture: one SVG path of columns, coloured by the page's style."""

from collections.abc import Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString

HEIGHT = 30


def svg(columns: Sequence[int], label: str, *, kind: str = "") -> SafeString:
    """Columns from left to right, the highest as high as the picture; `label` says it in words.

    A column with packets is never lower than one unit: a single packet must be seen.
    """
    peak, width = max(columns, default=0), max(len(columns), 1)
    parts = []
    for at, packets in enumerate(columns):
        if packets:
            high = max(1.0, packets * (HEIGHT - 1) / peak)
            parts.append(f"M{at} {HEIGHT}V{HEIGHT - high:.1f}h.8V{HEIGHT}z")
    return format_html(
        '<svg class="spark {}" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-label="{}"><path d="{}"/><line x1="0" x2="{}" y1="{}" y2="{}"/></svg>',
        kind, width, HEIGHT, label, "".join(parts), width, HEIGHT, HEIGHT,
    )  # fmt: skip
