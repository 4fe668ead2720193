"""`vmpod diag`."""

from __future__ import annotations

from pathlib import Path

import click

from vmpod.cli.common import quiet_option, runtime
from vmpod.cli.names import POD
from vmpod.cli.progress import progress


@click.command("diag")
@click.argument("pod", type=POD)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The archive to write. [default: vmpod-diag-POD-MOMENT.tar.gz in this directory]",
)
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="MANIFEST",
    help="Where the pod's Secrets are, so that their values can be taken out. [default: the manifest it was "
    "run from]",
)
@click.option(
    "--with-logs",
    is_flag=True,
    help="Also what the containers wrote, although the values of the pod's Secrets are not known.",
)
@quiet_option
def command(pod: str, output: Path | None, file: Path | None, with_logs: bool, quiet: bool) -> None:
    """Write all that tells why a POD is as it is into one archive, to look at or to give away.

    It works on a pod that runs, hangs, has ended, was left half made, or failed to start. What cannot be had,
    or takes too long, is told in the archive's README.txt. Values of Secrets, and what looks like a password,
    are replaced. The archive's name is printed.
    """
    from vmpod.runtime.diag import recorder, subject  # noqa: PLC0415
    from vmpod.state.store import key_of  # noqa: PLC0415

    found = runtime()
    key = key_of(pod)
    target = output or Path(recorder.default_name(key))
    options = recorder.Options(file=file, with_logs=with_logs)
    shown = progress(quiet=quiet)
    recorder.record(found, subject.find_something(found, key), target, options=options, progress=shown)
    click.echo(str(target))
