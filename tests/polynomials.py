"""Two-layer networks x^k at exact KKT points of data that are known, and what training shows of such networks."""

from __future__ import annotations

import torch
from torch import Tensor

from audit.model.network import Network
from audit.model.parameters import Parameters
from tests.planted import at, generator

_NEWTON_STEPS = 60


def samples(count: int, inputs: int, order=3, seed=1) -> tuple[Tensor, Tensor]:
    """Rows (n, d) in general position, and b = lambda y (n,), of one sign for even orders."""
    rows = torch.randn(count, inputs, generator=generator(seed), dtype=torch.float64) / inputs**0.5
    if inputs < 4 * count:  # far from orthogonal ones, few eigenvectors are real
        rows = torch.linalg.qr(rows.T).Q.T + 0.15 * rows
    weights = 1 + torch.rand(count, generator=generator(seed + 1), dtype=torch.float64)
    return rows, weights * (-1.0) ** torch.arange(count) if order % 2 else weights


def eigenvectors(rows: Tensor, weights: Tensor, order: int, starts=3000) -> tuple[Tensor, Tensor]:
    """Distinct unit u (h, d) and m (h,) with T(u, ..., u, .) = m u for T = sum_i b_i x_i^{(x)k}.

    By Newton's method on both equations, m u - T(u, ..., u, .) = 0 and |u|^2 = 1, in the span of the rows.
    """
    basis = torch.linalg.svd(rows, full_matrices=False).Vh.T
    inner = rows @ basis
    size = inner.shape[1]
    u = torch.randn(starts, size, generator=generator(0), dtype=torch.float64)
    u /= u.norm(dim=1, keepdim=True)
    m = (u @ inner.T) ** order @ weights
    system = torch.zeros(starts, size + 1, size + 1, dtype=torch.float64)
    for _ in range(_NEWTON_STEPS):
        products = u @ inner.T
        gaps = (weights * products ** (order - 1)) @ inner - m[:, None] * u
        derivatives = (order - 1) * torch.einsum(
            "ki,id,ie->kde", weights * products ** (order - 2), inner, inner
        ) - m[:, None, None] * torch.eye(size, dtype=torch.float64)
        system[:, :size, :size], system[:, :size, size], system[:, size, :size] = derivatives, -u, u
        right = torch.cat([-gaps, (1 - u.square().sum(1, keepdim=True)) / 2], 1)
        step, _ = torch.linalg.solve_ex(system, right)
        u, m = u + step[:, :size], m + step[:, size]
    gaps = (weights * (u @ inner.T) ** (order - 1)) @ inner - m[:, None] * u
    good = (gaps.norm(dim=1) < 1e-13) & (m.abs() > 1e-6)
    u, m = u[good], m[good]
    _, group = torch.unique((u * u[:, :1].sign()).mul(1e6).round(), dim=0, return_inverse=True)
    first = torch.zeros(int(group.max()) + 1, dtype=torch.int64).scatter_(0, group, torch.arange(len(group)))
    return u[first] @ basis.T, m[first]


def kkt_network(rows: Tensor, weights: Tensor, order: int, units=None, starts=3000) -> Network:
    """Neurons that are eigenvectors of T, as long as v = k a T(v, ..., v, .) and a = T(v, ..., v) ask for."""
    u, m = eigenvectors(rows, weights, order, starts)
    u, m = u[:units], m[:units]
    lengths = (order * m.square()) ** (-1 / (2 * order - 2))
    first, last = lengths[:, None] * u, lengths**order * m
    return Network(Parameters((first, last[None]), (None, None)), f"polynomial:{order}", (1.0,))


def random_network(inputs, units, outputs=1, order=3, biases=False, seed=3) -> Network:
    """As at the beginning of training."""
    rng = generator(seed)
    first = torch.randn(units, inputs, generator=rng, dtype=torch.float64) / inputs**0.5
    last = torch.randn(outputs, units, generator=rng, dtype=torch.float64) / units**0.5
    bias = 0.3 * torch.randn(units, generator=rng, dtype=torch.float64) if biases else None
    return Network(Parameters((first, last), (bias, None)), f"polynomial:{order}", (1.0,))


def gradient_sum(network: Network, rows: Tensor, weights: Tensor) -> Parameters:
    """sum_i sum_c lambda_ic grad f_c(x_i), for rows (n, d) and lambda (n, c)."""
    leaves = network.parameters.map(lambda tensor: tensor.clone().requires_grad_())
    total = (weights * network.at(leaves).forward(rows)).sum()
    return leaves.rebuild(torch.autograd.grad(total, leaves.tensors))


def stepped(network: Network, gradient: Parameters, rate: float) -> Network:
    """After one step of gradient descent."""
    return network.at(network.parameters - gradient.times(rate))


def direction_errors(found: Tensor, rows: Tensor) -> Tensor:
    """Distance (n,) of each row from the nearest found one, both of unit length and of the better sign."""
    found, rows = (values / values.norm(dim=1, keepdim=True) for values in (found, rows))
    return torch.minimum(torch.cdist(rows, found), torch.cdist(rows, -found)).amin(1)


def lazy_start(inputs: int, units: int, order=3, size=8.0, mirrored=True, seed=4) -> Network:
    """Large neurons hardly move until a fit is exact. Mirrored, half of them cancel the others at first."""
    half = random_network(inputs, units // 2 if mirrored else units, 1, order, seed=seed)
    first, last = size * half.weights[0], half.weights[1]
    if mirrored:
        first, last = first.repeat(2, 1), torch.cat([last, -last], 1)
    return half.at(Parameters((first, last), half.biases))


def fitted(start: Network, rows: Tensor, steps: int, share: float) -> tuple[Network, Tensor]:
    """After gradient descent on outputs of -1 and 1 in turns, and the sums of lambda (n, 1) over all steps.

    The rate is a share of one over the largest eigenvalue of the tangent kernel; two would be too large.
    """
    signs = ((-1.0) ** torch.arange(len(rows), dtype=torch.float64))[:, None]
    one = torch.ones(1, 1, dtype=torch.float64)
    kernel = torch.stack([gradient_sum(start, row[None], one).flatten() for row in rows])
    rate = share / float(torch.linalg.matrix_norm(kernel, 2)) ** 2
    after, weights = start, torch.zeros_like(signs)
    for _ in range(steps):
        gaps = after.forward(rows) - signs
        after, weights = stepped(after, gradient_sum(after, rows, gaps), rate), weights - rate * gaps
    return after, weights


def decayed(rows: Tensor, order: int, units=200) -> Network:
    """Trained on classes in turns, with weight decay, until it stands still."""
    labels = (-1.0) ** torch.arange(len(rows))
    network = random_network(rows.shape[1], units, 1, order)
    tensors = [(3 * tensor).requires_grad_() for tensor in network.parameters.tensors]

    def loss():
        outputs = at(network, tensors).forward(rows)[:, 0]
        decay = sum(tensor.square().sum() for tensor in tensors)
        return torch.nn.functional.softplus(-labels * outputs).mean() + 5e-4 * decay

    first = torch.optim.Adam(tensors, lr=0.01)
    for _ in range(3000):
        first.zero_grad()
        loss().backward()
        first.step()
    last = torch.optim.LBFGS(tensors, max_iter=2000, history_size=50, line_search_fn="strong_wolfe")

    def closure():
        last.zero_grad()
        (value := loss()).backward()
        return value

    last.step(closure)
    return at(network, [tensor.detach() for tensor in tensors])
