"""Makes the base initrd: the init program and the drivers it loads. The agent is appended later."""

from __future__ import annotations

from vmpod.guestimage.cpio import archive
from vmpod.guestimage.recipe import Recipe
from vmpod.guestimage.rootfs import modules_tree
from vmpod.guestimage.tree import Tree, directory, file

AGENT = "agent"
"""Where the agent's archive puts the agent, relative to the initrd's top."""

# The agent's own sys.path; isolated mode (-I) allows no other way in. `-m` would do, but costs runpy.
START = (
    "import sys; sys.path.insert(0, '/run/vmpod/agent');"
    " from vmpod_agent.__main__ import main; sys.exit(main())"
)

_FSTAB = """\
proc /proc proc nosuid,nodev,noexec
sysfs /sys sysfs nosuid,nodev,noexec
tmpfs /run tmpfs nosuid,nodev,mode=755
tmpfs /tmp tmpfs nosuid,nodev
cgroup2 /sys/fs/cgroup cgroup2 nosuid,nodev,noexec,nsdelegate
devpts /dev/pts devpts nosuid,noexec,gid=5,mode=620,ptmxmode=666
tmpfs /dev/shm tmpfs nosuid,nodev
mqueue /dev/mqueue mqueue nosuid,nodev,noexec
"""


def base_initrd(recipe: Recipe, packages: Tree) -> bytes:
    """The archive of everything in the initrd but the agent."""
    init = (recipe.directory / "init").read_text()
    init = init.replace("@BOOT_MODULES@", " ".join(recipe.boot_modules)).replace("@START@", START)
    modules = modules_tree(packages, recipe.boot_modules)
    return archive(
        {
            "init": file(init.encode(), executable=True),
            "bin/busybox": packages["usr/bin/busybox"],
            "etc/fstab": file(_FSTAB.encode()),
            **{path.removeprefix("usr/"): node for path, node in modules.items()},
            **{name: directory() for name in ("dev", "proc", "root", "run", "sys", "tmp")},
        }
    )
