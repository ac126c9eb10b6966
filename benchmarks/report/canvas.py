"""The look that all figures share: size, colours by policy, the title that states a finding, axes without clutter."""

import io
import re
import textwrap
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import matplotlib as mpl
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.text import Annotation

from cardarena.benchmarks.report.labels import spread

INK, SOFT, FAINT, GRID, SHADE = "#1d2b36", "#5b6770", "#a9b2b9", "#dfe4e7", "#f4f1ea"
GREY = "#b9c0c5"
WARN = "#b3261e"

#: Colours keep apart under the common colour-vision deficiencies by lightness as well as hue; names never rely on them.
COLOURS = {
    "silent": "#8c969d",
    "status_quo": "#3d4a54",
    "caretaker": "#9a8c6a",
    "random": "#a9b2b9",
    "blast": "#c8102e",
    "cadence": "#c58b1b",
    "rfm": "#7a8fa6",
    "segment": "#2a9d8f",
    "propensity": "#e4572e",
    "capped_propensity": "#a14d8b",
    "uplift": "#0067a5",
    "linucb": "#5f8f2f",
    "thompson": "#7c5cc4",
    "greedy_priced": "#e08e00",
    "oracle_myopic": "#111111",
}
SPARE = ("#0f7fa8", "#8f5a2b", "#b04a7a", "#4f7f3f", "#6a5acd", "#b5651d", "#2f6f6f", "#a83232")
MARKERS = {"cold": "o", "logged": "s", "simulator": "^", "reference": "d", "privileged": "D"}

LEADER = {"arrowstyle": "-", "lw": 0.6, "alpha": 0.6, "shrinkA": 0, "shrinkB": 1, "relpos": (0, 0.5)}

#: A white rim about labels, so that no line strikes them through.
HALO_PT = 4.0
HALO = f"paint-order: stroke; stroke: #ffffff; stroke-width: {HALO_PT}px; stroke-linejoin: round"

WIDTH_IN = 12.0
PNG_DPI = 150
SETTINGS: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11.5,
    "text.color": INK,
    "text.parse_math": False,  # a policy may be called "a$b$"
    "axes.edgecolor": FAINT,
    "axes.labelcolor": SOFT,
    "axes.linewidth": 0.8,
    "axes.titlesize": 12.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "lines.solid_capstyle": "round",
    "svg.hashsalt": "cardarena",
    "svg.fonttype": "none",
    "path.simplify": True,
    "path.simplify_threshold": 0.4,
}


@dataclass
class Drawing:
    """A finished figure: `name` becomes the file name, `title` the finding, `reading` says how to read it."""

    name: str
    title: str
    reading: str
    figure: Figure


def colour_of(policy: str, policies: Sequence[str] = ()) -> str:
    """Return the colour that a policy has in every figure of a report."""
    if policy in COLOURS:
        return COLOURS[policy]
    strangers = sorted({name for name in policies if name not in COLOURS} | {policy})
    return SPARE[strangers.index(policy) % len(SPARE)]


def marker_of(league: str) -> str:
    """Return the mark of a league."""
    return MARKERS.get(league, "o")


def shorten(text: str, length: int = 22) -> str:
    """Return `text` on one line, cut with an ellipsis where it is longer than `length`."""
    text = " ".join(str(text).split())
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


@cache
def _fonts() -> tuple[str, ...]:
    # Names may be Chinese; DejaVu has no such letters, and what a machine lacks must not be asked for.
    from matplotlib.font_manager import fontManager

    present = {font.name for font in fontManager.ttflist}
    wished = (
        "DejaVu Sans",
        "Noto Sans CJK SC",
        "Noto Sans SC",
        "Source Han Sans SC",
        "WenQuanYi Micro Hei",
        "SimHei",
    )
    return tuple(name for name in wished if name in present)


def settings() -> Any:
    """Return the context in which every figure is drawn and written."""
    chosen: Any = {**SETTINGS, "font.sans-serif": list(_fonts()) or ["sans-serif"]}
    return mpl.rc_context(chosen)


def canvas(title: str, subtitle: str, height_in: float, note: str = "") -> tuple[Figure, float, float]:
    """Return an empty figure with its title block, and the bottom and top of what is left to draw in.

    Args:
        title: the finding, one or two lines.
        subtitle: what is shown, with the unit.
        height_in: inches, the title block included.
        note: a small line beneath the figure.
    """
    figure = Figure(figsize=(WIDTH_IN, height_in), facecolor="white")
    FigureCanvasAgg(figure)
    head = _balanced(title, 86)
    below = textwrap.wrap(subtitle, 128)
    y = 1.0 - 0.30 / height_in
    for line in head:
        figure.text(0.012, y, line, fontsize=17, fontweight="bold", va="center", ha="left")
        y -= 0.31 / height_in
    for line in below:
        figure.text(0.012, y, line, fontsize=11.5, color=SOFT, va="center", ha="left")
        y -= 0.22 / height_in
    if note:
        figure.text(0.012, 0.16 / height_in, note, fontsize=9.5, color=SOFT, va="center", ha="left")
    return figure, (0.38 if note else 0.15) / height_in, y


def _balanced(text: str, width: int) -> list[str]:
    """Wrap to lines of about the same length, so that no single word is left over."""
    lines = textwrap.wrap(text, width) or [""]
    return textwrap.wrap(text, max(len(text) // len(lines) + 12, 20)) if len(lines) > 1 else lines


def grid(figure: Figure, rows: int, columns: int, bottom: float, top: float, **more: Any) -> GridSpec:
    """Return a grid of axes below the title block; `more` goes to matplotlib."""
    place = {"left": 0.06, "right": 0.985, "wspace": 0.12, "hspace": 0.35} | more
    return figure.add_gridspec(rows, columns, bottom=bottom, top=top, **place)


def bare(axes: Axes, *, lines: str = "", keep: Iterable[str] = ()) -> Axes:
    """Strip an axes of its frame; `lines` is the axis that gets grid lines, `keep` the spines that stay."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in set(keep))
    if lines:
        axes.grid(True, axis=lines)  # type: ignore[arg-type]
    return axes


def label_ends(
    axes: Axes,
    ends: Sequence[tuple[float, float, str, str]],
    *,
    gap_pt: float = 14.0,
    size: float = 11.0,
    bold: Sequence[str] = (),
) -> None:
    """Write names right of the ends of lines, moved apart so that none covers another.

    Args:
        axes: where; its limits must be final.
        ends: x, y, text and colour of each line's end.
        gap_pt: least distance between two names, points.
        size: of the letters, points.
        bold: texts to write in bold.
    """
    if not ends:
        return
    figure = axes.get_figure(root=True)
    assert figure is not None
    height_pt = axes.get_position().height * figure.get_size_inches()[1] * 72
    low, high = axes.get_ylim()
    scale = (high - low) / height_pt
    placed = spread([y for _, y, _, _ in ends], gap_pt * scale, low, high)
    start, edge = axes.get_xlim()
    width_pt = axes.get_position().width * WIDTH_IN * 72
    moved_any = any(abs(at - y) > 3 * scale for (_, y, _, _), at in zip(ends, placed, strict=True))
    edge += (edge - start) / width_pt * (18 if moved_any else 5)
    for (x, y, text, colour), at in zip(ends, placed, strict=True):
        moved = abs(at - y) > 3 * scale
        axes.annotate(
            text,
            xy=(x, y),
            xytext=(edge, at),
            textcoords="data",
            ha="left",
            va="center",
            fontsize=size,
            fontweight="bold" if text in bold else "normal",
            color=colour,
            annotation_clip=False,
            arrowprops={**LEADER, "color": colour} if moved else None,
        )


def _haloed(figure: Figure) -> list[Annotation]:
    """Return the labels of a figure, each named for its halo: what stands in a coloured cell is text, and has none."""
    labels = [found for found in figure.findobj(Annotation) if isinstance(found, Annotation)]
    for number, label in enumerate(labels):
        label.set_gid(f"halo_{number}")
    return labels


def svg_of(drawing: Drawing) -> str:
    """Return a drawing as SVG text without metadata that changes from run to run."""
    buffer = io.StringIO()
    _haloed(drawing.figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        drawing.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    # Matplotlib's path effects would turn letters into outlines; a stroke beneath the fill keeps them text.
    text = re.sub(
        r'<g id="halo_\d+">.*?</g>',
        lambda found: found.group().replace('<text style="', f'<text style="{HALO}; '),
        text,
        flags=re.DOTALL,
    )
    # Verdana has the same widths, for readers without DejaVu.
    text = text.replace("'DejaVu Sans'", "'DejaVu Sans', 'Verdana'")
    return text if text.endswith("\n") else text + "\n"


def png_of(drawing: Drawing) -> bytes:
    """Return a drawing as PNG, 1,800 pixels wide: the size of a slide."""
    buffer = io.BytesIO()
    labels = _haloed(drawing.figure)
    for label in labels:
        label.set_path_effects([patheffects.withStroke(linewidth=HALO_PT, foreground="white")])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        drawing.figure.savefig(
            buffer, format="png", dpi=PNG_DPI, metadata={"Software": None}, pil_kwargs={"compress_level": 3}
        )
    for label in labels:
        label.set_path_effects([])
    return buffer.getvalue()


def inline_svg(svg: str, name: str, label: str) -> str:
    """Return SVG text ready to stand inside a page: no prologue, ids that no other figure has, a spoken label.

    Args:
        svg: what matplotlib wrote.
        name: prefix of the ids; letters, digits and underscores.
        label: already escaped.
    """
    text = svg[svg.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' id="([^"]+)"', rf' id="{name}-\1"', text)
    text = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", text)
    # The view box scales it to the column; a fixed size would not.
    return re.sub(
        r'<svg ([^>]*?)width="[^"]*"([^>]*?)height="[^"]*"|<svg ([^>]*?)height="[^"]*"([^>]*?)width="[^"]*"',
        lambda found: (
            f'<svg role="img" aria-label="{label}" ' + "".join(part or "" for part in found.groups())
        ),
        text,
        count=1,
    )
