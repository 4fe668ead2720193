"""What is alike on every listing: formats, selectors, filters."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import click
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.cli.conftest import Vmpod
from tests.unit.cli.test_cli_command_line import ALL
from tests.unit.state.records import RUNNING, agent, keep, one, record, whole
from vmpod.cli.images import IMAGES
from vmpod.cli.listing import FORMATS, Wanted, select
from vmpod.cli.selector import parse
from vmpod.errors import UsageError
from vmpod.oci.model import Image, ImageConfig
from vmpod.process import Process
from vmpod.state.store import PodStore

LISTINGS = [path for path, command in ALL.items() if any(each.name == "selector" for each in command.params)]


def test_the_listings() -> None:
    assert {"ps", "get", "image ls", "guest ls", "stats", "top"} <= {" ".join(path) for path in LISTINGS}


@pytest.mark.parametrize("path", LISTINGS, ids=" ".join)
def test_every_listing_has_the_same_options(path: tuple[str, ...], vmpod: Vmpod) -> None:
    options = {opt for each in ALL[path].params if isinstance(each, click.Option) for opt in each.opts}
    assert options >= {"-o", "--output", "-l", "--selector", "--filter", "-q", "--quiet"}
    for output in (*FORMATS, "jsonpath={.kind}"):
        result = vmpod(*path, "-o", output)
        assert (result.status, result.err) == (0, ""), output
    listed = json.loads(vmpod(*path, "-o", "json").out)
    assert listed["apiVersion"] in {"v1", "vmpod/v1"}
    assert listed["kind"] == vmpod(*path, "-o", "jsonpath={.kind}").out
    assert listed["items"] == []
    assert yaml.safe_load(vmpod(*path, "-o", "yaml").out) == listed
    assert vmpod(*path, "-q").out == vmpod(*path, "-o", "name").out == ""
    wide, narrow = vmpod(*path, "-o", "wide").out.split(), vmpod(*path).out.split()
    assert wide[: len(narrow)] == narrow
    assert vmpod(*path, "-l", "a=b,c").status == 0


@pytest.mark.parametrize("path", LISTINGS, ids=" ".join)
def test_every_listing_tells_the_filters_it_has(path: tuple[str, ...], vmpod: Vmpod) -> None:
    result = vmpod(*path, "--filter", "colour=red")
    assert (result.status, result.out) == (125, "")
    first, second = result.err.splitlines()
    assert first == "vmpod: there is no filter 'colour' [usage]"
    known = second.strip().removeprefix("the filters here are ").split(", ")
    assert known == sorted(known)
    help_text = vmpod(*path, "--help").out
    if "Filters are those of" not in help_text:
        assert all(name in help_text for name in known)


# Pods.


@pytest.fixture
def three(pods: PodStore) -> PodStore:
    me = Process.of(os.getpid())
    up = [agent(), one("a", RUNNING), one("b", RUNNING), whole("Running", ready=True)]
    spec = {"containers": [{"name": "a", "image": "docker.io/library/nginx:1.25"}]}

    def document(name: str, **labels: str) -> dict[str, object]:
        return {"metadata": {"name": name, "labels": labels}, "spec": spec}

    keep(pods, record("api", qemu=me, document=document("api", app="api", tier="back")), *up)
    keep(pods, record("web", qemu=me, document=document("web", app="web")), *up)
    keep(
        pods,
        record("old", namespace="shop", uid="abc", created="2025-01-01T00:00:00Z", document={}, images=()),
        agent(),
        whole("Succeeded"),
    )
    return pods


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ("", "api shop/old web"),
        ("-l app", "api web"),
        ("-l !app", "shop/old"),
        ("-l app=web", "web"),
        ("-l app!=web", "api shop/old"),
        ("-l app,tier==back", "api"),
        ("-l app=web,tier", ""),
        ("--filter name=^web$", "web"),
        ("--filter name=e", "web"),
        ("--filter name=web --filter name=api", "api web"),
        ("--filter status=running", "api web"),
        ("--filter status=Completed", "shop/old"),
        ("--filter status=succeeded --filter name=web", ""),
        ("--filter label=app", "api web"),
        ("--filter label=app=api", "api"),
        ("--filter label=app=api --filter label=tier=back", "api"),
        ("--filter label=app=web --filter label=tier=back", ""),
        ("--filter id=ab", "shop/old"),
        ("--filter uid=1234", "api web"),
        ("--filter namespace=shop", "shop/old"),
        ("--filter image=000", "api web"),
        ("--filter ancestor=docker.io/library/nginx", "api web"),
        ("--filter ancestor=docker.io/library/nginx:1.25", "api web"),
        ("--filter ancestor=docker.io/library/httpd", ""),
        ("--filter until=2025-06-01T00:00:00Z", "shop/old"),
        ("--filter since=2025-06-01", "api web"),
        ("--filter since=1s", ""),
        ("-l app --filter name=api", "api"),
    ],
)
def test_pods_are_selected(options: str, names: str, three: PodStore, vmpod: Vmpod) -> None:
    words = options.split(" ") if options else []
    assert vmpod("ps", "-aq", *words).out.split() == names.split()
    assert vmpod("get", "-o", "name", *words).out.split() == names.split()
    listed = json.loads(vmpod("get", "-o", "json", *words).out)
    assert len(listed["items"]) == len(names.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name=(", "--filter name=(: "),
        ("until=tomorrow", "'tomorrow' is no "),
        ("since=2026-13-01", "is no moment"),
    ],
)
def test_filters_without_meaning(text: str, words: str, vmpod: Vmpod) -> None:
    result = vmpod("ps", "--filter", text)
    assert (result.status, result.out) == (125, "")
    assert words in result.err


def test_get_of_one_is_an_object_and_of_several_a_list(three: PodStore, vmpod: Vmpod) -> None:
    assert json.loads(vmpod("get", "web", "-o", "json").out)["kind"] == "Pod"
    several = json.loads(vmpod("get", "web", "shop/old", "-o", "json").out)
    assert (several["kind"], several["apiVersion"]) == ("List", "v1")
    assert [item["metadata"]["name"] for item in several["items"]] == ["web", "old"]
    assert vmpod("get", "web", "-o", "jsonpath={.status.phase}").out == "Running"
    assert vmpod("get", "-o", "jsonpath={.items[*].metadata.name}").out == "api old web"
    text = '{range .items[?(@.status.phase=="Running")]}{.metadata.name}{"\\n"}{end}'
    assert vmpod("get", "-o", f"jsonpath={text}").out == "api\nweb\n"


def test_get_shows_the_others_when_one_is_not_there(three: PodStore, vmpod: Vmpod) -> None:
    result = vmpod("get", "web", "gone", "api", "-o", "name")
    assert (result.status, result.out) == (125, "web\napi\n")
    assert "there is no pod 'gone'" in result.err
    assert vmpod("get", "gone", "-o", "json").out == ""


# Images.


def image(digest: str, *names: str, created: str = "", **labels: str) -> Image:
    return Image(
        digest=f"sha256:{digest * 64}",
        names=names,
        config=ImageConfig(labels=labels),
        disk=Path("/disk"),
        disk_size=1024,
        created=created,
    )


IMAGE_LIST = [
    image("a", "docker.io/library/nginx:1.25", created="2026-01-01T00:00:00Z", app="web"),
    image("b", "localhost:5000/team/nginx:2", "localhost/x:1", created="2026-02-01T00:00:00+01:00"),
    image("c", created="2026-03-01T00:00:00.123456789Z"),
]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (["reference=docker.io/library/nginx:1.25"], "a"),
        (["reference=nginx"], "ab"),
        (["reference=nginx:2"], "b"),
        (["reference=team/*"], "b"),
        (["reference=*nginx*"], "ab"),
        (["reference=ngin"], ""),
        (["dangling=true"], "c"),
        (["dangling=false"], "ab"),
        (["label=app"], "a"),
        (["label=app=api"], ""),
        (["id=bbbb"], "b"),
        (["before=localhost/x:1"], "a"),
        (["since=nginx:1.25"], "bc"),
        (["since=aaaa", "dangling=false"], "b"),
        (["until=2026-01-31T23:00:01Z"], "ab"),
    ],
)
def test_images_are_selected(filters: list[str], found: str) -> None:
    chosen = select(IMAGES, IMAGE_LIST, Wanted(filters=tuple(filters)))
    assert "".join(each.digest[-1] for each in chosen) == found
    assert list(select(IMAGES, IMAGE_LIST, Wanted(selector="app=web"))) == IMAGE_LIST[:1]


@pytest.mark.parametrize("text", ["dangling=perhaps", "before=gone", "since=gone", "until=never"])
def test_image_filters_without_meaning(text: str) -> None:
    with pytest.raises(UsageError):
        select(IMAGES, IMAGE_LIST, Wanted(filters=(text,)))


# Selectors.

LABELS = {"app": "web", "tier": "front", "example.com/v": "1.2", "empty": ""}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", True),
        ("app", True),
        ("!app", False),
        ("! gone", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web , tier = front", True),
        ("app!=web", False),
        ("gone!=web", True),
        ("app in (web)", True),
        ("app in (api, web)", True),
        ("app in (api)", False),
        ("gone in (web)", False),
        ("app notin (api,db)", True),
        ("app notin (web)", False),
        ("gone notin (web)", True),
        ("example.com/v=1.2", True),
        ("empty=", True),
        ("app=", False),
        ("in=x", False),
        ("app,tier in (front),!gone", True),
    ],
)
def test_selectors(text: str, fits: bool) -> None:
    assert parse(text)(LABELS) is fits


@pytest.mark.parametrize(
    "text",
    ["=", "app=we b", "app in web", "a b", "app,", ",app", "a in (b", "a=(b)", "a~b", "!", "a in (b c)"],
)
def test_selectors_without_meaning(text: str) -> None:
    with pytest.raises(UsageError, match="has no meaning from character"):
        parse(text)


NAMES = st.sampled_from(["a", "b", "example.com/c"])
TEXTS = st.sampled_from(["", "x", "y-1"])


@given(st.dictionaries(NAMES, TEXTS), st.lists(st.tuples(NAMES, st.sampled_from(["=", "!="]), TEXTS)))
def test_a_comma_means_and(labels: dict[str, str], wanted: list[tuple[str, str, str]]) -> None:
    text = ",".join(map("".join, wanted))
    expected = all((labels.get(name) == value) is (sign == "=") for name, sign, value in wanted)
    assert parse(text)(labels) is expected


@given(st.text(alphabet="ab=!,() in", max_size=40))
def test_any_selector_is_read_or_refused(text: str) -> None:
    with suppress(UsageError):
        parse(text)(LABELS)
