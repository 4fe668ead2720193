"""`vmpod apply`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vmpod.cli.common import (
    accelerator_option,
    boot_timeout_option,
    chosen_accelerator,
    connect_option,
    runtime,
    template_option,
)
from vmpod.cli.interrupt import Interruption, interruptible
from vmpod.cli.main import FAILED, show_error
from vmpod.cli.moments import checked, seconds
from vmpod.cli.pods import name as name_of
from vmpod.cli.progress import progress
from vmpod.cli.sources import source_options, texts
from vmpod.errors import ConflictError, VmpodError
from vmpod.plan.forward import pod_key
from vmpod.text import printable_lines

if TYPE_CHECKING:
    from vmpod.cli.sources import Text
    from vmpod.runtime.context import Runtime
    from vmpod.runtime.start import Options
    from vmpod.spec.jobmodel import Job
    from vmpod.spec.model import Manifest, Pod
    from vmpod.state.store import PodEntry


@click.command("apply")
@source_options
@click.option(
    "--replace", is_flag=True, help="Remove a pod that is not as the manifest says, and start it anew."
)
@click.option(
    "--timeout",
    callback=checked(seconds),
    metavar="DURATION",
    help="Fail if a pod is not ready after so long, as 90s.",
)
@template_option
@boot_timeout_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@accelerator_option
@connect_option
def command(  # noqa: PLR0917 - click passes options by name
    files: tuple[str, ...],
    recursive: bool,
    replace: bool,
    timeout: float | None,
    template: bool,
    boot_timeout: float | None,
    quiet: bool,
    accel: str,
    uri: str,
) -> int:
    """Start the pods of manifests that are not there yet, and wait until they are ready.

    Several files are one manifest: a pod may use a ConfigMap of another file. A pod that is there already, as
    the manifest says, is left as it is; for one that differs --replace is needed, and the difference is
    shown. What has changed in ConfigMaps and Secrets reaches the volumes of a pod that runs, all files of a
    volume at once, and the variables of containers when they are started again. A PersistentVolumeClaim may
    grow while no pod uses it.

    A Job is left to a process in the background, which ends with it; nothing waits for that. A Job that
    nobody attends to any more goes on where it stood.
    """
    from vmpod.hypervisor.open import check_uri  # noqa: PLC0415
    from vmpod.runtime.changes import surplus  # noqa: PLC0415
    from vmpod.runtime.claims import apply as apply_claim  # noqa: PLC0415
    from vmpod.runtime.claims import shown  # noqa: PLC0415
    from vmpod.runtime.remove import remove_pod, stop_pod  # noqa: PLC0415
    from vmpod.runtime.start import Options  # noqa: PLC0415
    from vmpod.spec.load import load_all  # noqa: PLC0415

    given = texts(files, recursive=recursive)
    manifest = load_all(given)
    accelerator = chosen_accelerator(accel, quiet=quiet)
    options = Options(
        accelerator=accelerator,
        uri=check_uri(uri),
        replace=replace,
        boot_timeout=boot_timeout,
        template=template,
    )
    found, status = runtime(), 0
    try:
        with interruptible():
            for claim in manifest.claims:
                try:
                    done = apply_claim(found, claim)
                    for note in claim.notes if done != "unchanged" else ():
                        click.echo(f"{claim.source}: {note}", err=True)
                    click.echo(f"persistentvolumeclaim/{shown(claim)} {done}")
                except VmpodError as error:
                    show_error(error)
                    status = FAILED
            for pod in manifest.pods:
                try:
                    click.echo(f"pod/{_apply(found, pod, manifest, options, timeout, quiet=quiet)}")
                except VmpodError as error:
                    show_error(error)
                    status = FAILED
                    if pod.ordered:
                        break  # those that come after it would wait for it
            for job in manifest.jobs:
                try:
                    click.echo(f"job/{_apply_job(found, job, manifest, given, options, quiet=quiet)}")
                except VmpodError as error:
                    show_error(error)
                    status = FAILED
            for key in surplus(found, manifest):
                stop_pod(found, key)
                remove_pod(found, key)
                click.echo(f"pod/{key.removeprefix('default/')} deleted")
    except Interruption as interruption:
        return interruption.status
    return status


def _apply(
    runtime: Runtime, pod: Pod, manifest: Manifest, options: Options, timeout: float | None, *, quiet: bool
) -> str:
    """Make the pod what the manifest says; its name, and what was done."""
    from dataclasses import replace  # noqa: PLC0415

    from vmpod.runtime.changes import differences, existing, same_pod  # noqa: PLC0415
    from vmpod.runtime.follow import wait_ready  # noqa: PLC0415
    from vmpod.runtime.remove import remove_pod  # noqa: PLC0415
    from vmpod.runtime.start import start_pod  # noqa: PLC0415
    from vmpod.spec.machine import OWNER  # noqa: PLC0415
    from vmpod.state import timeline  # noqa: PLC0415
    from vmpod.stopwatch import Stopwatch  # noqa: PLC0415

    entry = existing(runtime, pod)
    if entry is not None and OWNER in pod.annotations and not entry.alive():
        # A workload wants its pods to run.
        options = replace(options, replace=True)
    elif entry is not None:
        lines = differences(entry, pod, manifest)
        if not options.replace and same_pod(entry, pod):
            return f"{name_of(entry)} {_configure(runtime, entry, pod, manifest, changed=bool(lines))}"
        if not lines:
            return f"{name_of(entry)} unchanged"
        click.echo(printable_lines("\n".join(lines)), err=True)
        if not options.replace:
            raise ConflictError(
                f"the pod {name_of(entry)} is there already, and not as {pod.source} says",
                hint="--replace removes it, and starts it anew",
            )
    for note in pod.notes:
        click.echo(f"{pod.source}: {note}", err=True)
    shown = progress(quiet=quiet)
    watch = Stopwatch(shown, begin=None)
    path = Path(pod.source)
    options = replace(options, source=pod.source, file=path if path.is_file() else None)
    with ExitStack() as undo:
        started = start_pod(runtime, pod, manifest, options, watch)
        timeline.save(started.directory, watch.begin, watch.steps)
        # Interrupted, it leaves nothing; a pod that fails or takes too long is kept for what it has to tell.
        undo.callback(remove_pod, runtime, f"{pod.namespace}/{pod.name}", force=True)
        try:
            with shown.phase("Starting the containers"):
                wait_ready(runtime, started, timeout=timeout)
        except VmpodError:
            undo.pop_all()
            raise
        undo.pop_all()
    return f"{name_of(started)} {'replaced' if entry else 'created'}"


def _apply_job(
    runtime: Runtime, job: Job, manifest: Manifest, given: list[Text], options: Options, *, quiet: bool
) -> str:
    """Make the Job what the manifest says; its name, and what was done."""
    from dataclasses import replace  # noqa: PLC0415

    from vmpod.runtime.jobs.apply import Given, apply  # noqa: PLC0415
    from vmpod.runtime.jobs.make import expire  # noqa: PLC0415

    expire(runtime)
    for note in job.notes:
        click.echo(f"{job.source}: {note}", err=True)
    path = Path(job.source)
    options = replace(options, source=job.source, file=path if path.is_file() else None)
    done = apply(
        runtime,
        Given(job, manifest, given, options),
        progress(quiet=quiet),
        lambda lines: click.echo(printable_lines("\n".join(lines)), err=True),
    )
    return f"{pod_key(job.namespace, job.name).replace('_', '/')} {done}"


def _configure(runtime: Runtime, entry: PodEntry, pod: Pod, manifest: Manifest, *, changed: bool) -> str:
    """Bring what ConfigMaps and Secrets say to a pod that is as its manifest says; what was done."""
    from vmpod.runtime.update import update  # noqa: PLC0415

    found = update(runtime, entry, pod, manifest)
    if found.containers:
        names = ", ".join(found.containers)
        told = f"variables have changed, which {names} of {pod.name} will see when started again"
        click.echo(f"{pod.source}: {told} (vmpod restart {name_of(entry)})", err=True)
    return "configured" if changed or found.volumes or found.containers else "unchanged"
