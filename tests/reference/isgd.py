"""ISGD: Salehi, Mukherjee, Roberts, Ehrhardt (2024), arXiv:2412.12049, on three tasks with accuracies that are norms."""

import numpy as np

from draws import Draws
from maid import conjugate_gradients, descent
from problem import Oracle

SEED, TASKS = 5, 3


def shuffled(t, size):
    """All tasks in a new order every epoch."""
    batches = -(-TASKS // size)
    d, order = Draws(SEED, t // batches), list(range(TASKS))
    for last in range(TASKS - 1, 0, -1):
        other = d.below(last + 1)
        order[last], order[other] = order[other], order[last]
    return order[t % batches * size :][:size]


def independent(t, size):
    d = Draws(SEED, t)
    return [d.below(TASKS) for _ in range(size)]


def isgd(problem, batch, size, steps):
    """Task i has block i of g and block i mod 2 of f."""
    o, x = Oracle(problem), problem.x.copy()
    ys, qs = [problem.y.copy() for _ in range(TASKS)], [np.zeros(4) for _ in range(TASKS)]
    for t in range(steps):
        accuracy, alpha = 0.1 / (t + 1), 0.3 * (t + 1) ** -0.6
        drawn, z = batch(t, size), 0
        for i in set(drawn):
            ys[i], _ = descent(o, i, x, ys[i], accuracy)
            _, fx, fy = o.f(i % 2, x, ys[i])
            qs[i], _ = conjugate_gradients(o, i, x, ys[i], fy, qs[i], accuracy)
            z = z + drawn.count(i) / size * (fx - o.cross(i, x, ys[i], qs[i]))
        x = x - alpha * z
        yield x, np.concatenate(ys), drawn
