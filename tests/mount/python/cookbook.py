"""Runs a task of a page of recipes as it is written there:  cookbook.py PAGE TITLE FOLDER

A task is what is under a heading "## TITLE". Its blocks marked "sh" are run in order by one
bash, after those under the first heading of the page; a block marked "text" is what the one
before it prints, and one without prints nothing. In such a text "…" stands for anything, a line
with nothing else for any lines, and the widths of gaps do not count. A comment <!-- test:
COMMAND --> is run too: for what the reader does in another way. What is printed is kept in
FOLDER.

cookbook.py PAGE   prints the titles."""

import pathlib
import re
import subprocess
import sys

STEP = re.compile(r"^```(\w*)\n(.*?)^```$|^<!-- test: (.*?) -->$", re.MULTILINE | re.DOTALL)


class Step:
    """What is typed, and what is then printed."""

    def __init__(self, command):
        self.command = command
        self.printed = ""

    def pattern(self):
        lines = [line.strip() for line in self.printed.splitlines()]
        return "".join("(?:.*\n)*" if line == "…" else pattern_of(line) + "\n" for line in lines)


def pattern_of(line):
    return r"[ \t]+".join(
        ".*".join(re.escape(part) for part in word.split("…")) for word in line.split())


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
    return "".join(line.strip() + "\n" for line in text.splitlines())


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
        if not re.fullmatch(step.pattern(), normal(text)):
            differ = True
            print(f"{step.command}prints\n{text}and the page says\n{step.printed}")
    sys.exit(1 if differ else 0)


main()
