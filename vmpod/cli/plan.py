"""`vmpod plan`."""

from __future__ import annotations

from dataclasses import replace

import click

from vmpod.cli import render
from vmpod.cli.common import accelerator_option, connect_option, likely_accelerator, runtime
from vmpod.cli.listing import Output, OutputType
from vmpod.cli.manifest import read


@click.command("plan")
@click.argument("file")
@click.option("--name", help="Another name for the pod than the manifest's.")
@click.option("-p", "--publish", multiple=True, metavar="[IP:]HOST:POD[/udp]", help="As for `vmpod run`.")
@click.option(
    "-o",
    "--output",
    type=OutputType(("yaml", "json", "xml")),
    default="yaml",
    metavar="yaml|json|xml|jsonpath=TEMPLATE",
    show_default=True,
    help="xml: the libvirt domain alone.",
)
@accelerator_option
@connect_option
def command(  # noqa: PLR0917 - click passes options by name
    file: str, name: str | None, publish: tuple[str, ...], output: Output, accel: str, uri: str
) -> None:
    """Show what `vmpod run FILE` would do: machine, disks, ports, and what its agent would be told.

    Nothing is pulled, built, written or started. Values of Secrets are not in a plan. Of a Job it is the
    plan of its first pod.
    """
    from vmpod.hypervisor.domain import domain_xml  # noqa: PLC0415
    from vmpod.hypervisor.open import check_uri  # noqa: PLC0415
    from vmpod.plan.network import parse_publish  # noqa: PLC0415
    from vmpod.plan.show import to_json  # noqa: PLC0415
    from vmpod.runtime.plan import plan_pods  # noqa: PLC0415
    from vmpod.runtime.start import Options  # noqa: PLC0415
    from vmpod.spec.jobpods import first_pod  # noqa: PLC0415

    manifest, source = read(file, name=name)
    options = Options(
        accelerator=likely_accelerator(accel),
        uri=check_uri(uri),
        publish=tuple(map(parse_publish, publish)),
        source=source,
    )
    first = map(first_pod, manifest.jobs)
    plans = plan_pods(runtime(), replace(manifest, pods=(*manifest.pods, *first)), options)
    if output.format == "xml":
        for plan in plans:
            click.echo(domain_xml(plan.machine), nl=False)
    else:
        output.show(render.items("PlanList", [to_json(plan) for plan in plans]))
