"""What a pod is called, and how it finds the names of others."""

from __future__ import annotations

from vmpod.dataclass import dataclass
from vmpod.spec import names
from vmpod.spec.metadata import Metadata
from vmpod.spec.model import Dns
from vmpod.spec.podfields import DNS_CONFIG, DNS_OPTION, HOST_ALIAS
from vmpod.spec.reader import Record

CLUSTER_DOMAIN = "cluster.local"
"""What the kubelet has by default."""

_MAX_HOST_NAME = 64  # of the kernel: linux/utsname.h
# As the API server allows.
_MAX_SERVERS, _MAX_SEARCHES, _MAX_SEARCH_LENGTH = 3, 32, 2048
_NO_CLUSTER_DNS = "there is no cluster DNS, so names are resolved as the host resolves them"


@dataclass(frozen=True)
class Naming:
    """hostname: of the machine; fqdn: its full name, '' for none."""

    hostname: str
    fqdn: str = ""


def read_naming(spec: Record, metadata: Metadata) -> Naming:
    """What the pod's machine is called."""
    hostname = spec.text("hostname", names.dns_label) or names.default_hostname(metadata.name)
    subdomain = spec.text("subdomain", names.dns_label)
    full = full_name(hostname, subdomain, metadata.namespace)
    as_fqdn = spec.boolean("setHostnameAsFQDN")
    if override := spec.text("hostnameOverride", names.dns_subdomain):
        if as_fqdn:
            spec.wrong("hostnameOverride", "must not be given together with setHostnameAsFQDN")
        if spec.place.child("hostNetwork").node.value is True:
            spec.wrong("hostnameOverride", "must not be given together with hostNetwork")
        if len(override) > _MAX_HOST_NAME:
            spec.wrong("hostnameOverride", f"must be at most {_MAX_HOST_NAME} characters")
        return Naming(override)
    if as_fqdn and full:
        if len(full) > _MAX_HOST_NAME:
            told = (
                f"makes the host name {full!r}, which is longer than the kernel's {_MAX_HOST_NAME} characters"
            )
            spec.wrong("setHostnameAsFQDN", told)
        return Naming(full, full)
    return Naming(hostname, full)


def full_name(hostname: str, subdomain: str, namespace: str) -> str:
    """The name with its domain; '' for a pod without a subdomain."""
    return f"{hostname}.{subdomain}.{namespace}.svc.{CLUSTER_DOMAIN}" if subdomain else ""


def read_host_aliases(spec: Record) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Addresses and their names, for /etc/hosts."""
    found = []
    for record in spec.records("hostAliases", HOST_ALIAS):
        address = record.text("ip", _address, required=True)
        aliases = tuple(item.text(names.dns_subdomain) for item in record.items("hostnames"))
        found.append((address, aliases))
    return tuple(found)


def _address(text: str) -> str | None:
    # Few manifests name an address.
    import ipaddress  # noqa: PLC0415

    try:
        ipaddress.ip_address(text)
    except ValueError:
        return "must be an IP address"
    return None


def read_dns(spec: Record) -> Dns:
    """dnsPolicy and dnsConfig."""
    allowed = ("Default", "ClusterFirst", "ClusterFirstWithHostNet", "None")
    policy = spec.choice("dnsPolicy", allowed, "Default")
    place = spec.get("dnsPolicy")
    if place and policy.startswith("Cluster"):
        place.note(_NO_CLUSTER_DNS)
    config = spec.record("dnsConfig", DNS_CONFIG)
    servers = tuple(item.text(_address) for item in config.items("nameservers")) if config else ()
    if policy == "None" and not servers:
        spec.wrong("dnsConfig", "must name a server where dnsPolicy is None")
    if config is None:
        return Dns(alone=policy == "None")
    if len(servers) > _MAX_SERVERS:
        config.wrong("nameservers", f"must be at most {_MAX_SERVERS}")
    searches = tuple(item.text(_search) for item in config.items("searches"))
    if len(searches) > _MAX_SEARCHES or len(" ".join(searches)) > _MAX_SEARCH_LENGTH:
        config.wrong(
            "searches", f"must be at most {_MAX_SEARCHES}, and {_MAX_SEARCH_LENGTH} characters in all"
        )
    return Dns(
        policy == "None",
        servers,
        searches,
        tuple(_option(each) for each in config.records("options", DNS_OPTION)),
    )


def _search(text: str) -> str | None:
    # Underscores may stand in a search path since 1.34: names of SRV records have them.
    return None if text == "." else names.dns_subdomain(text.removesuffix(".").replace("_", "x"))


def _option(record: Record) -> str:
    name, value = record.text("name", _word, required=True), record.text("value", _word)
    return f"{name}:{value}" if value else name


def _word(text: str) -> str | None:
    return None if text.isprintable() and " " not in text else "must be printable characters without spaces"
