"""Templates on the host: found by what they depend on, believed only while they are what they were."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from vmpod.errors import NotFoundError
from vmpod.plan.model import Disks, Machine, Share
from vmpod.plan.template import copy_of, share_places, template_of
from vmpod.template.store import KEPT, Template, TemplateStore

SHARE = Share("share0", Path("/srv"), read_only=False, keep_owners=True)
MACHINE = Machine(
    name="vmpod-web",
    uuid="u",
    accelerator="tcg",
    memory=1 << 29,
    cpus=1,
    kernel=Path("/guests/kernel"),
    initrd=Path("/guests/initrd"),
    command_line="quiet",
    disks=Disks(Path("/guests/root"), Path("/a"), Path("/b"), Path("/c"), Path("/d")),
    mac="52:54:00:00:00:01",
    sockets=Path("/run/vmpod/web"),
    console_log=Path("/console"),
)


@pytest.fixture
def store(tmp_path: Path) -> TemplateStore:
    return TemplateStore(tmp_path / "templates")


def add(store: TemplateStore, machine: Machine = MACHINE) -> Template:
    key = store.key(machine)
    with store.making(key, lambda: None) as new:
        for name in ("memory", "state", "scratch.raw", "console.log"):
            (new / name).write_text(name)
        (new / "empty").mkdir()
        return store.complete(key, new, template_of(machine, new, uuid="t", mac="m"), "guest")


# The key.


@pytest.mark.parametrize(
    "change",
    [
        {"name": "vmpod-other"},
        {"uuid": "v"},
        {"mac": "52:54:00:00:00:02"},
        {"sockets": Path("/elsewhere")},
        {"console_log": Path("/elsewhere")},
        {"disks": replace(MACHINE.disks, boot=Path("/e"), images=Path("/f"), scratch=Path("/g"))},
    ],
)
def test_what_differs_between_pods_does_not_matter(store: TemplateStore, change: dict[str, object]) -> None:
    assert store.key(replace(MACHINE, **change)) == store.key(MACHINE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"memory": 1 << 30},
        {"cpus": 2},
        {"accelerator": "kvm"},
        {"kernel": Path("/guests/other")},
        {"initrd": Path("/guests/other")},
        {"command_line": ""},
        {"disks": replace(MACHINE.disks, root=Path("/guests/other"))},
        {"shares": (SHARE,)},
    ],
)
def test_what_a_frozen_machine_depends_on_matters(store: TemplateStore, change: dict[str, object]) -> None:
    assert store.key(replace(MACHINE, **change)) != store.key(MACHINE)  # type: ignore[arg-type]


def test_another_qemu_has_other_templates(
    store: TemplateStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    qemu = tmp_path / "bin/qemu-system-x86_64"
    qemu.parent.mkdir()
    qemu.write_text("old")
    qemu.chmod(0o755)
    monkeypatch.setenv("PATH", str(qemu.parent))
    old = store.key(MACHINE)
    qemu.write_text("newer")
    assert store.key(MACHINE) != old


# Machines.


@pytest.mark.parametrize(("shares", "places"), [(0, 0), (1, 2), (2, 2), (3, 6), (7, 18), (18, 18)])
def test_places_for_shares(shares: int, places: int, tmp_path: Path) -> None:
    assert share_places(shares) == places
    machine = replace(MACHINE, shares=tuple(replace(SHARE, tag=f"share{n}") for n in range(shares)))
    copy = copy_of(machine, None, tmp_path)
    assert copy.shares[:shares] == machine.shares
    assert [each.tag for each in copy.shares] == [f"share{n}" for n in range(places)]
    assert all(each.path == tmp_path and each.read_only for each in copy.shares[shares:])
    stem = template_of(machine, tmp_path, uuid="u", mac="m")
    assert [each.tag for each in stem.shares] == [each.tag for each in copy.shares]


def test_a_copy_never_gives_memory_back() -> None:
    """QEMU would punch holes into the file that all copies share."""
    assert not copy_of(replace(MACHINE, balloon=True), None, Path("/")).balloon


# Files.


def test_a_template_is_found_again(store: TemplateStore) -> None:
    made = add(store)
    found = store.find(made.key)
    assert found
    assert replace(found, used=0.0) == replace(made, used=0.0)
    assert store.list() == [found]
    assert sorted(path.name for path in made.directory.iterdir()) == [
        "memory",
        "scratch.raw",
        "state",
        "template.json",
    ]


def truncate(template: Template) -> None:
    os.truncate(template.frozen.memory, 3)


def change(template: Template) -> None:
    template.frozen.state.write_text("STATE")
    os.utime(template.frozen.state, ns=(1, 1))


def delete(template: Template) -> None:
    template.frozen.state.unlink()


def damage(template: Template) -> None:
    (template.directory / "template.json").write_text("[]")


def put_directory(template: Template) -> None:
    damaged = template.directory / "template.json"
    damaged.unlink()
    damaged.mkdir()


def put_file(template: Template) -> None:
    shutil.rmtree(template.directory)
    template.directory.touch()


def put_link(template: Template) -> None:
    shutil.rmtree(template.directory)
    template.directory.symlink_to("nowhere")


@pytest.mark.parametrize("harm", [truncate, change, delete, damage, put_directory, put_file, put_link])
def test_one_whose_files_are_not_what_they_were_is_none(store: TemplateStore, harm: object) -> None:
    template = add(store)
    harm(template)  # type: ignore[operator]
    assert store.find(template.key) is None
    assert store.damaged(template.key)
    assert store.list() == []
    assert [each.name for each in store.prune(dry_run=True)] == [template.key]
    # It is mended by making it again.
    assert store.find(add(store).key)


def test_what_was_half_made_is_removed(store: TemplateStore) -> None:
    key = store.key(MACHINE)
    with store.making(key, lambda: None) as new:
        (new / "memory").write_text("half")
    assert not new.exists()
    assert store.find(key) is None
    # Who is killed cannot clean up; the next one does.
    new.mkdir()
    (new / "memory").write_text("half")
    (removed,) = store.prune(dry_run=True)
    assert removed.name == str(new)
    assert add(store).frozen.memory.read_text() == "memory"
    assert not new.exists()


def test_few_are_kept_the_last_used(store: TemplateStore) -> None:
    machines = [replace(MACHINE, cpus=number) for number in range(1, KEPT + 3)]
    first = add(store, machines[0])
    for number, machine in enumerate(machines[1:]):
        template = add(store, machine)
        os.utime(template.directory / "template.json", (number, number))
        store.touch(first)
    keys = {each.key for each in store.list()}
    assert len(keys) == KEPT
    assert {first.key, template.key} <= keys


def test_prune_takes_those_that_nobody_wants(store: TemplateStore) -> None:
    kept, gone = add(store), add(store, replace(MACHINE, cpus=2))
    removed = store.prune(lambda template: template.cpus == 1)
    assert [(each.kind, each.name) for each in removed] == [("template", gone.key)]
    assert removed[0].size > 0
    assert [each.key for each in store.list()] == [kept.key]
    assert [each.name for each in store.prune(everything=True)] == [kept.key]


def test_one_is_removed_by_the_beginning_of_its_key(store: TemplateStore) -> None:
    template = add(store)
    for wrong in ("", "nothing"):
        with pytest.raises(NotFoundError):
            store.remove(wrong)
    store.remove(template.key[:6])
    assert store.list() == []


def test_the_way_to_the_guest_image_makes_no_difference(store: TemplateStore, tmp_path: Path) -> None:
    (tmp_path / "guests").mkdir()
    (tmp_path / "link").symlink_to("guests")
    keys = {
        store.key(replace(MACHINE, kernel=tmp_path / way / "kernel", initrd=tmp_path / way / "initrd"))
        for way in ("guests", "link")
    }
    assert len(keys) == 1
    assert store.key(MACHINE) not in keys
