"""`vmpod completion`."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a script that lets a SHELL complete vmpod's commands, options, and names of pods and images.

    \b
    bash: vmpod completion bash > ~/.local/share/bash-completion/completions/vmpod
    zsh:  vmpod completion zsh > a file _vmpod in a directory of $fpath
    fish: vmpod completion fish > ~/.config/fish/completions/vmpod.fish
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    from vmpod.cli.main import COMPLETE, cli  # noqa: PLC0415 - main imports its commands when it needs them

    kind = get_completion_class(shell)
    assert kind is not None
    # Not by kind(...).source(): for bash that asks the bash that is there for its version.
    made = kind(cli, {}, "vmpod", COMPLETE)
    click.echo(made.source_template % made.source_vars())
