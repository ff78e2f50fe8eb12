"""Units of a problem, and the figures of a solution."""

import pytest
import torch

from audit.equation.candidates import Candidates
from audit.solve.base import Solution, Status
from tests.planted import planted_problem


def test_coordinates_are_counted_in_those_of_a_typical_input() -> None:
    given = planted_problem(inputs=20, samples=5)
    problem = given.problem
    assert problem.rank == given.space.rank == problem.box.basis.shape[1]
    assert problem.rank * problem.input_unit**2 == pytest.approx(problem.box.typical_norm**2)


def test_a_solution_is_as_good_as_its_best_restart() -> None:
    candidates = Candidates(torch.zeros(3, 2, 4), torch.zeros(3, 2, 1), None)
    found = Solution(candidates, torch.tensor([0.5, 0.25, 0.75]), Status.BUDGET, 9, ((9, 0.25),))
    assert (found.restarts, found.relative_loss) == (3, 0.25)
