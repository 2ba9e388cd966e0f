"""Reads what is to be Prometheus's text format from standard input; status 1 and a line for the first
fault. The rules are those of the format's description, and those that its linter has for names."""

import re
import sys

NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*"
VALUE = r'"(?:[^"\\\n]|\\["\\n])*"'
LABELS = rf"\{{[a-zA-Z_][a-zA-Z0-9_]*={VALUE}(?:,[a-zA-Z_][a-zA-Z0-9_]*={VALUE})*\}}"
SAMPLE = re.compile(rf"({NAME})({LABELS})? [-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?")
DECLARATION = re.compile(rf"# (HELP|TYPE) ({NAME}) (.+)")


class Fault(Exception):
    """What is wrong, in words."""


def declare(families, kind, name, text):
    """A family's HELP comes first, then its TYPE, each once."""
    family = families.setdefault(name, {})
    if kind in family:
        raise Fault(f"{kind} of {name} twice")
    if kind == "TYPE" and "HELP" not in family:
        raise Fault(f"{name} has no HELP")
    if kind == "TYPE" and text not in ("gauge", "counter"):
        raise Fault(f"{name} is of no known type: {text}")
    if kind == "TYPE" and (text == "counter") != name.endswith("_total"):
        raise Fault(f"{name}: a counter's name ends with _total, and no other")
    family[kind] = text


def check_sample(families, seen, current, line):
    """A line of a family that is complete, and of the one declared just before."""
    match = SAMPLE.fullmatch(line)
    if not match:
        raise Fault(f"this is no sample: {line}")
    name, labels = match.group(1), match.group(2) or ""
    if "TYPE" not in families.get(name, {}):
        raise Fault(f"{name} has no TYPE")
    if name != current:
        raise Fault(f"{name} is not together with its family")
    names = re.findall(rf"([a-zA-Z0-9_]+)={VALUE}", labels)
    if len(set(names)) < len(names):
        raise Fault(f"a label comes twice: {line}")
    series = (name, frozenset(re.findall(rf"[a-zA-Z0-9_]+={VALUE}", labels)))
    if series in seen:
        raise Fault(f"{name}{labels} comes twice")
    seen.add(series)


def check(text):
    if not text.endswith("\n"):
        raise Fault("the last line has no newline")
    families, seen, current = {}, set(), None
    for line in text[:-1].split("\n"):
        declaration = DECLARATION.fullmatch(line)
        if declaration:
            declare(families, *declaration.groups())
            current = declaration.group(2)
        else:
            check_sample(families, seen, current, line)


try:
    check(sys.stdin.read())
except Fault as fault:
    sys.exit(str(fault))
