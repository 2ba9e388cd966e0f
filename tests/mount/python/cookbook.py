"""Runs a task of a page of recipes as it is written there:  cookbook.py PAGE TITLE FOLDER

A task is what is under a heading "## TITLE". Its blocks marked "sh" are run in order by one
bash, after those under the first heading of the page; a block marked "text" is what the one
before it prints, and one without prints nothing. In such a text "…" stands for anything, a line
with nothing else for any lines, and the widths of gaps do not count. A comment <!-- test:
COMMAND --> is run too: for what the reader does in another way. What is printed is kept in
FOLDER.

cookbook.py PAGE   prints the titles."""

import operator
import pathlib
import re
import subprocess
import sys

ANYTHING = "…"
STEP = re.compile(r"^```(\w*)\n(.*?)^```$|^<!-- test: (.*?) -->$", re.MULTILINE | re.DOTALL)


class Step:
    """What is typed, and what is then printed."""

    def __init__(self, command):
        self.command = command
        self.printed = ""

    def is_printed_in(self, text):
        return fits(self.blocks(), normal(text), line_fits)

    def blocks(self):
        """The lines between those that stand for any lines."""
        blocks = [[]]
        for line in normal(self.printed):
            if line == ANYTHING:
                blocks.append([])
            else:
                blocks[-1].append(line)
        return blocks


def fits(blocks, items, same):
    """Are the items these blocks in this order, with anything between them? Each block is looked for where
    it comes first, which leaves the most to the others."""
    def is_at(block, place):
        part = items[place:place + len(block)]
        return len(part) == len(block) and all(map(same, block, part))

    if len(blocks) == 1:
        return len(items) == len(blocks[0]) and is_at(blocks[0], 0)
    place, end = len(blocks[0]), len(items) - len(blocks[-1])
    if end < place or not is_at(blocks[0], 0) or not is_at(blocks[-1], end):
        return False
    for block in blocks[1:-1]:
        places = range(place, end - len(block) + 1)
        found = next((start for start in places if is_at(block, start)), None)
        if found is None:
            return False
        place = found + len(block)
    return True


def line_fits(wanted, line):
    return fits(wanted.split(ANYTHING), line, operator.eq)


def sections_of(page):
    parts = re.split(r"^## (.*)\n", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def steps_of(section):
    steps = []
    for kind, text, hidden in STEP.findall(section):
        if hidden or kind == "sh":
            steps.append(Step(hidden + "\n" if hidden else text))
        elif kind == "text":
            steps[-1].printed = text
        else:
            sys.exit(f"a block is marked {kind!r}, neither sh nor text:\n{text}")
    return steps


def run(steps, folder):
    """Returns what each step printed; nothing for those that bash did not come to."""
    outputs = [folder / f"step-{number}" for number in range(len(steps))]
    script = "".join("{\n" + step.command + f"}} >'{output}' 2>&1\n"
                     for step, output in zip(steps, outputs))
    file = folder / "script"
    file.write_text(script, encoding="utf-8")
    subprocess.run(["bash", str(file)], stdin=subprocess.DEVNULL, check=False)
    return [output.read_text() if output.exists() else "(not run)\n" for output in outputs]


def normal(text):
    """The lines, with one space where there are gaps."""
    return [" ".join(line.split()) for line in text.splitlines()]


def main():
    sections = sections_of(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    titles = list(sections)
    if len(sys.argv) == 2:
        print("\n".join(titles[1:]))
        return
    steps = steps_of(sections[titles[0]]) + steps_of(sections[sys.argv[2]])
    printed = run(steps, pathlib.Path(sys.argv[3]))
    differ = False
    for step, text in zip(steps, printed):
        if not step.is_printed_in(text):
            differ = True
            print(f"{step.command}prints\n{text}and the page says\n{step.printed}")
    sys.exit(1 if differ else 0)


main()
