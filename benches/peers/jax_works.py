"""The works of `benches/peers.rs` in JAX, compiled: one line `work<TAB>milliseconds` (median) for each.

The number of threads is XLA's own choice."""

import time

import jax
import jax.numpy as jnp


def normal(seed, shape, scale=1.0):
    return scale * jax.random.normal(jax.random.PRNGKey(seed), shape)


def measure(work, f, *arguments, samples=15):
    f = jax.jit(f)
    jax.block_until_ready(f(*arguments))
    times = []
    for _ in range(samples):
        start = time.perf_counter()
        jax.block_until_ready(f(*arguments))
        times.append((time.perf_counter() - start) * 1e3)
    print(f"{work}\t{sorted(times)[samples // 2]:.4f}", flush=True)


def conv(x, k, pad):
    return jax.lax.conv_general_dilated(x, k, (1, 1), [(pad, pad)] * 2)


def product(f):
    """The Hessian product of f, reverse over reverse."""
    return lambda x, v: jax.grad(lambda y: jnp.vdot(jax.grad(f)(y), v))(x)


x, v, k = normal(0, (8, 1, 96, 96)), normal(1, (8, 1, 96, 96)), normal(2, (48, 1, 7, 7), 0.1)


def energy(x, k):
    r = conv(x, k, 3)
    return jnp.log(r * r + 1).sum()


measure("FoE gradient", jax.grad(energy), x, k)
measure("FoE Hessian product", lambda x, v, k: product(lambda y: energy(y, k))(x, v), x, v, k)
measure(
    "FoE cross term",
    lambda x, v, k: jax.grad(lambda k: jnp.vdot(jax.grad(energy)(x, k), v))(k),
    x, v, k,
)

noisy, clean, u = (normal(s, (8, 1, 96, 96)) for s in (3, 4, 5))
w = jnp.full((48,), -3.0)


def lower(u, k, w):
    r = conv(u, k, 3)
    return 0.5 * ((u - noisy) ** 2).sum() + (jnp.log1p(r * r).sum((0, 2, 3)) * jnp.exp(w)).sum()


def dot(a, b):
    return (a * b).sum((1, 2, 3), keepdims=True)


def hypergradient(u, k, w):
    g, pull = jax.vjp(lambda u, k, w: jax.grad(lower)(u, k, w), u, k, w)
    b = u - clean

    def step(state, _):
        q, r, p, rs = state
        hp = pull(p)[0]
        a = rs / dot(p, hp)
        q, r = q + a * p, r - a * hp
        new = dot(r, r)
        return (q, r, r + new / rs * p, new), None

    (q, *_), _ = jax.lax.scan(step, (jnp.zeros_like(b), b, b, dot(b, b)), None, length=20)
    return pull(-q)[1:]


def descend(u):
    return jax.lax.fori_loop(0, 20, lambda _, u: u - 0.1 * jax.grad(lower)(u, k, w), u)


measure("FoE hypergradient, 20 CG steps", hypergradient, u, k, w, samples=5)
measure("FoE lower solve, 20 gradient steps", descend, u, samples=5)

a = normal(6, (5000, 784))
t = jax.random.randint(jax.random.PRNGKey(7), (5000,), 0, 10)
weights, direction = normal(8, (784, 10), 0.05), normal(9, (784, 10), 0.05)


def cross_entropy(z):
    return -jnp.take_along_axis(jax.nn.log_softmax(a @ z), t[:, None], 1).mean()


measure("softmax gradient", jax.grad(cross_entropy), weights)
measure("softmax Hessian product", product(cross_entropy), weights, direction)



def soba(block):
    """A SOBA step of cleaning 5000 samples, and its state; the block is drawn by its number."""
    features, trusted = normal(13, (5000, 784)), normal(14, (5000, 784))
    labels = jax.random.randint(jax.random.PRNGKey(15), (5000,), 0, 10)
    known = jax.random.randint(jax.random.PRNGKey(16), (5000,), 0, 10)

    def losses(y, rows, classes):
        z = jax.nn.log_softmax(rows @ y[0] + y[1])
        return -jnp.take_along_axis(z, classes[:, None], 1)[:, 0]

    def part(of, first):
        return jax.lax.dynamic_slice_in_dim(of, first, block)

    def step(x, y, q, first):
        rows, classes = part(features, first), part(labels, first)

        def g(y, x):
            mean = (jax.nn.sigmoid(x) * losses(y, rows, classes)).mean()
            return mean + 1e-3 * (y[0] ** 2).sum()

        gy, pull = jax.vjp(lambda y, x: jax.grad(g)(y, x), y, part(x, first))
        hy, cross = pull(q)
        fy = jax.grad(lambda y: losses(y, part(trusted, first), part(known, first)).mean())(y)
        new = jax.tree.map(lambda a, b: a - 0.1 * b, y, gy)
        adjoint = jax.tree.map(lambda a, h, f: a - 0.1 * (h - f), q, hy, fy)
        x = jax.lax.dynamic_update_slice_in_dim(x, part(x, first) + 0.1 * cross, first, 0)
        return x, new, adjoint

    zeros = (jnp.zeros((784, 10)), jnp.zeros(10))
    return step, (jnp.zeros(5000), zeros, zeros, 128 if block < 5000 else 0)


for block in (64, 5000):
    step, start = soba(block)
    measure(f"SOBA step of cleaning, block of {block}", step, *start, samples=100)

maps = normal(10, (25, 64, 14, 14))
kernel, along = normal(11, (64, 64, 3, 3), 0.05), normal(12, (64, 64, 3, 3), 0.05)


def layer(kernel):
    return (jnp.tanh(conv(maps, kernel, 1)) ** 2).sum()


measure("64 channels weight gradient", jax.grad(layer), kernel)
measure("64 channels Hessian product", product(layer), kernel, along)
