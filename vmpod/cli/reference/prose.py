"""What is true of every command, and so is said once."""

from __future__ import annotations

from collections.abc import Iterator

from vmpod.dataclass import dataclass

EXIT_STATUS_ELSEWHERE = "0 if all went well, 125 if vmpod itself failed; vmpod(1) has the others."

# Paragraphs, and lists of terms: a line with a term begins with '- ', its explanation follows ' :: '.
_TEXT = """\
# Exit status

- 0 :: All went well, for every argument.
- 124 :: A `--timeout` is over.
- 125 :: vmpod itself failed, for at least one argument; stderr says why.
- 126 :: `exec`: the command cannot be executed.
- 127 :: `exec`: there is no such command in the container.
- 130 :: Interrupted by Ctrl-C; 129 and 143 after SIGHUP and SIGTERM.
- other :: `run` and `exec`: the container's or command's own.

Data is written to stdout; progress, notes and errors to stderr. Off a terminal nothing is coloured, asked or
written over.

# Names

A pod is called NAME, or NAMESPACE/NAME if it is not in the namespace `default`. An image is called by its
name, as `docker.io/library/nginx:1.27` or short `nginx`, by its digest, or by the first digits of that.

# Output

Every listing takes the same options:

- -o json, -o yaml :: Objects with `apiVersion` and `kind`. Pods are v1 Pods as Kubernetes has them;
  `docs/schemas` has JSON Schemas of all other kinds. One named pod is an object, else there is a list with
  `items`.
- -o name :: One name a line, as other commands take it.
- -o wide :: The table with more columns.
- -o jsonpath=TEMPLATE :: kubectl's template language over the JSON object: `{.a.b}`, `['a.b']`, `[0]`,
  `[-1]`, `[0:3]`, `[0,2]`, `[*]`, `.*`, `..a`, `[?(@.a=="b")]` with `== != < <= > >=`,
  `{range .items[*]}...{end}`, `{"\\n"}`. What is not there gives nothing. No newline is added.
- -q :: Names or ids only.
- -l SELECTOR :: kubectl's label selectors: `a=b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`; a comma
  means 'and'.
- --filter KEY=VALUE :: Repeated: any of the values of one key, and all keys; of `label` all values. Each
  command tells its keys.

# Environment

- VMPOD_HOME :: One directory for everything that vmpod keeps, in place of those of the XDG Base Directory
  Specification (for root: `/var/lib/vmpod` and `/run/vmpod`).
- VMPOD_DEBUG :: Say on stderr what is being done, as `--debug`.
- VMPOD_DEBIAN_MIRROR :: The mirror that the guest image is built from.
- VMPOD_MAX_IMAGE_SIZE :: How large the files of an image may be, unpacked.
- REGISTRY_AUTH_FILE, HTTP_PROXY, HTTPS_PROXY, NO_PROXY :: As skopeo, which fetches images, has them.

Options that have a variable of their own are told with it; the option wins over the variable.
"""

Block = str | list[tuple[str, str]]
"""A paragraph, or terms with their explanations."""


@dataclass(frozen=True)
class Section:
    """A part of the reference."""

    title: str
    blocks: list[Block]


def _sections() -> Iterator[Section]:
    for part in _TEXT.split("# ")[1:]:
        title, _, text = part.partition("\n")
        yield Section(title, [_block(block) for block in text.strip().split("\n\n")])


def _block(text: str) -> Block:
    if not text.startswith("- "):
        return " ".join(text.split())
    items = (" ".join(item.split()) for item in text.removeprefix("- ").split("\n- "))
    return [(term, explanation) for term, _, explanation in (item.partition(" :: ") for item in items)]


SECTIONS = tuple(_sections())
