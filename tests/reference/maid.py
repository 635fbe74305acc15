"""MAID: algorithms 3.1 and 3.2 of Salehi, Mukherjee, Roberts, Ehrhardt (2024), arXiv:2308.10098.

What stands for eps and delta in the bounds is measured: |g_y| / mu and the residual of the linear system.
"""

import numpy as np

from problem import ALL, Oracle

NOT_CONVEX, CONVEX = (False, 5.0, 1.0), (True, 0.01, 0.1)


def descent(o, i, x, y, tolerance, rate=0.3, most=100_000):
    """Gradient descent on g until the gradient is small, and how many steps that took."""
    for n in range(most + 1):
        slope = o.gy(i, x, y)
        if np.linalg.norm(slope) <= tolerance:
            return y, n
        y = y - rate * slope


def conjugate_gradients(o, i, x, y, right, v, tolerance):
    """H v = right until the residual is small, and how many products that took."""
    r = right - o.hessian(i, x, y, v)
    d, n = r, 0
    while np.linalg.norm(r) > tolerance:
        Hd = o.hessian(i, x, y, d)
        a = (r @ r) / (d @ Hd)
        v, s = v + a * d, r - a * Hd
        d, r, n = s + (s @ s) / (r @ r) * d, s, n + 1
    return v, n


def maid(problem, settings, steps):
    convex, alpha, accuracy = settings
    rho, rho_bar, nu, nu_bar, eta, decrease = 0.5, 1.2, 0.5, 1.1, 0.5, 0.1
    o = Oracle(problem)
    mu, J = problem.constants()
    x, y, q = problem.x.copy(), problem.y.copy(), np.zeros(4)
    eps = delta = accuracy
    cost = 0
    for _ in range(steps):
        rejected, tries, taken = 0, 20, False
        while not taken:
            while True:
                y, n = descent(o, ALL, x, y, mu * eps)
                value, fx, fy = o.f(ALL, x, y)
                q, m = conjugate_gradients(o, ALL, x, y, fy, q, delta)
                cost += n + m
                z = fx - o.cross(ALL, x, y, q)
                e = np.linalg.norm(o.gy(ALL, x, y)) / mu
                residual = np.linalg.norm(o.hessian(ALL, x, y, q) - fy)
                omega = J / mu * e + J / mu * residual
                if omega <= (1 - eta) * np.linalg.norm(z):
                    break
                eps, delta = nu * eps, nu * delta
            low = value - np.linalg.norm(fy) * e - (0 if convex else e * e / 2)
            a = alpha
            for _ in range(tries):
                X = x - a * z
                Y, n = descent(o, ALL, X, y, mu * eps)
                cost += n
                E = np.linalg.norm(o.gy(ALL, X, Y)) / mu
                value, _, fy = o.f(ALL, X, Y)
                up = value + np.linalg.norm(fy) * E + E * E / 2
                if up - low + decrease * a * (z @ z) <= 0:
                    taken = True
                    break
                rejected, a = rejected + 1, rho * a
            if not taken:
                eps, delta, tries = nu * eps, nu * delta, tries + 1
        x, y, alpha = X, Y, rho_bar * a
        eps, delta = nu_bar * eps, nu_bar * delta
        yield x, y, [eps, delta, alpha, rejected, cost]
