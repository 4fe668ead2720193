"""Pruning the image store, tagging, and a store that is damaged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.oci.images import MadeImage, docker_archive, member, tar
from vmpod.errors import ImageError, NotFoundError
from vmpod.lock import exclusive
from vmpod.oci.model import Image
from vmpod.oci.store import ImageStore

ROOT = Path(__file__).parents[3]
HELLO = MadeImage([tar(member("hello", b"hello" * 10_000))], {"Cmd": ["/hello"]})
OTHER = MadeImage([tar(member("hello", os.urandom(50_000)))])
THIRD = MadeImage([tar(member("third", b"3"))])


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "store")


def load(store: ImageStore, tmp_path: Path, image: MadeImage, *names: str) -> Image:
    [loaded] = store.load(docker_archive(tmp_path / "image.tar", image, *names))
    return loaded


def used(root: Path) -> int:
    """What du says, in bytes."""
    out = subprocess.run(["du", "-s", "-B1", root], check=True, stdout=subprocess.PIPE).stdout
    return int(out.split()[0])


def nobody() -> set[str]:
    return set()


def test_without_a_store_there_is_nothing_to_prune(store: ImageStore, tmp_path: Path) -> None:
    assert store.prune(nobody, everything=True) == []
    assert not (tmp_path / "store").exists()


def test_images_without_a_name_go(store: ImageStore, tmp_path: Path) -> None:
    old = load(store, tmp_path, HELLO, "app")
    new = load(store, tmp_path, OTHER, "app")
    before = used(tmp_path / "store")
    told = store.prune(nobody, dry_run=True)
    assert [(item.kind, item.name) for item in told] == [("image", old.digest)]
    assert used(tmp_path / "store") == before
    assert store.prune(nobody) == told
    assert store.list() == [new]
    assert used(tmp_path / "store") == before - sum(item.size for item in told)
    assert store.prune(nobody) == []


def test_what_a_pod_uses_stays(store: ImageStore, tmp_path: Path) -> None:
    old = load(store, tmp_path, HELLO, "app")
    new = load(store, tmp_path, OTHER, "app", "again")
    third = load(store, tmp_path, THIRD, "third")
    assert store.prune(lambda: {old.digest}) == []
    gone = store.prune(lambda: {old.digest, third.digest}, everything=True)
    assert [item.name for item in gone] == ["docker.io/library/again:latest, docker.io/library/app:latest"]
    assert [image.digest for image in store.list()] == [third.digest, old.digest]
    assert store.find("app") is None
    assert store.find(new.digest) is None


def test_what_a_killed_command_left_goes_and_work_under_way_stays(store: ImageStore, tmp_path: Path) -> None:
    load(store, tmp_path, HELLO, "app")
    staging = tmp_path / "store/staging"
    for name in ("dead", "busy"):
        (staging / name / "work").mkdir(parents=True)
        (staging / name / "work/disk.squashfs").write_bytes(bytes(100_000))
        (staging / name / "lock").touch()
    (staging / "names.json").write_text("{")
    before = used(tmp_path / "store")
    with exclusive(staging / "busy/lock"):
        told = store.prune(nobody, dry_run=True)
        assert store.prune(nobody) == told
    assert [(item.kind, Path(item.name).name) for item in told] == [
        ("leftover", "dead"),
        ("leftover", "names.json"),
    ]
    assert sum(item.size for item in told) == before - used(tmp_path / "store")
    assert [path.name for path in staging.iterdir()] == ["busy"]


PRUNE = """
import sys
from pathlib import Path
from vmpod.oci.store import ImageStore
print("started", flush=True)
print(len(ImageStore(Path(sys.argv[1])).prune(set, everything=True)))
"""


def test_an_image_that_a_pod_is_about_to_use_is_waited_for(store: ImageStore, tmp_path: Path) -> None:
    image = load(store, tmp_path, HELLO, "app")
    argv = [sys.executable, "-c", PRUNE, str(tmp_path / "store")]
    with store.using():
        pruning = subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT)
        assert pruning.stdout
        assert pruning.stdout.readline() == b"started\n"
        with pytest.raises(subprocess.TimeoutExpired):
            pruning.wait(1)
        # Others may start as well, and get images meanwhile.
        with store.using():
            assert load(store, tmp_path, OTHER, "other")
        assert store.find("app") == image
    assert pruning.communicate()[0] == b"2\n"
    assert store.list() == []


def test_a_tag_is_a_further_name(store: ImageStore, tmp_path: Path) -> None:
    image = load(store, tmp_path, HELLO, "app:1")
    other = load(store, tmp_path, OTHER, "app:2")
    assert store.tag("app:1", ["app:2", "quay.io/me/app"]) == [
        "docker.io/library/app:2",
        "quay.io/me/app:latest",
    ]
    assert store.find("app:2") == store.find("app:1") == store.find("quay.io/me/app")
    assert store.list()[1].names == ()
    assert store.tag(other.digest, ["localhost/other:3"]) == ["localhost/other:3"]
    with pytest.raises(NotFoundError, match="'no'"):
        store.tag("no", ["yes"])
    with pytest.raises(ImageError, match="Capital"):
        store.tag("app:1", ["good", "Capital"])
    with pytest.raises(ImageError, match="names a digest"):
        store.tag("app:1", [f"good@{image.digest}"])
    assert store.find("good") is None


@pytest.mark.parametrize("what", ["short", "gone", "record", "deep"])
def test_a_damaged_image_is_told_and_made_again(store: ImageStore, tmp_path: Path, what: str) -> None:
    good = load(store, tmp_path, OTHER, "good")
    bad = load(store, tmp_path, HELLO, "bad")
    record = bad.disk.parent / "image.json"
    if what == "short":
        os.truncate(bad.disk, 100)
    elif what == "gone":
        bad.disk.unlink()
    else:
        record.write_text({"record": '{"version": 1, "config": 3}', "deep": "[" * 100_000}[what])
    with pytest.raises(ImageError, match=f"{bad.disk.parent}.* is damaged") as caught:
        store.find("bad")
    assert "vmpod image pull" in str(caught.value.hint)
    assert store.find("good") == good
    problems: list[ImageError] = []
    assert store.list(problems=problems) == [good]
    assert len(problems) == 1
    assert load(store, tmp_path, HELLO, "bad") == bad
    assert store.find("bad") == bad


def test_a_damaged_image_can_be_pruned(store: ImageStore, tmp_path: Path) -> None:
    bad = load(store, tmp_path, HELLO, "bad")
    (bad.disk.parent / "image.json").write_text("{}")
    assert store.prune(nobody) == []
    assert [item.name for item in store.prune(nobody, everything=True)] == ["docker.io/library/bad:latest"]
    assert store.list() == []


def test_a_damaged_index_of_names_prunes_nothing(store: ImageStore, tmp_path: Path) -> None:
    image = load(store, tmp_path, HELLO, "app")
    index = tmp_path / "store/names.json"
    for content in ("{", '{"version": 1, "names": {"app": {"digest": 3}}}'):
        index.write_text(content)
        with pytest.raises(ImageError, match=r"names\.json is damaged") as caught:
            store.prune(nobody, everything=True)
        assert "remove it" in str(caught.value.hint)
    index.unlink()
    assert store.find(image.digest) is not None
    assert load(store, tmp_path, HELLO, "app") == image
