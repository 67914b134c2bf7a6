#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Draws terminal output as an SVG picture: text with colour escapes on standard input, SVG on
standard output, with the title that is given. Knows the escapes that nvrtl writes: bold, dim, and
the eight colours in two shades. The picture has a ground and a frame of its own, so that it can be
read on a light page and on a dark one."""
import html
import re
import sys
import unicodedata

ESCAPE = re.compile(r"\x1b\[([0-9;]*)m")
COLOURS = ["#45475a", "#f38ba8", "#a6e3a1", "#f9e2af", "#89b4fa", "#cba6f7", "#94e2d5", "#cdd6f4"]
PLAIN, BACKGROUND, FRAME = "#cdd6f4", "#1e1e2e", "#585b70"
CELL_WIDTH, LINE_HEIGHT, MARGIN, FONT_SIZE = 8.4, 19, 16, 14


def change(style, codes):
    for code in [int(c or 0) for c in codes.split(";")]:
        if code == 0:
            style = {"fill": PLAIN}
        elif code == 1:
            style = {**style, "font-weight": "bold"}
        elif code == 2:
            style = {**style, "opacity": "0.65"}
        elif 30 <= code <= 37 or 90 <= code <= 97:
            style = {**style, "fill": COLOURS[code % 10]}
    return style


def runs(line, style):
    """Yields (column, text, style) for the runs of one style, and last the style that goes on."""
    column, at = 0, 0
    for escape in list(ESCAPE.finditer(line)) + [None]:
        text = line[at : escape.start() if escape else len(line)]
        if text:
            yield column, text, style
            column += sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
        if escape:
            style, at = change(style, escape[1]), escape.end()
    yield column, None, style


def main():
    lines = sys.stdin.read().replace("\r", "").rstrip("\n").split("\n")
    style, body, width = {"fill": PLAIN}, [], 0
    for row, line in enumerate(lines):
        for column, text, style in runs(line, style):
            width = max(width, column)
            if text and text.strip():
                attributes = "".join(f' {name}="{value}"' for name, value in style.items())
                body.append(
                    f'<text x="{MARGIN + column * CELL_WIDTH:.1f}"'
                    f' y="{MARGIN + FONT_SIZE + row * LINE_HEIGHT}"{attributes}'
                    f' textLength="{len(text) * CELL_WIDTH:.1f}">{html.escape(text)}</text>'
                )
    w, h = width * CELL_WIDTH + 2 * MARGIN, len(lines) * LINE_HEIGHT + 2 * MARGIN
    print(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{w:.0f}" height="{h}"'
        f' viewBox="0 0 {w:.0f} {h}" role="img">\n<title>{html.escape(sys.argv[1])}</title>\n'
        f'<rect x="0.5" y="0.5" width="{w - 1:.0f}" height="{h - 1}" rx="8" fill="{BACKGROUND}"'
        f' stroke="{FRAME}"/>\n<g font-family="ui-monospace, DejaVu Sans Mono, Menlo, Consolas,'
        f' monospace" font-size="{FONT_SIZE}" xml:space="preserve" style="white-space: pre">'
    )
    print("\n".join(body))
    print("</g>\n</svg>")


main()
