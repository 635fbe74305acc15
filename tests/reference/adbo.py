"""ADBO: Jiao, Yang, Wu, Song (2023), arXiv:2212.10048, synchronous, with two workers.

The derivative of the distance h through the rounds of the estimate is taken forwards, with matrices.
"""

import numpy as np

ETA_X, ETA_Y, ETA_V, ETA_Z, ETA_LAMBDA, ETA_THETA = 0.05, 0.05, 0.04, 0.03, 0.5, 0.06
ROUNDS, LOWER_STEP, CONSENSUS_STEP, MULTIPLIER_STEP, PENALTY = 3, 0.2, 0.1, 0.15, 1.0
EVERY, EPSILON, MOST = 5, 1e-3, 3
REGULARIZATION, FLOOR = 0.02, 0.01
WORKERS = range(2)


def rounds(p, v, ys, z):
    """The estimate of the lower solution from (ys, z), and its derivatives in v."""
    ys, phi = [y.copy() for y in ys], [np.zeros(4) for _ in WORKERS]
    dys, dphi, dz = [np.zeros((4, 3)) for _ in WORKERS], [np.zeros((4, 3)) for _ in WORKERS], np.zeros((4, 3))
    for _ in range(ROUNDS):
        for i in WORKERS:
            slope = p.A[i] @ ys[i] - p.B[i] @ v + phi[i] + PENALTY * (ys[i] - z)
            dslope = p.A[i] @ dys[i] - p.B[i] + dphi[i] + PENALTY * (dys[i] - dz)
            ys[i], dys[i] = ys[i] - LOWER_STEP * slope, dys[i] - LOWER_STEP * dslope
        for i in WORKERS:
            phi[i] = phi[i] + MULTIPLIER_STEP * (ys[i] - z)
            dphi[i] = dphi[i] + MULTIPLIER_STEP * (dys[i] - dz)
        slope = sum(PENALTY * (z - ys[i]) - phi[i] for i in WORKERS)
        dslope = sum(PENALTY * (dz - dys[i]) - dphi[i] for i in WORKERS)
        z, dz = z - CONSENSUS_STEP * slope, dz - CONSENSUS_STEP * dslope
    return ys, z, dys, dz


def adbo(p, steps):
    v, z = p.x.copy(), p.y.copy()
    xs, ys, thetas = [v.copy() for _ in WORKERS], [z.copy() for _ in WORKERS], [np.zeros(3) for _ in WORKERS]
    planes = []
    for t in range(steps):
        c = max(1 / (ETA_LAMBDA * (t + 1) ** 0.25), FLOOR)
        for i in WORKERS:
            fx, fy = p.r[i] * xs[i], ys[i] - p.c[i]
            xs[i] = xs[i] - ETA_X * (fx + thetas[i])
            ys[i] = ys[i] - ETA_Y * (fy + sum(cut["lambda"] * cut["b"][i] for cut in planes))
        v = v - ETA_V * (sum(cut["lambda"] * cut["a"] for cut in planes) - sum(thetas))
        z = z - ETA_Z * sum(cut["lambda"] * cut["c"] for cut in planes)
        for cut in planes:
            value = cut["a"] @ v + sum(cut["b"][i] @ ys[i] for i in WORKERS) + cut["c"] @ z + cut["kappa"]
            cut["lambda"] = max(0.0, cut["lambda"] + ETA_LAMBDA * (value - c * cut["lambda"]))
            cut["idle"] = cut["idle"] + 1 if cut["lambda"] == 0 else 0
        for i in WORKERS:
            thetas[i] = thetas[i] + ETA_THETA * (xs[i] - v - REGULARIZATION * thetas[i])
        distance = []
        if (t + 1) % EVERY == 0:
            solved, there, dys, dz = rounds(p, v, ys, z)
            gaps, gap = [ys[i] - solved[i] for i in WORKERS], z - there
            h = sum(g @ g for g in gaps) + gap @ gap
            distance = [h]
            planes = [cut for cut in planes if cut["idle"] < 2]
            if h > EPSILON:
                a = -2 * sum(dys[i].T @ gaps[i] for i in WORKERS) - 2 * dz.T @ gap
                b, cz = [2 * g for g in gaps], 2 * gap
                kappa = h - a @ v - sum(b[i] @ ys[i] for i in WORKERS) - cz @ z - EPSILON
                while len(planes) >= MOST:
                    planes.remove(min(planes, key=lambda cut: cut["lambda"]))
                planes.append({"a": a, "b": b, "c": cz, "kappa": kappa, "lambda": 0.0, "idle": 0})
        yield {
            "v": v,
            "z": z,
            "x": np.concatenate(xs),
            "y": np.concatenate(ys),
            "theta": np.concatenate(thetas),
            "lambda": [cut["lambda"] for cut in planes],
            "h": distance,
        }
