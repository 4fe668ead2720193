"""`vmpod run`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from vmpod.cli.common import (
    accelerator_option,
    boot_timeout_option,
    chosen_accelerator,
    connect_option,
    quiet_option,
    runtime,
    template_option,
)
from vmpod.cli.failures import Failures
from vmpod.cli.manifest import of_text
from vmpod.cli.moments import checked, each_checked, size
from vmpod.cli.progress import progress
from vmpod.cli.run_pods import Running, Wish
from vmpod.cli.sources import text
from vmpod.cli.timings import timings_option
from vmpod.errors import UsageError
from vmpod.hypervisor.open import check_uri
from vmpod.plan.forward import pod_key
from vmpod.plan.loglimits import DEFAULT, LogLimits
from vmpod.plan.network import parse_publish
from vmpod.runtime.copyout import CopyOut, by_pod
from vmpod.runtime.copyout import parse as parse_copy
from vmpod.runtime.foreground import check_distinct
from vmpod.runtime.start import Options
from vmpod.wire import logdisk


@click.command("run")
@click.argument("file")
@click.option("-d", "--detach", is_flag=True, help="Return when the pod is ready, and leave it running.")
@click.option("--rm", "remove", is_flag=True, help="Remove the pod when it has ended.")
@click.option("--name", help="Another name for the pod than the manifest's.")
@click.option("--replace", is_flag=True, help="Remove a pod of the same name first.")
@click.option(
    "-p",
    "--publish",
    multiple=True,
    metavar="[IP:]HOST:POD[/udp]",
    help="Bind a port of the host to one of the pod, in place of a hostPort that leads to the same one.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Stop the pod and exit with 124 after so long; with -d: if it is not ready by then.",
)
@click.option(
    "--log-max-size",
    callback=checked(lambda text: size(text, logdisk.MIN_SIZE, logdisk.MAX_SIZE)),
    default="10Mi",
    show_default=True,
    envvar="VMPOD_LOG_MAX_SIZE",
    metavar="SIZE",
    help="Start a new file of a container's log after so much, as 10Mi.",
)
@click.option(
    "--log-max-files",
    type=click.IntRange(logdisk.MIN_FILES, logdisk.MAX_FILES),
    default=DEFAULT.files,
    envvar="VMPOD_LOG_MAX_FILES",
    show_default=True,
    help="Keep so many files of the log of each run.",
)
@click.option(
    "--copy-out",
    multiple=True,
    callback=each_checked(parse_copy),
    metavar="[[POD/]CONTAINER]:PATH=DIR",
    help="When the containers have ended, copy a file or directory of one of them into a directory here. May "
    "be repeated.",
)
@click.option(
    "--diag-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="VMPOD_DIAG_DIR",
    metavar="DIR",
    help="If a pod fails, write what tells why into an archive in this directory, as `vmpod diag` does.",
)
@template_option
@boot_timeout_option
@quiet_option
@timings_option
@accelerator_option
@connect_option
def command(  # noqa: PLR0917 - click passes options by name
    file: str,
    detach: bool,
    remove: bool,
    name: str | None,
    replace: bool,
    publish: tuple[str, ...],
    timeout: float | None,
    log_max_size: int,
    log_max_files: int,
    copy_out: list[CopyOut],
    diag_dir: Path | None,
    template: bool,
    boot_timeout: float | None,
    quiet: bool,
    timings: bool,
    accel: str,
    uri: str,
) -> int:
    """Run the pods of a manifest FILE ('-' for standard input), each in a machine of its own.

    In the foreground the containers' output is shown, each line with its container's name. Ctrl-C stops
    the pod within its grace period, a second Ctrl-C at once. The exit status is 0 if all went well, that
    of the first container that failed, 124 after --timeout, 130 after Ctrl-C, 125 if vmpod itself failed.

    A Job runs until it is over; its status is that of the pod that failed last. With -d a process in the
    background sees to it, and `vmpod get job/NAME` tells how far it is.

    A pod in the foreground ends with the command: if that is killed, the next `vmpod run` or `vmpod prune`
    stops the pod, and removes it if --rm was given.
    """
    for option, wanted in (("--rm", remove), ("--copy-out", copy_out)):
        if detach and wanted:
            raise UsageError(f"{option} needs somebody who waits for the pod's end: use it without -d")
    deadline = None if timeout is None else time.monotonic() + timeout
    given = text(file)
    manifest, source = of_text(given, name=name, random=True), given[1]
    check_distinct([pod_key(pod.namespace, pod.name) for pod in manifest.pods])
    forwards = tuple(parse_publish(text) for text in publish)
    if forwards and len(manifest.pods) > 1:
        raise UsageError(f"--publish: {source} has {len(manifest.pods)} pods, and they cannot share a port")
    copies = by_pod(copy_out, manifest)
    accelerator = chosen_accelerator(accel, quiet=quiet)
    found, shown = runtime(), progress(quiet=quiet)
    failures = Failures(found, manifest, diag_dir)
    options = Options(
        accelerator=accelerator,
        uri=check_uri(uri),
        publish=forwards,
        replace=replace,
        source=source,
        file=None if file == "-" else Path(file),
        logs=LogLimits(log_max_size, log_max_files),
        boot_timeout=boot_timeout,
        template=template,
        failed=failures.add,
    )
    wish = Wish(detach, remove, deadline, timings, name)
    if manifest.jobs:
        from vmpod.cli.run_job import run_job  # noqa: PLC0415 - most manifests have none

        if copy_out:
            raise UsageError("--copy-out: a Job's pods come and go; it takes manifests of pods")
        return run_job(found, manifest, given, options, wish, shown)
    return Running(found, manifest, options, wish, copies, failures, shown).run()
