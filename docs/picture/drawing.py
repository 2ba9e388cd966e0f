"""Screens as SVG: each in a window of its own, one below the other.

A window has one screen or several, which then follow each other as they did in the terminal; a
row that is the same in all of them is drawn once. Where nothing moves (a viewer without
animation, a reader who wants none) the last one shows. The colours are those of a light page or
a dark one, by what the reader prefers; the windows have a ground of their own, so that they can
be read on either. The text's width is said with it, so that columns stay columns in any font."""

import re
from html import escape

SIZE = 14  # of the font, in pixels
CELL = 8.43  # a character's width: that of the most used monospaced fonts at this size
LINE = 19
PAD = 14
BAR = 30  # a window's title
GAP = 18  # between windows

STYLE = """
  text { font: %dpx ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }
  text { fill: #24292f; white-space: pre }
  .window { fill: #fbfbf9; stroke: #c9ccd1 }
  .bar { fill: #eceef1 } .dot { fill: #c3c7cd } .title { fill: #57606a }
  .reverse { fill: #33475b } text.reverse { fill: #ffffff } .dim { fill: #6e7781 }
  .bold { font-weight: bold }
  .yellow { fill: #8f5f00 } .red { fill: #c1202c } .green { fill: #18703a } .blue { fill: #0a58b5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #d7dce2 }
    .window { fill: #14181d; stroke: #3a414a }
    .bar { fill: #222831 } .dot { fill: #4a525c } .title { fill: #97a1ac }
    .reverse { fill: #a9bdd2 } text.reverse { fill: #10151a } .dim { fill: #8b949e }
    .yellow { fill: #e3b341 } .red { fill: #ff7b72 } .green { fill: #56d364 } .blue { fill: #79c0ff }
  }
""" % SIZE

MOVING = """
  .frame { visibility: hidden } .last { visibility: visible }
  @media (prefers-reduced-motion: no-preference) { .frame { animation: show %.2fs step-end infinite } }
  @keyframes show { 0%% { visibility: visible } %.4f%% { visibility: hidden } }
"""


def runs(cells):
    """Yields (column, text, style): pieces of one style, without the blanks between them."""
    start = 0
    for end in range(1, len(cells) + 1):
        if end == len(cells) or cells[end][1] != cells[start][1]:
            text = "".join(cell[0] for cell in cells[start:end])
            for piece in re.finditer(r"\S+(?: \S+)*", text):
                yield start + piece.start(), piece.group(), cells[start][1]
            start = end


def grounds(cells):
    """Yields (column, length) of what is shown in reverse."""
    flags = "".join("r" if "reverse" in cell[1] else " " for cell in cells)
    for piece in re.finditer("r+", flags):
        yield piece.start(), len(piece.group())


def draw_row(cells, top):
    parts = []
    for column, length in grounds(cells):
        parts.append(f'<rect class="reverse" x="{PAD + column * CELL:.1f}" y="{top - LINE + 5:.1f}" '
                     f'width="{length * CELL:.1f}" height="{LINE}"/>')
    for column, text, style in runs(cells):
        kind = f' class="{" ".join(sorted(style))}"' if style else ""
        parts.append(f'<text{kind} x="{PAD + column * CELL:.1f}" y="{top}" '
                     f'textLength="{len(text) * CELL:.1f}" '
                     f'lengthAdjust="spacingAndGlyphs">{escape(text)}</text>')
    return "".join(parts)


def draw_rows(screens, top):
    """The rows that all screens share, then for each screen those of its own."""
    heights = [top + BAR + LINE * (number + 1) for number in range(len(screens[0]))]
    shared = [len(set(rows)) == 1 for rows in zip(*screens)]
    yield from (draw_row(screens[0][n], y) for n, y in enumerate(heights) if shared[n])
    if all(shared):
        return
    for number, screen in enumerate(screens):
        kind = "frame last" if number == len(screens) - 1 else "frame"
        own = "".join(draw_row(screen[n], y) for n, y in enumerate(heights) if not shared[n])
        yield f'<g class="{kind}" style="animation-delay: {number - len(screens)}s">{own}</g>'


def draw_window(title, screens, top, width):
    height = BAR + LINE * len(screens[0]) + PAD
    yield (f'<rect class="window" x="0.5" y="{top + 0.5}" width="{width - 1}" height="{height}" '
           f'rx="8"/>')
    yield (f'<path class="bar" d="M1 {top + BAR} v{8 - BAR} q0 -7 7 -7 h{width - 16} q7 0 7 7 '
           f'v{BAR - 8} z"/>')
    for number in range(3):
        yield f'<circle class="dot" cx="{18 + 17 * number}" cy="{top + BAR / 2 + 1}" r="5"/>'
    yield (f'<text class="title" x="{width / 2}" y="{top + BAR / 2 + 6}" text-anchor="middle">'
           f'{escape(title)}</text>')
    yield from draw_rows(screens, top)


def draw(windows, columns):
    """windows: a list of (title, screens, one second each); a screen is a list of rows of cells."""
    width = round(2 * PAD + columns * CELL)
    frames = max(len(screens) for _, screens in windows)
    parts, top = [], 0
    for title, screens in windows:
        parts += draw_window(title, screens, top, width)
        top += BAR + LINE * len(screens[0]) + PAD + GAP
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top - GAP + 1}" '
            f'width="{width}" height="{top - GAP + 1}">')
    style = STYLE + (MOVING % (frames, 100 / frames) if frames > 1 else "")
    title = " and ".join(title for title, _ in windows)
    title = f"<title>{escape(title)}</title>"
    return "\n".join([head, title, f"<style>{style}</style>", *parts, "</svg>\n"])
