"""Where things are in the guest."""

from __future__ import annotations

RUN = "/run/vmpod"
BOOT_DISK = "/dev/vdb"
IMAGES_DISK = "/dev/vdc"
SCRATCH_DISK = "/dev/vdd"
JOURNAL_DISK = "/dev/vde"

BOOT = f"{RUN}/boot"
SCRATCH = f"{RUN}/scratch"
IMAGES = f"{RUN}/images"
SHARES = f"{RUN}/shares"
DISKS = f"{RUN}/disks"
VOLUMES = f"{RUN}/volumes"
CONTAINERS = f"{RUN}/containers"
ETC = f"{RUN}/etc"
SSH = f"{RUN}/ssh"
"""Keys, while somebody is there by SSH."""
HOME = f"{SCRATCH}/home"
"""What root finds as home who comes by SSH."""
SKELETON = f"{RUN}/skeleton"
"""What every container's root has to have; see operations.Skeleton."""
EMPTY = "/mnt"
"""A directory for a child to mount something on, which nobody else sees."""
CGROUPS = "/sys/fs/cgroup"
POD = "vmpod"
"""The cgroup of the pod, in which its containers have theirs."""


def image(number: int) -> str:
    """Where the image in that partition of the images disk is mounted."""
    return f"{IMAGES}/{number}"


def disk(number: int) -> str:
    """Where the file system of that one of the pod's attached disks is mounted."""
    return f"{DISKS}/{number}"


def cgroup(group: str) -> str:
    """The directory of a cgroup, by its name: 'vmpod/CONTAINER'."""
    return f"{CGROUPS}/{group}"
