"""A terminal's screen, as far as ncurses uses one: what a program writes becomes cells.

A cell is a character and its style, a set of "bold", "dim", "reverse" and the names of colours.
Control sequences that only matter to a real terminal (titles, modes, the cursor's looks) are
passed over; one that would move or change cells and is not known here is an error, since the
picture would be wrong without a sign of it."""

import re

SEQUENCE = re.compile(r"\x1b\[([?>=]?)([\d;]*)([@-~])|\x1b[()][AB0]|\x1b[=>78]|\x1b\][^\x07]*\x07")
COLOURS = {31: "red", 32: "green", 33: "yellow", 34: "blue"}
STYLES = {1: "bold", 2: "dim", 7: "reverse"}
ENDS = {22: {"bold", "dim"}, 27: {"reverse"}, 39: set(COLOURS.values())}
BLANK = (" ", frozenset())


class Screen:
    def __init__(self, rows, columns):
        self.columns = columns
        self.cells = [[BLANK] * columns for _ in range(rows)]
        self.row = self.column = 0
        self.style = frozenset()

    def lines(self):
        """A copy, each row a tuple of cells."""
        return [tuple(row) for row in self.cells]

    def feed(self, text):
        """Takes what was written. Returns the sequence at its end that is not complete yet."""
        at = 0
        while at < len(text):
            if text[at] != "\x1b":
                self.put(text[at])
                at += 1
                continue
            found = SEQUENCE.match(text, at)
            if not found:
                return text[at:]
            if found.group(3) and not found.group(1):
                self.control(found.group(3), [int(n or 0) for n in found.group(2).split(";")])
            at = found.end()
        return ""

    def put(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.line_feed()
        elif character == "\b":
            self.column = max(self.column - 1, 0)
        elif character == "\t":
            self.column = min(self.column // 8 * 8 + 8, self.columns - 1)
        elif character >= " ":
            if self.column == self.columns:
                self.column = 0
                self.line_feed()
            self.cells[self.row][self.column] = (character, self.style)
            self.column += 1

    def line_feed(self):
        if self.row < len(self.cells) - 1:
            self.row += 1
        else:
            self.cells = self.cells[1:] + [[BLANK] * self.columns]

    def control(self, what, numbers):
        count = max(numbers[0], 1)
        if what == "m":
            self.change_style(numbers)
        elif what in "ABCDGdHf":
            self.move(what, count, numbers)
        elif what in "JKXP@b":
            self.edit(what, count, numbers[0])
        elif what == "r":
            self.row = self.column = 0
        elif what not in "hltnc":
            raise ValueError(f"the control sequence {what!r} of {numbers} is not known here")

    def change_style(self, numbers):
        for number in numbers:
            if number == 0:
                self.style = frozenset()
            elif number in COLOURS:
                self.style = self.style - ENDS[39] | {COLOURS[number]}
            elif number in STYLES:
                self.style = self.style | {STYLES[number]}
            else:
                self.style = self.style - ENDS.get(number, set())

    def move(self, what, count, numbers):
        if what in "Hf":
            self.row, self.column = count - 1, max((numbers + [1])[1], 1) - 1
        elif what == "G":
            self.column = count - 1
        elif what == "d":
            self.row = count - 1
        else:
            self.row += {"A": -count, "B": count}.get(what, 0)
            self.column += {"C": count, "D": -count}.get(what, 0)
        self.row = min(max(self.row, 0), len(self.cells) - 1)
        self.column = min(max(self.column, 0), self.columns - 1)

    def edit(self, what, count, argument):
        line, at = self.cells[self.row], self.column
        if what == "b":
            for _ in range(count):
                self.put(line[self.column - 1][0])
        elif what == "P":
            self.cells[self.row] = line[:at] + line[at + count:] + [BLANK] * count
        elif what == "@":
            self.cells[self.row] = (line[:at] + [BLANK] * count + line[at:])[: self.columns]
        elif what == "X":
            line[at:at + count] = [BLANK] * count
        else:
            begin, end = {0: (at, self.columns), 1: (0, at + 1), 2: (0, self.columns)}[argument]
            line[begin:end] = [BLANK] * (end - begin)
            others = {0: range(self.row + 1, len(self.cells)), 1: range(self.row)}
            for row in others.get(argument, range(len(self.cells))) if what == "J" else ():
                self.cells[row] = [BLANK] * self.columns
