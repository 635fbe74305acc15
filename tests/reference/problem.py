"""The problem of the reference iterates: its losses, blocks of them, and a log of what was evaluated.

    g_i = 1/2 y.A_i y - y.B_i x + sigma/2 |x|^2 |y|^2 + kappa/12 sum y^4
    f_j = 1/2 |y - c_j|^2 + r_j/2 |x|^2 + nu/2 |x|^2 |y|^2

All second derivatives depend on where they are taken, unless sigma, kappa and nu are 0.
"""

import numpy as np

ALL = "*"


class Problem:
    """Three blocks of g and two of f, x of 3 and y of 4 entries."""

    def __init__(self):
        rng = np.random.default_rng(7)
        turned = np.linalg.qr(rng.normal(size=(4, 4)))[0]
        self.A, self.B = [], []
        for _ in range(3):
            P = 0.1 * rng.normal(size=(4, 4))
            self.A.append(turned @ np.diag([0.8, 1.2, 1.7, 2.2]) @ turned.T + P + P.T)
            self.B.append(0.6 * rng.normal(size=(4, 3)))
            assert np.linalg.eigvalsh(self.A[-1]).min() > 0.1
        self.c = [rng.normal(size=4) for _ in range(2)]
        self.r = [0.3, 0.5]
        self.x, self.y = rng.normal(size=3), 0.1 * rng.normal(size=4)
        self.sigma, self.kappa, self.nu = 0.1, 0.3, 0.2

    def rows(self):
        """The numbers by name."""
        for i in range(3):
            yield f"A{i}", self.A[i].ravel()
            yield f"B{i}", self.B[i].ravel()
        for j in range(2):
            yield f"c{j}", self.c[j]
            yield f"r{j}", [self.r[j]]
        yield "x", self.x
        yield "y", self.y
        yield "couplings", [self.sigma, self.kappa, self.nu]
        yield "constants", self.constants()

    def constants(self):
        """Strong convexity of the mean of g, and the norm of its cross derivative, where it is quadratic."""
        A, B = sum(self.A) / len(self.A), sum(self.B) / len(self.B)
        return np.linalg.eigvalsh(A).min(), np.linalg.norm(B, 2)

    def quadratic(self):
        self.sigma = self.kappa = self.nu = 0.0
        return self

    def whole(self):
        """The means as single blocks."""
        self.A, self.B = [sum(self.A) / 3], [sum(self.B) / 3]
        self.c, self.r = [sum(self.c) / 2], [sum(self.r) / 2]
        return self


class Oracle:
    """Derivatives on a block or on all samples, each call logged by its kind and its block."""

    def __init__(self, problem):
        self.p, self.log = problem, []

    def logged(self, kind, block):
        self.log.append(f"{kind}{block}")

    def lower(self, i):
        p = self.p
        if i == ALL:
            return sum(p.A) / len(p.A), sum(p.B) / len(p.B)
        return p.A[i], p.B[i]

    def upper(self, j):
        p = self.p
        if j == ALL:
            return sum(p.c) / len(p.c), sum(p.r) / len(p.r)
        return p.c[j], p.r[j]

    def _gy(self, i, x, y):
        A, B = self.lower(i)
        return A @ y - B @ x + self.p.sigma * (x @ x) * y + self.p.kappa / 3 * y**3

    def _hessian(self, i, x, y, v):
        A, _ = self.lower(i)
        return A @ v + self.p.sigma * (x @ x) * v + self.p.kappa * y**2 * v

    def _cross(self, i, x, y, v):
        _, B = self.lower(i)
        return -B.T @ v + 2 * self.p.sigma * (y @ v) * x

    def gy(self, i, x, y):
        self.logged("gy", i)
        return self._gy(i, x, y)

    def g(self, i, x, y):
        """Value and both gradients."""
        self.logged("g", i)
        A, B = self.lower(i)
        p = self.p
        square = (x @ x) * (y @ y)
        value = y @ A @ y / 2 - y @ B @ x + p.sigma / 2 * square + p.kappa / 12 * np.sum(y**4)
        return value, -B.T @ y + p.sigma * (y @ y) * x, self._gy(i, x, y)

    def f(self, j, x, y):
        """Value and both gradients."""
        self.logged("f", j)
        c, r = self.upper(j)
        nu = self.p.nu
        value = (y - c) @ (y - c) / 2 + r / 2 * (x @ x) + nu / 2 * (x @ x) * (y @ y)
        return value, r * x + nu * (y @ y) * x, y - c + nu * (x @ x) * y

    def hessian(self, i, x, y, v):
        self.logged("h", i)
        return self._hessian(i, x, y, v)

    def cross(self, i, x, y, v):
        self.logged("c", i)
        return self._cross(i, x, y, v)

    def second(self, i, x, y, v):
        self.logged("s", i)
        return self._gy(i, x, y), self._hessian(i, x, y, v), self._cross(i, x, y, v)
