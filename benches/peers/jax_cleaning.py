"""Data hyper-cleaning of MNIST in JAX, compiled, with the rules of `bilevel clean`: what they reach, and when.

    python jax_cleaning.py WEIGHTS_CSV METHOD STEPS LOWER_STEP UPPER_STEP BATCH SEED

WEIGHTS_CSV is the `weights.csv` of a run of `bilevel clean` on assets/mnist: its labels are those to be cleaned. Prints one line
a snapshot, `steps<TAB>seconds<TAB>accuracy of y*`. Time is that of compiled loops of steps; compiling and
judging are left out."""

import csv
import gzip
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

labels_csv, method = sys.argv[1:3]
steps, batch, seed = (int(sys.argv[i]) for i in (3, 6, 7))
rho, gamma = float(sys.argv[4]), float(sys.argv[5])
MNIST = Path(__file__).parents[2] / "assets/mnist"
SNAPSHOTS, REG, INNER, N = 16, 1e-3, 10, 5000


def idx(name, head):
    return np.frombuffer(gzip.open(MNIST / f"{name}.gz").read(), np.uint8, offset=head)


images = (idx("train10k-images-idx3-ubyte", 16).reshape(-1, 784) / 255).astype(np.float32)
known = idx("train10k-labels-idx1-ubyte", 8).astype(np.int32)[N:]
with open(labels_csv) as file:
    given = np.array([int(row["label"]) for row in csv.DictReader(file)], np.int32)
test = (idx("t10k-images-idx3-ubyte", 16).reshape(-1, 784) / 255).astype(np.float32)
test_labels = idx("t10k-labels-idx1-ubyte", 8)

A, V, T, K = (jnp.asarray(a) for a in (images[:N], images[N:], given, known))
count = N // batch


def losses(y, rows, classes):
    z = jax.nn.log_softmax(rows @ y[0] + y[1])
    return -jnp.take_along_axis(z, classes[:, None], 1)[:, 0]


def part(of, block):
    return jax.lax.dynamic_slice_in_dim(of, block * batch, batch)


def g(y, x, block):
    weighted = jax.nn.sigmoid(part(x, block)) * losses(y, part(A, block), part(T, block))
    return weighted.mean() + REG * (y[0] ** 2).sum()


def f(y, block):
    return losses(y, part(V, block), part(K, block)).mean()


def minus(a, step, b):
    return jax.tree.map(lambda a, b: a - step * b, a, b)


def draw(key):
    return jax.random.randint(key, (), 0, count)


def soba(state, key):
    x, y, q = state
    i, j = (draw(k) for k in jax.random.split(key))
    gy, pull = jax.vjp(lambda y, x: jax.grad(g)(y, x, i), y, x)
    hq, cross = pull(q)
    dq = minus(hq, 1.0, jax.grad(f)(y, j))
    return (x + gamma * N * cross, minus(y, rho, gy), minus(q, rho, dq)), None


def amigo(state, key):
    x, y, q = state
    keys = jax.random.split(key, 3 * INNER + 2)
    y, _ = jax.lax.scan(lambda y, k: (minus(y, rho, jax.grad(g)(y, x, draw(k))), None), y, keys[:INNER])

    def inner(q, k):
        i, j = (draw(k) for k in jax.random.split(k))
        hq = jax.jvp(lambda y: jax.grad(g)(y, x, i), (y,), (q,))[1]
        return minus(q, rho, minus(hq, 1.0, jax.grad(f)(y, j))), None

    q, _ = jax.lax.scan(inner, q, keys[INNER : 2 * INNER])
    i = draw(keys[-1])
    cross = jax.vjp(lambda x: jax.grad(g)(y, x, i), x)[1](q)[0]
    return (x + gamma * N * cross, y, q), None


def bome(state, key):
    x, y, q = state
    z, _ = jax.lax.scan(lambda z, _: (minus(z, rho, jax.grad(g)(z, x, 0)), None), y, None, length=INNER)
    dy, dx = jax.grad(g, (0, 1))(y, x, 0)
    dx = dx - jax.grad(g, 1)(z, x, 0)
    fy = jax.grad(f)(y, 0)
    dot = sum(jnp.vdot(a, b) for a, b in zip(fy, dy))
    square = sum(jnp.vdot(a, a) for a in dy) + jnp.vdot(dx, dx)
    weight = jnp.maximum(0.5 - dot / (square + 1e-20), 0.0)
    y = jax.tree.map(lambda y, f, d: y - rho * (f + weight * d), y, fy, dy)
    return (x - gamma * N * weight * dx, y, q), None


def run(state, keys):
    return jax.lax.scan({"soba": soba, "amigo": amigo, "bome": bome}[method], state, keys)[0]


def accuracy(x, start):
    """Of y*(x), by L-BFGS in double precision."""
    a, w = np.hstack([images[:N], np.ones((N, 1))]).astype(float), 1 / (1 + np.exp(-np.asarray(x, float)))
    targets = np.eye(10)[given]

    def value_and_gradient(v):
        y = v.reshape(785, 10)
        z = a @ y
        z -= z.max(1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
        value = -(w[:, None] * targets * log_p).sum() / N + REG * (y[:784] ** 2).sum()
        gradient = a.T @ (w[:, None] * (np.exp(log_p) - targets)) / N
        gradient[:784] += 2 * REG * y[:784]
        return value, gradient.ravel()

    found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    y = found.x.reshape(785, 10)
    return float(((test @ y[:784] + y[784]).argmax(1) == test_labels).mean()), found.x


zeros = (jnp.zeros((784, 10)), jnp.zeros(10))
state = (jnp.zeros(N), zeros, zeros)
run = jax.jit(run)
chunk = steps // SNAPSHOTS
jax.block_until_ready(run(state, jax.random.split(jax.random.PRNGKey(seed), chunk)))
seconds, snapshots = 0.0, []
for s in range(SNAPSHOTS):
    keys = jax.random.split(jax.random.PRNGKey(1000 * seed + s), chunk)
    start = time.perf_counter()
    state = jax.block_until_ready(run(state, keys))
    seconds += time.perf_counter() - start
    snapshots.append((chunk * (s + 1), seconds, np.asarray(state[0])))
solved = np.zeros(7850)
for done, seconds, x in snapshots:
    reached, solved = accuracy(x, solved)
    print(f"{done}\t{seconds:.4f}\t{reached:.4f}", flush=True)
