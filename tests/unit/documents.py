"""Boot documents for tests."""

from __future__ import annotations

from typing import Any

from vmpod.wire.boot import BOOT_VERSION


def boot_container(**fields: Any) -> dict[str, Any]:
    return {
        "name": "c",
        "first_run": 0,
        "image": 0,
        "argv": ["/bin/true"],
        "env": [],
        "env_files": [],
        "cwd": "/",
        "user": "",
        "mounts": [],
        "devices": [],
        "memory": 0,
        "cpu": 0,
        "cpu_request": 0,
        "storage": 0,
        "huge_pages": -1,
        "stop_signal": "SIGTERM",
        "stdin": False,
        "stdin_once": False,
        "tty": False,
        "probes": {"startup": None, "readiness": None, "liveness": None},
        "hooks": {"post_start": None, "pre_stop": None},
        "restart": {"policy": "", "rules": []},
        "last_words": {"path": "/dev/termination-log", "log": False},
        "security": {
            "groups": [],
            "strict_groups": False,
            "bounding": 0xA80425FB,
            "privileged": False,
            "read_only": False,
            "no_new_privileges": False,
            "unmasked": False,
            "filter": "",
        },
    } | fields


def boot_document(*containers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "version": BOOT_VERSION,
        "boot": 1,
        "pod": {"name": "p", "namespace": "default", "uid": "u", "hostname": "p", "fqdn": ""},
        "network": {
            "address": "10.0.2.15",
            "prefix": 24,
            "gateway": "10.0.2.2",
            "ipv6": {"address": "fd76:6d70:6f64::f", "prefix": 64, "gateway": "fd76:6d70:6f64::2"},
            "nameservers": ["10.0.2.3"],
            "search": ["example.org"],
            "options": ["ndots:5"],
            "hosts": [["10.0.2.2", "host.vmpod.internal"]],
        },
        "images": [{"start": 4096, "length": 8192}],
        "disks": [],
        "volumes": [],
        "init_containers": [],
        "containers": list(containers) or [boot_container()],
        "restart_policy": "Always",
        "grace": 30,
        "deadline": 0,
        "processes": "own",
        "memory": 0,
        "cpu": 0,
        "huge_pages": 0,
        "pids": 0,
        "sysctls": [],
    } | fields
