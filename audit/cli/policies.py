"""`policy`: the policies that come with the tool, and whether a file is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from audit.cli.completion import POLICIES, one_of
from audit.cli.shell import UNUSABLE, errors_in_one_line, say

if TYPE_CHECKING:
    from audit.verdict.policy import Policy

policies = typer.Typer(help="List, show and check policies.", rich_markup_mode=None)

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        autocompletion=one_of(*POLICIES),
        help="The name of a policy that comes with the tool, or a file.",
    ),
]


@policies.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    """List, show and check policies: what an audit must show before a checkpoint is released."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(UNUSABLE)


@policies.command("list", short_help="List the policies that come with the tool.")
def listing() -> None:
    """List the policies that come with the tool, by the names that --policy takes."""
    with errors_in_one_line():
        from audit.render.terminal import grid
        from audit.verdict.policy import read_policy
        from audit.verdict.policy_file import policy_path, shipped_policies

        rows = [(name, read_policy(policy_path(name)).description) for name in shipped_policies()]
        say("\n".join(grid(rows)))


@policies.command(short_help="Print a policy, comments included.")
def show(name: Name) -> None:
    """Print a policy as it is written, with the comments on where its numbers come from."""
    with errors_in_one_line():
        from audit.verdict.policy_file import policy_path, policy_text

        say(policy_text(policy_path(name)).removesuffix("\n"))


@policies.command(short_help="Say whether a file is a valid policy.")
def check(file: Annotated[str, typer.Argument(metavar="FILE", help="The policy, a YAML file.")]) -> None:
    """Say in one line what a policy asks for, or what is wrong with it.

    Exit codes: 0 for a valid policy, 2 for anything else.
    """
    with errors_in_one_line():
        from audit.verdict.policy_file import policy_path

        policy_path(file)
        from audit.attacks import BATTERY
        from audit.verdict.policy import load_policy

        say(f"{file}: a valid policy: {_summary(load_policy(file, [attack.id for attack in BATTERY]))}")


def _summary(policy: Policy) -> str:
    """What decides, in a line."""
    from audit.words import plural

    match, require = policy.match, policy.require
    limits = [f"{limit.metric} at most {limit.maximum:g}" for limit in policy.limits] or ["no limits"]
    needs = [plural(require.controls, "control")] if require.controls else []
    needs += require.attacks
    if require.least_power:
        needs.append(f"a positive control with a power of {100 * require.least_power:g} %")
    if require.informative:
        needs.append("silence that is informative")
    return (
        f"{', '.join(limits)}; at {match.metric.upper()} >= {match.threshold:g}, false discovery rate "
        f"{match.fdr:g}; requires {', '.join(needs) or 'nothing'}"
    )
