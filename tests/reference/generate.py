"""Writes the reference iterates beside this file: python3 tests/reference/generate.py"""

from pathlib import Path

from adbo import adbo
from isgd import independent, isgd, shuffled
from maid import CONVEX, NOT_CONVEX, maid
from problem import Oracle, Problem
from rules import RULES

HERE = Path(__file__).parent


def numbers(values):
    return " ".join(repr(float(v)) for v in values)


def write(name, columns, rows):
    lines = ["\t".join(row) for row in [columns, *rows]]
    (HERE / name).write_text("\n".join(lines) + "\n")


def rules():
    for name, (rule, *settings) in RULES.items():
        for samples in ("whole", "blocks"):
            problem = Problem().whole() if samples == "whole" else Problem()
            o = Oracle(problem)
            for t, (x, y) in enumerate(rule(o, *settings)):
                yield name, samples, str(t), " ".join(o.log), numbers(x), numbers(y)
                o.log.clear()


def methods():
    for name, settings in (("MAID", NOT_CONVEX), ("MAID, convex", CONVEX)):
        for t, (x, y, rest) in enumerate(maid(Problem().quadratic(), settings, 8)):
            yield name, str(t), numbers(x), numbers(y), numbers(rest)
    for name, batch, size in (("ISGD", shuffled, 1), ("ISGD, batches of two", independent, 2)):
        for t, (x, y, drawn) in enumerate(isgd(Problem().quadratic(), batch, size, 8)):
            yield name, str(t), numbers(x), numbers(y), numbers(drawn)


def distributed():
    for t, row in enumerate(adbo(Problem().quadratic(), 40)):
        yield str(t), *(numbers(values) for values in row.values())


write("problem.tsv", ("name", "numbers"), ((name, numbers(row)) for name, row in Problem().rows()))
write("rules.tsv", ("rule", "samples", "step", "calls", "x", "y"), rules())
write("methods.tsv", ("method", "step", "x", "y", "what else"), methods())
write("adbo.tsv", ("step", "v", "z", "x", "y", "theta", "lambda", "h"), distributed())
