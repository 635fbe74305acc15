"""The works of `benches/peers.rs` in PyTorch: one line `work<TAB>milliseconds` (median) for each."""

import sys
import time

import torch
import torch.nn.functional as F
from torch.autograd import grad

torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
torch.manual_seed(0)


def measure(work, f, samples):
    f()
    f()
    times = []
    for _ in range(samples):
        start = time.perf_counter()
        f()
        times.append((time.perf_counter() - start) * 1e3)
    print(f"{work}\t{sorted(times)[samples // 2]:.4f}", flush=True)


# Fields of Experts: 8 images 96x96, 48 filters 7x7.
x, v = torch.randn(8, 1, 96, 96), torch.randn(8, 1, 96, 96)
k = torch.randn(48, 1, 7, 7) * 0.1


def energy(x, k):
    r = F.conv2d(x, k, padding=3)
    return (r * r + 1).log().sum()


def foe_gradient():
    a = x.clone().requires_grad_()
    return grad(energy(a, k), a)


def foe_product():
    a = x.clone().requires_grad_()
    (g,) = grad(energy(a, k), a, create_graph=True)
    return grad((g * v).sum(), a)


def foe_cross():
    a, kk = x.clone().requires_grad_(), k.clone().requires_grad_()
    (g,) = grad(energy(a, kk), a, create_graph=True)
    return grad((g * v).sum(), kk)


measure("FoE gradient", foe_gradient, 15)
measure("FoE Hessian product", foe_product, 15)
measure("FoE cross term", foe_cross, 15)

# The hypergradient of denoising: 20 steps of conjugate gradients on one retained graph, cross term.
noisy, clean, u = torch.randn_like(x), torch.randn_like(x), torch.randn_like(x)
w = torch.full((48,), -3.0)


def lower(u, k, w):
    r = F.conv2d(u, k, padding=3)
    return 0.5 * ((u - noisy) ** 2).sum() + (torch.log1p(r * r).sum((0, 2, 3)) * w.exp()).sum()


def dot(a, b):
    return (a * b).sum((1, 2, 3), keepdim=True)


def hypergradient():
    y, kk, ww = (t.clone().requires_grad_() for t in (u, k, w))
    (g,) = grad(lower(y, kk, ww), y, create_graph=True)
    b = u - clean
    q, r = torch.zeros_like(b), b.clone()
    p, rs = r.clone(), dot(r, r)
    for _ in range(20):
        (hp,) = grad(g, y, p, retain_graph=True)
        a = rs / dot(p, hp)
        q, r = q + a * p, r - a * hp
        new = dot(r, r)
        p, rs = r + new / rs * p, new
    return grad(g, (kk, ww), -q)


def descend():
    y = u.clone()
    for _ in range(20):
        z = y.clone().requires_grad_()
        (g,) = grad(lower(z, k, w), z)
        y = y - 0.1 * g
    return y


measure("FoE hypergradient, 20 CG steps", hypergradient, 5)
measure("FoE lower solve, 20 gradient steps", descend, 5)

# Softmax regression: 5000 samples, 784 -> 10.
a = torch.randn(5000, 784)
t = torch.randint(0, 10, (5000,))
weights, direction = torch.randn(784, 10) * 0.05, torch.randn(784, 10) * 0.05


def softmax_gradient():
    z = weights.clone().requires_grad_()
    return grad(F.cross_entropy(a @ z, t), z)


def softmax_product():
    z = weights.clone().requires_grad_()
    (g,) = grad(F.cross_entropy(a @ z, t), z, create_graph=True)
    return grad((g * direction).sum(), z)


measure("softmax gradient", softmax_gradient, 15)
measure("softmax Hessian product", softmax_product, 15)

# SOBA steps of cleaning 5000 samples in blocks: one weight a sample, a linear classifier with bias.


def soba(block):
    features, labels = torch.randn(5000, 784), torch.randint(0, 10, (5000,))
    trusted, known = torch.randn(5000, 784), torch.randint(0, 10, (5000,))
    count = 5000 // block
    bounds = [(b * 5000 // count, (b + 1) * 5000 // count) for b in range(count)]
    state = {
        "w": torch.zeros(784, 10), "b": torch.zeros(10), "x": torch.zeros(5000),
        "qw": torch.zeros(784, 10), "qb": torch.zeros(10), "t": 0,
    }

    def step():
        s = state
        first, last = bounds[s["t"] % count]
        share = 5000 / count
        w, b = (s[n].clone().requires_grad_() for n in "wb")
        x = s["x"][first:last].clone().requires_grad_()
        losses = F.cross_entropy(features[first:last] @ w + b, labels[first:last], reduction="none")
        g = (x.sigmoid() * losses).sum() / share + 1e-3 * (w * w).sum()
        gw, gb = grad(g, (w, b), create_graph=True)
        along = (gw * s["qw"]).sum() + (gb * s["qb"]).sum()
        hw, hb, cross = grad(along, (w, b, x))
        v, c = (s[n].clone().requires_grad_() for n in "wb")
        f = F.cross_entropy(trusted[first:last] @ v + c, known[first:last], reduction="sum") / share
        fw, fb = grad(f, (v, c))
        with torch.no_grad():
            s["w"] = s["w"] - 0.1 * gw
            s["b"] = s["b"] - 0.1 * gb
            s["qw"] = s["qw"] - 0.1 * (hw - fw)
            s["qb"] = s["qb"] - 0.1 * (hb - fb)
            s["x"][first:last] += 0.1 * cross
        s["t"] += 1

    return step


measure("SOBA step of cleaning, block of 64", soba(64), 100)
measure("SOBA step of cleaning, block of 5000", soba(5000), 100)

# The gradient of MAML on one task: 5 ways, 1 shot, 15 queries of 28x28 pixels, 5 inner steps.


def conv4_weights():
    weights, inputs = [], 1
    for _ in range(4):
        scale = (2 / (9 * inputs)) ** 0.5
        weights += [torch.randn(64, inputs, 3, 3) * scale, torch.ones(64), torch.zeros(64)]
        inputs = 64
    return weights + [torch.zeros(64, 5), torch.zeros(5)]


def conv4(pictures, weights):
    maps = pictures
    for i in range(0, 12, 3):
        filters, scale, shift = weights[i : i + 3]
        maps = F.batch_norm(F.conv2d(maps, filters, padding=1), None, None, scale, shift, training=True)
        maps = F.max_pool2d(maps, 2).relu()
    return maps.flatten(1) @ weights[12] + weights[13]


start = conv4_weights()
support, support_labels = torch.randn(5, 1, 28, 28), torch.arange(5)
queries, query_labels = torch.randn(75, 1, 28, 28), torch.arange(5).repeat_interleave(15)


def maml(second_order):
    first = [w.clone().requires_grad_() for w in start]
    weights = first
    for _ in range(5):
        loss = F.cross_entropy(conv4(support, weights), support_labels)
        steps = grad(loss, weights, create_graph=second_order)
        weights = [w - 0.4 * g for w, g in zip(weights, steps)]
        if not second_order:
            weights = [w.detach().requires_grad_() for w in weights]
    loss = F.cross_entropy(conv4(queries, weights), query_labels)
    return grad(loss, first if second_order else weights)


measure("MAML gradient, Conv4-64, 5 steps", lambda: maml(True), 7)
measure("MAML gradient, first order", lambda: maml(False), 7)

# One convolution 64 -> 64, 3x3, on 25 maps 14x14, in its weights.
maps = torch.randn(25, 64, 14, 14)
kernel, along = torch.randn(64, 64, 3, 3) * 0.05, torch.randn(64, 64, 3, 3) * 0.05


def layer(kernel):
    return F.conv2d(maps, kernel, padding=1).tanh().pow(2).sum()


def layer_gradient():
    z = kernel.clone().requires_grad_()
    return grad(layer(z), z)


def layer_product():
    z = kernel.clone().requires_grad_()
    (g,) = grad(layer(z), z, create_graph=True)
    return grad((g * along).sum(), z)


measure("64 channels weight gradient", layer_gradient, 15)
measure("64 channels Hessian product", layer_product, 15)
