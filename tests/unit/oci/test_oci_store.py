"""The store with images loaded from files: no network, no registry."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.oci.images import MadeImage, docker_archive, member, tar
from vmpod.errors import ConflictError, HostError, ImageError, NotFoundError
from vmpod.oci.model import Image
from vmpod.oci.store import ImageStore
from vmpod.spec.containermodel import PullPolicy

HELLO = MadeImage([tar(member("hello", b"hello"))], {"Cmd": ["/hello"], "Env": ["A=b"], "Labels": {"x": "y"}})
OTHER = MadeImage([tar(member("hello", b"other"))])
ROOT = Path(__file__).parents[3]


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "store")


@pytest.fixture
def no_skopeo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH where skopeo cannot be found, and with it no registry."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sqfstar", "zstd", "setpriv"):
        (tools / tool).symlink_to(f"/usr/bin/{tool}")
    monkeypatch.setenv("PATH", str(tools))


def load(store: ImageStore, tmp_path: Path, image: MadeImage, *names: str) -> Image:
    [loaded] = store.load(docker_archive(tmp_path / "image.tar", image, *names))
    return loaded


def cat(image: Image, path: str) -> bytes:
    argv = ["unsquashfs", "-no-progress", "-quiet", "-cat", str(image.disk), path]
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def test_a_loaded_image_is_a_disk(store: ImageStore, tmp_path: Path) -> None:
    image = load(store, tmp_path, HELLO, "hello:1", "me/hello")
    assert cat(image, "hello") == b"hello"
    assert image.names == ("docker.io/library/hello:1", "docker.io/me/hello:latest")
    assert (image.config.cmd, image.config.env, image.config.labels) == (
        ("/hello",),
        (("A", "b"),),
        {"x": "y"},
    )
    assert image.disk_size == image.disk.stat().st_size
    assert image.disk_size % 4096 == 0
    assert image.created == "2024-01-02T03:04:05Z"
    assert ImageStore(tmp_path / "store").list() == [image]
    assert files(tmp_path / "store/staging") == []


def test_loading_again_gives_another_name(store: ImageStore, tmp_path: Path) -> None:
    first = load(store, tmp_path, HELLO, "one")
    inode = first.disk.stat().st_ino
    second = load(store, tmp_path, HELLO, "two")
    assert second.disk == first.disk
    assert second.disk.stat().st_ino == inode
    assert second.names == ("docker.io/library/one:latest", "docker.io/library/two:latest")


def test_a_name_moves_to_the_image_loaded_last(store: ImageStore, tmp_path: Path) -> None:
    old = load(store, tmp_path, HELLO, "app")
    new = load(store, tmp_path, OTHER, "app")
    found = store.find("app")
    assert found == new
    assert [image.names for image in store.list()] == [new.names, ()]
    assert store.find(old.digest) is not None


@pytest.mark.usefixtures("no_skopeo")
@pytest.mark.parametrize("policy", PullPolicy)
@pytest.mark.parametrize("name", ["localhost/hello", "localhost/hello:latest", "hello"])
def test_a_local_image_needs_no_network(
    store: ImageStore, tmp_path: Path, policy: PullPolicy, name: str
) -> None:
    image = load(store, tmp_path, HELLO, "localhost/hello")
    assert store.ensure(name, policy) == image


@pytest.mark.usefixtures("no_skopeo")
def test_a_local_image_that_is_not_there_is_not_asked_for(store: ImageStore) -> None:
    for policy in PullPolicy:
        with pytest.raises(ImageError, match="localhost/no:latest is not in the local store") as caught:
            store.ensure("localhost/no", policy)
        assert "vmpod image load" in str(caught.value.hint)
    with pytest.raises(ImageError, match="no name at a registry"):
        store.pull("localhost/no")


def test_the_default_registry_s_image_goes_before_a_local_one(store: ImageStore, tmp_path: Path) -> None:
    local = load(store, tmp_path, HELLO, "localhost/app")
    assert store.find("app") == local
    other = load(store, tmp_path, OTHER, "docker.io/library/app")
    assert store.find("app") == other
    assert store.find("localhost/app") == local


@pytest.mark.usefixtures("no_skopeo")
def test_policies_without_a_registry(store: ImageStore, tmp_path: Path) -> None:
    with pytest.raises(
        ImageError, match='ErrImageNeverPull: Container image "app" is not present with pull policy of Never'
    ):
        store.ensure("app", PullPolicy.NEVER)
    image = load(store, tmp_path, HELLO, "app")
    assert store.ensure("app", PullPolicy.NEVER) == image
    assert store.ensure("app", PullPolicy.IF_NOT_PRESENT) == image
    # As in Kubernetes: Always means that the registry must answer.
    with pytest.raises(ImageError, match="skopeo") as caught:
        store.ensure("app", PullPolicy.ALWAYS)
    assert "apt-get install skopeo" in str(caught.value.hint)
    assert "IfNotPresent" in str(caught.value.hint)


def test_an_image_is_found_by_digest_and_id(store: ImageStore, tmp_path: Path) -> None:
    image = load(store, tmp_path, HELLO, "app")
    other = load(store, tmp_path, OTHER, "other")
    for name in (image.digest, image.digest[7:], image.digest[7:19]):
        assert store.find(name) == image
    assert store.find(f"docker.io/library/app@{image.digest}") == image
    assert store.find(f"docker.io/library/app@{other.digest}") is None
    for name in ("", "abc", "no", "sha256:", "UPPER", "0" * 64):
        assert store.find(name) is None


def test_removing_the_last_name_removes_the_disk(store: ImageStore, tmp_path: Path) -> None:
    image = load(store, tmp_path, HELLO, "one", "two")
    store.remove("one")
    assert store.list()[0].names == ("docker.io/library/two:latest",)
    store.remove("two")
    assert store.list() == []
    assert not image.disk.parent.exists()
    assert files(tmp_path / "store/staging") == []
    with pytest.raises(NotFoundError, match="'two'"):
        store.remove("two")


def test_a_short_name_removes_what_it_means(store: ImageStore, tmp_path: Path) -> None:
    load(store, tmp_path, HELLO, "app", "localhost/app")
    store.remove("app")
    assert store.list()[0].names == ("localhost/app:latest",)
    store.remove("app")
    assert store.list() == []


def test_an_image_in_use_stays(store: ImageStore, tmp_path: Path) -> None:
    image = load(store, tmp_path, HELLO, "one", "two")
    store.remove("one", in_use=lambda: {image.digest})
    for name in ("two", image.digest, image.digest[7:20]):
        with pytest.raises(ConflictError, match="in use"):
            store.remove(name, in_use=lambda: {image.digest})
    assert store.find("two") is not None
    store.remove(image.digest[7:20], in_use=lambda: {"sha256:other"})
    assert store.list() == []


def test_a_failed_load_leaves_nothing(store: ImageStore, tmp_path: Path) -> None:
    bad = MadeImage([tar(member("../x", b""))])
    with pytest.raises(ImageError, match="leads upwards"):
        load(store, tmp_path, bad, "bad")
    assert files(tmp_path / "store/staging") == []
    assert files(tmp_path / "store/disks") == []
    assert store.list() == []


def test_a_damaged_index_is_named(store: ImageStore, tmp_path: Path) -> None:
    load(store, tmp_path, HELLO, "app")
    for content in ("{", "[]", '{"version": 1, "names": {"a": {"x": 1}}}', '{"version": 99}'):
        (tmp_path / "store/names.json").write_text(content)
        with pytest.raises(ImageError, match=r"names\.json is damaged"):
            store.find("app")


def test_a_name_whose_disk_is_gone_is_no_image(store: ImageStore, tmp_path: Path) -> None:
    image = load(store, tmp_path, HELLO, "app")
    (image.disk.parent / "image.json").unlink()
    assert store.find("app") is None


BIG = MadeImage([tar(member("big", os.urandom(1 << 20) * 40))])
LOAD_AND_STOP = """
import contextlib, sys, time
from pathlib import Path
from vmpod.oci.store import ImageStore

class Phase:
    def update(self, detail):
        print("converting", flush=True)
        time.sleep(1000)

class Stopping:
    def phase(self, title):
        return contextlib.nullcontext(Phase())

ImageStore(Path(sys.argv[1])).load(Path(sys.argv[2]), Stopping())
"""


def test_whoever_is_killed_leaves_nothing_that_stays(store: ImageStore, tmp_path: Path) -> None:
    path = docker_archive(tmp_path / "big.tar", BIG, "big")
    argv = [sys.executable, "-c", LOAD_AND_STOP, str(tmp_path / "store"), str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout
        assert process.stdout.readline() == b"converting\n"
        assert any(name.endswith("disk.squashfs") for name in files(tmp_path / "store/staging"))
        # Somebody else's work is not in the way, and not disturbed.
        load(store, tmp_path, HELLO, "hello")
        assert any(name.endswith("disk.squashfs") for name in files(tmp_path / "store/staging"))
        process.send_signal(signal.SIGKILL)
    assert [image.names for image in store.list()] == [("docker.io/library/hello:latest",)]
    load(store, tmp_path, OTHER, "other")
    assert files(tmp_path / "store/staging") == []
    assert cat(store.load(path)[0], "big") == BIG.layers[0][512 : 512 + (40 << 20)]


LOAD = """
import sys
from pathlib import Path
from vmpod.oci.store import ImageStore
[image] = ImageStore(Path(sys.argv[1])).load(Path(sys.argv[2]))
print(image.disk.stat().st_ino)
"""


def test_many_at_once_make_one_disk(store: ImageStore, tmp_path: Path) -> None:
    path = docker_archive(tmp_path / "x.tar", HELLO, "x")
    argv = [sys.executable, "-c", LOAD, str(tmp_path / "store"), str(path)]
    started = [subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT) for _ in range(5)]
    inodes = {process.communicate()[0] for process in started}
    assert [process.returncode for process in started] == [0] * 5
    assert len(inodes) == 1
    assert files(tmp_path / "store/staging") == []


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    root = tmp_path / "small"
    root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(root)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small filesystem needs root")
    try:
        store = ImageStore(root / "store")
        noise = MadeImage([tar(member("noise", os.urandom(4 << 20)))])
        with pytest.raises(HostError, match="no space left on the disk that holds") as caught:
            store.load(docker_archive(tmp_path / "noise.tar", noise))
        assert caught.value.hint
        assert files(root / "store/staging") == []
    finally:
        subprocess.run(["umount", str(root)], check=True)
