"""Makes the base initrd: the init program and the drivers it loads. The agent is appended later."""

from __future__ import annotations

from vmpod.guestimage.cpio import archive
from vmpod.guestimage.init import init_steps
from vmpod.guestimage.modules import load_order, name_of, parse_dependencies, without_signature
from vmpod.guestimage.recipe import Recipe
from vmpod.guestimage.rootfs import kernel_release
from vmpod.guestimage.steps import program
from vmpod.guestimage.tree import Tree, directory, file


def base_initrd(recipe: Recipe, packages: Tree) -> bytes:
    """The archive of everything in the initrd but the agent."""
    top = f"usr/lib/modules/{kernel_release(packages)}"
    dependencies = parse_dependencies(packages[f"{top}/modules.dep"].data.decode())
    order = load_order(recipe.boot_modules, dependencies)
    modules = {f"modules/{name_of(path)}.ko": packages[f"{top}/{path}"].data for path in order}
    return archive(
        {
            "init": file(program(init_steps(f"/{path}" for path in modules)), executable=True),
            **{path: file(without_signature(data)) for path, data in modules.items()},
            **{name: directory() for name in ("dev", "root")},
        }
    )
