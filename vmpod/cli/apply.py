"""`vmpod apply`."""

from __future__ import annotations

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
from vmpod.cli.interrupt import Interruption, interruptible
from vmpod.cli.moments import checked, seconds
from vmpod.cli.progress import progress
from vmpod.cli.sources import source_options, texts


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
@quiet_option
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

    Several files are one manifest: a pod may use a ConfigMap of another file. All pods are started before any
    is waited for; those of a StatefulSet one after the other, if its policy is OrderedReady.

    A pod that is there already, as the manifest says, is left as it is; for one that differs --replace is
    needed, and the difference is shown. What has changed in ConfigMaps and Secrets reaches the volumes of a
    pod that runs, all files of a volume at once, and the variables of containers when they are started again.
    Labels and annotations of a Pod change in place, too. What is immutable does not change for a pod that has
    it, unless --replace is given. A PersistentVolumeClaim may grow while no pod uses it.

    A Job is left to a process in the background, which ends with it; nothing waits for that. A Job that
    nobody attends to any more goes on where it stood.
    """
    from vmpod.cli.applying import Applying  # noqa: PLC0415 - not for --help
    from vmpod.cli.manifest import to_find_again  # noqa: PLC0415
    from vmpod.hypervisor.open import check_uri  # noqa: PLC0415
    from vmpod.runtime.start import Options  # noqa: PLC0415

    given = texts(files, recursive=recursive)
    manifest = to_find_again(given)
    options = Options(
        accelerator=chosen_accelerator(accel, quiet=quiet),
        uri=check_uri(uri),
        replace=replace,
        boot_timeout=boot_timeout,
        template=template,
    )
    try:
        with interruptible():
            return Applying(runtime(), manifest, given, options, timeout, progress(quiet=quiet)).run()
    except Interruption as interruption:
        return interruption.status
