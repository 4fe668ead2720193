"""Makes the base initrd: the init program and the drivers it loads. The agent is appended later."""

from __future__ import annotations

from fnmatch import fnmatchcase

from vmpod.guestimage import elf
from vmpod.guestimage.cpio import archive
from vmpod.guestimage.init import DISK, NEW, WARM, init_steps
from vmpod.guestimage.modules import load_order, name_of, parse_dependencies, without_signature
from vmpod.guestimage.recipe import Recipe
from vmpod.guestimage.rootfs import kernel_release
from vmpod.guestimage.steps import program
from vmpod.guestimage.tree import Node, Tree, directory, file, with_parents
from vmpod.guestimage.unpack import LIBRARIES


def base_initrd(recipe: Recipe, packages: Tree, root: Tree) -> bytes:
    """The archive of everything in the initrd but the agent. root: what the root disk holds."""
    top = f"usr/lib/modules/{kernel_release(packages)}"
    dependencies = parse_dependencies(packages[f"{top}/modules.dep"].data.decode())
    order = load_order(recipe.boot_modules, dependencies)
    modules = {f"modules/{name_of(path)}.ko": packages[f"{top}/{path}"].data for path in order}
    return archive(
        {
            "init": file(program(init_steps(f"/{path}" for path in modules)), executable=True),
            **{path: file(without_signature(data)) for path, data in modules.items()},
            **{name.removeprefix("/"): directory() for name in ("/dev", DISK, NEW)},
            **with_parents({f"{WARM.removeprefix('/')}/{path}": node for path, node in warm(recipe, root)}),
        }
    )


def warm(recipe: Recipe, root: Tree) -> list[tuple[str, Node]]:
    """The files of the root disk that the initrd holds as well, with the libraries that they load."""
    chosen = [path for path in root if any(fnmatchcase(path, pattern) for pattern in recipe.warm)]
    programs = [path for path in chosen if root[path].data.startswith(b"\x7fELF")]
    libraries = elf.libraries(programs, root, LIBRARIES) | {f"{LIBRARIES}/ld-linux-x86-64.so.2"}
    return [(path, root[path]) for path in sorted({*chosen, *libraries})]
