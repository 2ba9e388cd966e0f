"""Turns what scripts/bench measured into tables and a plot.

    report.py RESULTS [--page FILE --plot FILE] [--scan]

RESULTS is a folder of tables: `rates` (file system, measure, rate, unit; several rounds),
`requests` (measure, request, number a step), `many` (objects, KiB more memory, names listed a
second, objects visited a second) and `scan` (mappings of shared memory in each process, of all,
processes, seconds, seconds of the processor; several rounds). Prints the tables; with --page, also
puts them between their two marks in that file, and draws the plot. With --scan there is only that one
table.
"""
import argparse
import collections
import math
import os
import pathlib
import platform
import re

# measure: (what it is called, the least ratio to the raw folder that is to be reached, or None)
MEASURES = {
    "read_1m": ("1 MiB reads", 0.95),
    "write_1m": ("1 MiB writes", 0.95),
    "read_4k": ("4 KiB random reads", 0.85),
    "write_4k": ("4 KiB random writes", 0.80),
    "store": ("stores to a mapping", 0.95),
    "map_fault": ("map and fault in", 0.90),
    "stat": ("stat", 0.10),
    "open_close": ("open, close", 0.10),
    "open_map": ("open, map, touch, close", 0.25),
    "create_unlink": ("create, unlink", 0.11),
    "life": ("create, size, map, touch, close, unlink", 0.16),
    "list": ("list 5,000 names", 1.0),
    "list_changed": ("list 5,000 names, changed meanwhile", None),
    "segment_copy": ("segment: copy from a mapping", 0.90),
    "segment_read": ("segment: 1 MiB reads", 0.90),
    "segment_read_file": ("segment: 1 MiB reads, beside read()", 0.95),
    "segment_once": ("segment: looked into once, 1 MiB reads", 0.90),
    "segment_write": ("segment: 1 MiB writes", None),
    "segment_store": ("segment: stores to a mapping", 0.95),
    "segment_fault": ("segment: map and fault in", None),
}
OTHERS = ["passthrough_hp", "bindfs"]
MEMORY_LIMIT_KIB = 4096
SCAN_LIMIT = 1.0  # seconds
MARKS = ("<!-- measured: begin -->", "<!-- measured: end -->")
SCAN_MARKS = ("<!-- scan: begin -->", "<!-- scan: end -->")


def read_rates(path):
    """{file system: {measure: best rate}} and {measure: unit}."""
    best, units = collections.defaultdict(dict), {}
    for line in path.read_text().splitlines():
        system, measure, rate, unit = line.split("\t")
        best[system][measure] = max(float(rate), best[system].get(measure, 0.0))
        units[measure] = unit
    return best, units


def ratio(best, system, measure):
    if measure not in best.get(system, {}):
        return None
    return best[system][measure] / best["raw"][measure]


def human(rate):
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if rate >= size:
            return f"{rate / size:.3g} {letter}"
    return f"{rate:.3g} "


def show_ratio(value):
    return "–" if value is None else f"{value:.2f}"


def rates_table(best, units):
    yield "| | raw folder | the mount | ratio | to reach | |"
    yield "|---|---:|---:|---:|---:|---|"
    for measure, (title, target) in MEASURES.items():
        raw, mount = best["raw"][measure], best["shmfs"][measure]
        unit = units[measure].replace("MB/s", "B/s")
        scale = 1e6 if units[measure] == "MB/s" else 1
        value = mount / raw
        verdict = "" if target is None else "yes" if value >= target else "**no**"
        goal = "" if target is None else f"{target:.2f}"
        yield (
            f"| {title} | {human(raw * scale)}{unit} | {human(mount * scale)}{unit} "
            f"| {value:.2f} | {goal} | {verdict} |"
        )


def others_table(best):
    yield "| | shmfs | " + " | ".join(OTHERS) + " |"
    yield "|---|---:|" + "---:|" * len(OTHERS)
    for measure, (title, _) in MEASURES.items():
        if not any(measure in best.get(system, {}) for system in OTHERS):
            continue
        cells = [show_ratio(ratio(best, system, measure)) for system in ["shmfs", *OTHERS]]
        yield f"| {title} | " + " | ".join(cells) + " |"


def requests_table(path):
    sent = collections.defaultdict(dict)
    for line in path.read_text().splitlines():
        measure, request, number = line.split("\t")
        # What belongs to the beginning and the end, not to each step, differs by a few hundredths.
        sent[measure][request] = round(float(number), 1)
    yield "| one | requests |"
    yield "|---|---|"
    for measure, (title, _) in MEASURES.items():
        if not measure.startswith(("read", "write", "segment")):
            counts = sorted(sent[measure].items(), key=lambda item: (-item[1], item[0]))
            texts = [name if number == 1 else f"{number:g} × {name}" for name, number in counts]
            yield f"| {title} | {', '.join(texts) or 'none'} |"


def many_table(path):
    yield "| objects | memory of the daemon grows by | listed | looked up, opened and closed |"
    yield "|---:|---:|---:|---:|"
    for line in path.read_text().splitlines():
        objects, kib, listed, visited = (int(field) for field in line.split())
        verdict = "" if kib < MEMORY_LIMIT_KIB else " (**over 4 MiB**)"
        yield f"| {objects:,} | {kib / 1024:.1f} MiB{verdict} | {human(listed)}/s | {human(visited)}/s |"


def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    name = cpu.group(1) if cpu else platform.machine()
    return f"Measured on Linux {platform.release().split('-')[0]}, {os.cpu_count()} × {name}."


def scan_table(results):
    """How long shmfsctl takes: the best of each kind of time."""
    best = {}
    for line in (results / "scan").read_text().splitlines():
        *kind, seconds, processor = line.split()
        before = best.get(tuple(kind), (math.inf, math.inf))
        best[tuple(kind)] = min(before[0], float(seconds)), min(before[1], float(processor))
    yield machine()
    yield ""
    yield "| `shmfsctl ls` over | of them, of shared memory | takes | of the processor's time | to reach | |"
    yield "|---|---:|---:|---:|---:|---|"
    for kind, (seconds, processor) in best.items():
        shared, mappings, processes = (int(number) for number in kind)
        verdict = "yes" if seconds < SCAN_LIMIT else "**no**"
        yield (
            f"| {processes:,} processes of {mappings} mappings each | {shared * processes:,} "
            f"| {seconds:.2f} s | {processor:.2f} s | {SCAN_LIMIT:.0f} s | {verdict} |"
        )


def tables(results):
    best, units = read_rates(results / "rates")
    parts = [
        [machine()],
        rates_table(best, units),
        ["### Beside other file systems over the same folder (ratios to it)"],
        others_table(best),
        ["### Requests"],
        requests_table(results / "requests"),
        ["### Many objects"],
        many_table(results / "many"),
    ]
    return best, "\n\n".join("\n".join(part) for part in parts)


# --- the plot: a bar a measure and file system, on a logarithmic scale of ratios ------------------

LEFT, RIGHT, TOP, BAR, GAP, WIDTH = 290, 60, 64, 9, 12, 900
LEAST, MOST = 0.01, 3.0
COLOURS = {"shmfs": "#1b6ca8", "passthrough_hp": "#e08e45", "bindfs": "#9a9a9a"}


def place(value):
    """The x coordinate of a ratio."""
    value = min(max(value, LEAST), MOST)
    span = math.log(MOST / LEAST)
    return LEFT + (WIDTH - LEFT - RIGHT) * math.log(value / LEAST) / span


def text(x, y, words, extra=""):
    return f'<text x="{x:.0f}" y="{y:.0f}" {extra}>{words}</text>'


def axis(height):
    for value in (0.01, 0.03, 0.1, 0.3, 1.0, 3.0):
        x, colour = place(value), "#444" if value == 1 else "#ddd"
        yield f'<line x1="{x:.0f}" x2="{x:.0f}" y1="{TOP - 8}" y2="{height - 8}" stroke="{colour}"/>'
        yield text(x, TOP - 14, f"{value:g}", 'text-anchor="middle"')


def bars(best, systems):
    y = TOP
    for measure, (title, target) in MEASURES.items():
        rows = len(systems) * BAR
        yield text(LEFT - 10, y + rows / 2 + 4, title, 'text-anchor="end"')
        for i, system in enumerate(systems):
            value = ratio(best, system, measure)
            if value is not None:
                top, width = y + i * BAR, place(value) - LEFT
                yield (
                    f'<rect x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR - 1}" '
                    f'fill="{COLOURS[system]}"/>'
                )
                if system == "shmfs":
                    yield text(place(value) + 5, top + BAR - 1, f"{value:.2f}", 'font-size="10"')
        if target is not None:
            x = place(target)
            yield f'<path d="M{x:.1f} {y - 2}v{BAR + 3}" stroke="#c0392b" stroke-width="2"/>'
        y += rows + GAP


def legend(systems):
    x = LEFT
    for system in systems:
        yield f'<rect x="{x}" y="14" width="12" height="12" fill="{COLOURS[system]}"/>'
        yield text(x + 17, 24, system)
        x += 40 + 8 * len(system)
    yield f'<path d="M{x + 6} 13v14" stroke="#c0392b" stroke-width="2"/>'
    yield text(x + 14, 24, "to reach")


def plot(best):
    systems = [system for system in COLOURS if best.get(system)]
    height = TOP + len(MEASURES) * (len(systems) * BAR + GAP) + 8
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        "<title>Speed through the mount, as a ratio to the raw shared memory folder</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        *axis(height),
        *bars(best, systems),
        *legend(systems),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def replace_between(path, marks, new):
    page = path.read_text()
    begin, end = (page.index(mark) for mark in marks)
    path.write_text(f"{page[: begin + len(marks[0])]}\n{new}\n{page[end:]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("--page", type=pathlib.Path)
    parser.add_argument("--plot", type=pathlib.Path)
    parser.add_argument("--scan", action="store_true")
    arguments = parser.parse_args()
    scanned = "\n".join(scan_table(arguments.results))
    print(scanned)
    if arguments.page:
        replace_between(arguments.page, SCAN_MARKS, scanned)
    if arguments.scan:
        return
    best, measured = tables(arguments.results)
    print(measured)
    if arguments.page:
        picture = f"![Speed as a ratio to the raw folder]({arguments.plot.name})\n\n" if arguments.plot else ""
        replace_between(arguments.page, MARKS, picture + measured)
    if arguments.plot:
        arguments.plot.write_text(plot(best))


main()
