"""Update rules from their papers' equations, in the letters of the papers. Each yields (x, y) after each step.

Where a rule of the library says that it differs from its paper, this is the rule of the library, written anew.
"""

import numpy as np

from draws import Draws
from problem import ALL

SEED, STEPS = 3, 8


def constant(a):
    return lambda t: a


def power(a, q):
    return lambda t: a * (t + 1) ** -q


def steps(o):
    """The number of each step and what it draws."""
    for t in range(STEPS):
        yield t, Draws(SEED, t, len(o.p.A), len(o.p.c))


def start(o):
    return o.p.x.copy(), o.p.y.copy()


def descend(o, d, n, rho, x, y):
    for _ in range(n):
        y = y - rho * o.gy(d.lower(), x, y)
    return y


# Single loops with an adjoint. The papers of SOBA, SABA and SRBA have v = -q.


def soba(o, rho, gamma):
    (x, y), v = start(o), np.zeros(4)
    for t, d in steps(o):
        i, j = d.lower(), d.upper()
        gy, hv, cv = o.second(i, x, y, v)
        _, fx, fy = o.f(j, x, y)
        y, v, x = y - rho(t) * gy, v - rho(t) * (hv + fy), x - gamma(t) * (cv + fx)
        yield x, y


def ma_soba(o, rho, gamma, theta):
    (x, y), z, h = start(o), np.zeros(4), np.zeros(3)
    for t, d in steps(o):
        i, j = d.lower(), d.upper()
        gy, hz, cz = o.second(i, x, y, z)
        _, fx, fy = o.f(j, x, y)
        x, y, z = x - gamma(t) * h, y - rho(t) * gy, z - rho(t) * (hz - fy)
        h = (1 - theta(t)) * h + theta(t) * (fx - cz)
        yield x, y


def saba(o, rho, gamma):
    (x, y), v = start(o), np.zeros(4)
    tables = {}

    def saga(name, blocks, i, new):
        table = tables.setdefault(name, np.zeros((blocks, len(new))))
        direction = new - table[i] + table.mean(0)
        table[i] = new
        return direction

    n, m = len(o.p.A), len(o.p.c)
    for t, d in steps(o):
        i, j = d.lower(), d.upper()
        gy, hv, cv = o.second(i, x, y, v)
        _, fx, fy = o.f(j, x, y)
        gy, hv, cv = saga("gy", n, i, gy), saga("hv", n, i, hv), saga("cv", n, i, cv)
        fx, fy = saga("fx", m, j, fx), saga("fy", m, j, fy)
        y, v, x = y - rho(t) * gy, v - rho(t) * (hv + fy), x - gamma(t) * (cv + fx)
        yield x, y


def srba(o, rho, gamma, period):
    (x, y), v = start(o), np.zeros(4)

    def directions(i, j, x, y, v):
        gy, hv, cv = o.second(i, x, y, v)
        _, fx, fy = o.f(j, x, y)
        return gy, hv + fy, cv + fx

    for t, d in steps(o):
        if t % period == 0:
            D = directions(ALL, ALL, x, y, v)
        else:
            i, j = d.lower(), d.upper()
            old = directions(i, j, *before)
            new = directions(i, j, x, y, v)
            D = [a - b + c for a, b, c in zip(new, old, D)]
        before = x, y, v
        y, v, x = y - rho(t) * D[0], v - rho(t) * D[1], x - gamma(t) * D[2]
        yield x, y


def fsla(o, rho, gamma, eta):
    (x, y), v, before = start(o), np.zeros(4), None
    for t, d in steps(o):
        i, j = d.lower(), d.upper()
        gy, hv, cv = o.second(i, x, y, v)
        _, fx, fy = o.f(j, x, y)
        new = fx - cv
        if before is not None:
            X, Y, V = before
            old = o.f(j, X, Y)[1] - o.cross(i, X, Y, V)
            new = new + (1 - eta(t)) * (h - old)
        h, before = new, (x, y, v)
        y, v, x = y - rho(t) * gy, v - rho(t) * (hv - fy), x - gamma(t) * h
        yield x, y


def amigo(o, n, rho, gamma):
    (x, y), z = start(o), np.zeros(4)
    for t, d in steps(o):
        y = descend(o, d, n, rho(t), x, y)
        _, fx, fy = o.f(d.upper(), x, y)
        for _ in range(n):
            z = z - rho(t) * (o.hessian(d.lower(), x, y, z) + fy)
        x = x - gamma(t) * (fx + o.cross(d.lower(), x, y, z))
        yield x, y


# Neumann series.


class Series:
    """A sum (SHIA), or one random product (HIA): the blocks of an estimate, and the estimate."""

    def __init__(self, form, terms, eta):
        self.form, self.terms, self.eta = form, terms, eta

    def draw(self, d):
        factors = self.terms - 1 if self.form == "sum" else d.below(self.terms)
        j, c = d.upper(), d.lower()
        return j, c, [d.lower() for _ in range(factors)]

    def all(self):
        return ALL, ALL, [ALL] * (self.terms - 1)

    def hypergradient(self, o, on, x, y):
        j, c, factors = on
        _, fx, fy = o.f(j, x, y)
        term = total = fy
        for k in factors:
            term = term - self.eta * o.hessian(k, x, y, term)
            total = total + term
        v = self.eta * (total if self.form == "sum" else self.terms * term)
        return fx - o.cross(c, x, y, v)


def with_series(form):
    """stocBiO with the sum, BSA and (n = 1) TTSA with the product."""

    def rule(o, n, rho, gamma, terms, eta):
        (x, y), series = start(o), Series(form, terms, eta)
        for t, d in steps(o):
            y = descend(o, d, n, rho(t), x, y)
            x = x - gamma(t) * series.hypergradient(o, series.draw(d), x, y)
            yield x, y

    return rule


def storm(form):
    """MRBO with the sum, SUSTAIN with the product."""

    def rule(o, rho, gamma, eta, terms, series_step):
        (x, y), series, before = start(o), Series(form, terms, series_step), None
        for t, d in steps(o):
            i, on = d.lower(), series.draw(d)

            def D(x, y):
                return series.hypergradient(o, on, x, y), o.gy(i, x, y)

            new = D(x, y)
            if before is not None:
                new = [a + (1 - eta(t)) * (p - b) for a, p, b in zip(new, old, D(*before))]
            old, before = new, (x, y)
            x, y = x - gamma(t) * new[0], y - rho(t) * new[1]
            yield x, y

    return rule


def vrbo(o, n, rho, gamma, period, terms, eta):
    """d belongs to `at`, which is where the last step of y began."""
    (x, y), series = start(o), Series("sum", terms, eta)

    def D(i, on, x, y):
        return series.hypergradient(o, on, x, y), o.gy(i, x, y)

    for t, d in steps(o):
        if t % period == 0:
            at, v = (x, y), D(ALL, series.all(), x, y)
        x = x - gamma(t) * v[0]
        for _ in range(n):
            i, on = d.lower(), series.draw(d)
            v = [a + p - b for a, p, b in zip(D(i, on, x, y), v, D(i, on, *at))]
            at, y = (x, y), y - rho(t) * v[1]
        yield x, y


# First derivatives.


def f2sa(o, n, rho, gamma, weight, growth):
    (x, y), z = start(o), o.p.y.copy()
    for t, d in steps(o):
        alpha = rho(t) / weight
        for _ in range(n):
            i, j = d.lower(), d.upper()
            z = z - rho(t) * o.gy(i, x, z)
            y = y - alpha * (o.f(j, x, y)[2] + weight * o.gy(i, x, y))
        i, j = d.lower(), d.upper()
        gap = o.g(i, x, y)[1] - o.g(i, x, z)[1]
        x = x - gamma(t) * (o.f(j, x, y)[1] + weight * gap)
        weight += growth(t)
        yield x, y


def f3sa(o, rho, gamma, eta, weight, growth):
    (x, y), z, before = start(o), o.p.y.copy(), None
    for t, d in steps(o):
        i, j = d.lower(), d.upper()

        def D(x, y, z):
            return [*o.f(j, x, y)[1:], *o.g(i, x, y)[1:], *o.g(i, x, z)[1:]]

        new = D(x, y, z)
        if before is not None:
            new = [a + (1 - eta(t)) * (p - b) for a, p, b in zip(new, old, D(*before))]
        old, before = new, (x, y, z)
        Fx, Fy, Gx, Gy, Zx, Zy = new
        z = z - rho(t) * Zy
        y = y - rho(t) / weight * (Fy + weight * Gy)
        x = x - gamma(t) * (Fx + weight * (Gx - Zx))
        weight += growth(t)
        yield x, y


def bsg1(o, n, rho, gamma):
    x, y = start(o)
    for t, d in steps(o):
        y = descend(o, d, n, rho(t), x, y)
        _, gx, gy = o.g(d.lower(), x, y)
        _, fx, fy = o.f(d.upper(), x, y)
        x = x - gamma(t) * (fx - (fy @ gy) / (gy @ gy) * gx)
        yield x, y


def pzobo(o, n, rho, gamma, directions, mu):
    x, y = start(o)
    for t, d in steps(o):
        same = d.again()
        z = descend(o, d, n, rho(t), x, y)
        _, fx, fy = o.f(d.upper(), x, z)
        h = fx
        for _ in range(directions):
            u = np.array([d.normal() for _ in x])
            moved = descend(o, same.again(), n, rho(t), x + mu * u, y)
            h = h + u * (((moved - z) / mu) @ fy) / directions
        x, y = x - gamma(t) * h, z
        yield x, y


def gap(o, n, alpha, x, y):
    """q = g(x, y) - g(x, z) and its gradients, z by n steps from y and then fixed."""
    z = y
    for _ in range(n):
        z = z - alpha * o.gy(ALL, x, z)
    here, there = o.g(ALL, x, y), o.g(ALL, x, z)
    return here[0] - there[0], here[1] - there[1], here[2]


def bome(o, barrier, eta, n, alpha, xi_y, xi_x, beta):
    x, y = start(o)
    mx, my = np.zeros(3), np.zeros(4)
    for _ in range(STEPS):
        q, qx, qy = gap(o, n, alpha, x, y)
        _, fx, fy = o.f(ALL, x, y)
        square = qx @ qx + qy @ qy
        phi = eta * (square if barrier == "norm" else q)
        weight = max((phi - fx @ qx - fy @ qy) / square, 0)
        mx, my = beta * mx + fx + weight * qx, beta * my + fy + weight * qy
        x, y = x - xi_x * mx, y - xi_y * my
        yield x, y


def v_pbgd(o, n, alpha, weight, xi_y, xi_x):
    x, y = start(o)
    for _ in range(STEPS):
        _, px, py = gap(o, n, alpha, x, y)
        _, fx, fy = o.f(ALL, x, y)
        x, y = x - xi_x * (fx + weight * px), y - xi_y * (fy + weight * py)
        yield x, y


def g_pbgd(o, weight, xi_y, xi_x):
    x, y = start(o)
    for _ in range(STEPS):
        gy = o.gy(ALL, x, y)
        _, hg, cg = o.second(ALL, x, y, gy)
        _, fx, fy = o.f(ALL, x, y)
        x, y = x - xi_x * (fx + 2 * weight * cg), y - xi_y * (fy + 2 * weight * hg)
        yield x, y


def bvfsm(o, n, m, alpha, gamma, mu, sigma, theta):
    x, y = start(o)
    z = y
    for t in range(STEPS):
        for _ in range(n):
            z = z - alpha * (o.gy(ALL, x, z) + mu(t) * z)
        best = o.g(ALL, x, z)
        limit = best[0] + mu(t) / 2 * (z @ z) + mu(t)

        def look(y):
            return y, o.f(ALL, x, y), o.g(ALL, x, y)

        def value(y, f, g):
            return f[0] - sigma(t) * np.log(limit - g[0]) + theta(t) / 2 * (y @ y)

        here = look(y)
        if here[2][0] >= limit:
            here = look(z)
        for _ in range(m):
            y, f, g = here
            slope = f[2] + sigma(t) / (limit - g[0]) * g[2] + theta(t) * y
            size = alpha
            while True:
                there = look(y - size * slope)
                if there[2][0] < limit and value(*there) <= value(*here):
                    break
                size /= 2
            here = there
        y, f, g = here
        x = x - gamma(t) * (f[1] + sigma(t) / (limit - g[0]) * (g[1] - best[1]))
        yield x, y


# A constrained lower level.


class Everywhere:
    def nearest(self, z):
        return z

    def derivative(self, z, v):
        return v


class Ball:
    def __init__(self, radius):
        self.radius = radius

    def nearest(self, z):
        return z * min(1, self.radius / np.linalg.norm(z))

    def derivative(self, z, v):
        n = np.linalg.norm(z)
        return v if n <= self.radius else self.radius / n * (v - z * (z @ v) / n**2)


class Box:
    def __init__(self, bound):
        self.bound = bound

    def nearest(self, z):
        return np.clip(z, -self.bound, self.bound)

    def derivative(self, z, v):
        return v * (np.abs(z) < self.bound)


def dmlcbo(o, Y, eta, Q, gamma, tau, alpha, beta, G, share, offset):
    (x, y), w = start(o), None
    y = Y.nearest(y)

    def hypergradient(d, i, x, y, v):
        _, fx, fy = o.f(d.upper(), x, y)
        z = y - eta * v
        factors = d.below(Q)
        u = Y.derivative(z, fy)
        for _ in range(factors):
            u = Y.derivative(z, u - eta * o.hessian(d.lower(), x, y, u))
        return fx - o.cross(i, x, y, eta * Q * u)

    for t, d in steps(o):
        if w is None:
            i = d.lower()
            v = o.gy(i, x, y)
            w = hypergradient(d, i, x, y, v)
        e = share / np.sqrt(offset + t)
        X = x - gamma * w / (np.sqrt(np.linalg.norm(w)) + G)
        Z = Y.nearest(y - tau * v / (np.sqrt(np.linalg.norm(v)) + G))
        x, y = (1 - e) * x + e * X, (1 - e) * y + e * Z
        i = d.lower()
        v = (1 - beta * e) * v + beta * e * o.gy(i, x, y)
        w = (1 - alpha * e) * w + alpha * e * hypergradient(d, i, x, y, v)
        yield x, y


k, p = constant, power
MOMENTA = (0.25, 4, 0.05, 0.2, 0.9, 0.9, 0.1, 1.0, 2.0)
RULES = {
    "SOBA": (soba, p(0.2, 0.5), p(0.1, 0.5)),
    "MA-SOBA": (ma_soba, k(0.2), p(0.1, 0.5), p(0.3, 0.5)),
    "SABA": (saba, k(0.2), k(0.1)),
    "SRBA": (srba, k(0.2), k(0.1), 3),
    "FSLA": (fsla, k(0.2), k(0.1), p(0.5, 0.5)),
    "AmIGO": (amigo, 3, k(0.2), k(0.1)),
    "stocBiO": (with_series("sum"), 3, k(0.2), k(0.1), 4, 0.25),
    "BSA": (with_series("product"), 3, p(0.2, 0.5), p(0.1, 0.5), 4, 0.25),
    "TTSA": (with_series("product"), 1, p(0.2, 0.4), p(0.1, 0.6), 4, 0.25),
    "SUSTAIN": (storm("product"), p(0.2, 1 / 3), p(0.1, 1 / 3), p(0.5, 2 / 3), 4, 0.25),
    "MRBO": (storm("sum"), p(0.2, 1 / 3), p(0.1, 1 / 3), p(0.5, 2 / 3), 4, 0.25),
    "VRBO": (vrbo, 3, k(0.2), k(0.1), 4, 4, 0.25),
    "VRBO, one inner step": (vrbo, 1, k(0.2), k(0.1), 1000, 4, 0.25),
    "F2SA": (f2sa, 3, k(0.2), k(0.1), 2.0, p(0.5, 6 / 7)),
    "F3SA": (f3sa, k(0.2), k(0.05), p(0.5, 0.5), 2.0, k(0.1)),
    "BSG-1": (bsg1, 2, k(0.2), k(0.01)),
    "PZOBO": (pzobo, 3, k(0.2), k(0.05), 2, 0.1),
    "BOME": (bome, "norm", 0.5, 4, 0.2, 0.1, 0.05, 0.9),
    "BOME, gap": (bome, "gap", 0.3, 4, 0.2, 0.1, 0.05, 0.0),
    "V-PBGD": (v_pbgd, 4, 0.2, 5.0, 0.02, 0.03),
    "G-PBGD": (g_pbgd, 5.0, 0.005, 0.006),
    "BVFSM": (bvfsm, 5, 4, 0.05, k(0.05), p(0.5, 0.5), p(0.2, 0.5), p(0.1, 0.5)),
    "DMLCBO": (dmlcbo, Everywhere(), *MOMENTA),
    "DMLCBO, ball": (dmlcbo, Ball(0.4), *MOMENTA),
    "DMLCBO, box": (dmlcbo, Box(0.2), *MOMENTA),
}
