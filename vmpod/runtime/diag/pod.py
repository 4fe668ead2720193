"""The parts that the host knows of a pod: its manifest and plan, what happened, and what it wrote."""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from vmpod.dataclass import dataclass
from vmpod.runtime.context import Runtime
from vmpod.runtime.diag.archive import Archive, MissingError, Text
from vmpod.runtime.diag.files import LIMIT, tail, without_beginning
from vmpod.runtime.diag.known import Known
from vmpod.runtime.diag.redact import document
from vmpod.runtime.diag.subject import Subject
from vmpod.spec.model import Manifest
from vmpod.state.store import PodEntry
from vmpod.state.timeline import FILE as TIMELINE

_EVENTS = 5000
_ENTRIES = 2_000_000  # of a log that is read; a guest may write without end
_WITHHELD = "[withheld]"
_WHY_WITHHELD = "%s; say where they are with --file, or have the logs as they are with --with-logs"


@dataclass(frozen=True)
class PodParts:
    """logs: whether containers' words may be in it. margin: see files.tail().

    file, manifest: see recorder.Options.
    """

    runtime: Runtime
    subject: Subject
    known: Known
    logs: bool
    margin: int
    file: Path | None = None
    manifest: Manifest | None = None

    def collect(self, archive: Archive) -> None:
        """Add all of them."""
        if self.subject.error:
            archive.collect("error.json", self._error)
        if self.subject.failure:
            archive.collect("failed-start.log", partial(tail, self.subject.failure, margin=self.margin))
        archive.collect("pod/manifest.yaml", self._manifest)
        archive.collect("pod/plan.json", self._plan)
        archive.collect("pod/inspect.json", self._inspect)
        archive.collect("pod/events.txt", self._events)
        archive.collect("pod/events.jsonl", self._raw_events)
        timeline = self.subject.directory / TIMELINE
        archive.collect("pod/timeline.json", partial(tail, timeline, margin=0))

    def collect_logs(self, archive: Archive) -> None:
        """Add what the containers wrote, in this run and in the one before."""
        for name in self.subject.entry.record.all_containers if self.subject.entry else ():
            archive.collect(f"containers/{name}.log", partial(self._log, name, previous=False), seconds=30)
            archive.collect(
                f"containers/{name}.previous.log", partial(self._log, name, previous=True), seconds=30
            )

    def _error(self) -> str:
        error = self.subject.error
        assert error
        return _json({"code": error.code, "message": error.message, "hint": error.hint})

    def _manifest(self) -> str:
        import yaml  # noqa: PLC0415 - takes time to import

        record = self.subject.known().record
        found = [document({"apiVersion": "v1", "kind": "Pod"} | dict(record.document))]
        found += [document(dict(each)) for each in record.config]
        return yaml.safe_dump_all(found, sort_keys=False, allow_unicode=True)

    def _plan(self) -> Text:
        from vmpod.plan.show import to_json  # noqa: PLC0415
        from vmpod.runtime.documents import manifest_again  # noqa: PLC0415
        from vmpod.runtime.plan import plan_again  # noqa: PLC0415

        record = self.subject.known().record
        plan = plan_again(self.runtime, record, self.manifest or manifest_again(record, self.file))
        return Text(_json(document(to_json(plan))), "made anew, for the host as it is now")

    def _inspect(self) -> str:
        from vmpod.runtime.inspect import inspect  # noqa: PLC0415

        return _json(document(self._told(inspect(self.runtime, self.subject.known()))))

    def _events(self) -> str:
        from vmpod.runtime.events import all_events  # noqa: PLC0415

        lines = [
            f"{each.moment} {each.kind} {each.reason} {each.container or '-'}"
            f" {each.message if self.logs else _WITHHELD}"
            for each in all_events(self.runtime, self.subject.known())
        ]
        return "\n".join(lines[-_EVENTS:])

    def _raw_events(self) -> str:
        told = deque(self.runtime.pods.events(self.subject.known()), maxlen=_EVENTS)
        lines = [json.dumps({"time": moment, "event": self._told(event)}) for moment, event in told]
        return "\n".join(lines)[-LIMIT:]

    def _told(self, data: Any) -> Any:
        """Without messages, which containers may have written."""
        if self.logs:
            return data
        if isinstance(data, dict):
            return {
                name: _WITHHELD if name == "message" and value else self._told(value)
                for name, value in data.items()
            }
        return [self._told(each) for each in data] if isinstance(data, list) else data

    def _log(self, name: str, *, previous: bool) -> Text:
        if not self.logs:
            raise MissingError(_WHY_WITHHELD % self.known.missing)
        text = "".join(_lines(self.runtime, self.subject.known(), name, previous=previous))
        if not text:
            raise MissingError(
                "nothing was written" if not previous else "there was no such run, or it wrote nothing"
            )
        if len(text) <= LIMIT:
            return Text(text)
        return Text(without_beginning(text[-LIMIT:], self.margin), f"the end of {len(text)} characters")


def _lines(runtime: Runtime, entry: PodEntry, name: str, *, previous: bool) -> Iterator[str]:
    """Whole lines, each with its moment and the stream that it came by."""
    from vmpod.runtime.follow import Selection, output  # noqa: PLC0415

    wanted = Selection(frozenset({name}), previous=previous)
    begun: dict[str, bytearray] = {}
    for each in itertools.islice(output(runtime, entry, wanted), _ENTRIES):
        line = begun.setdefault(each.stream, bytearray())
        line += each.content
        if not each.partial or len(line) > LIMIT:
            yield f"{each.timestamp} {each.stream} {line.decode(errors='replace')}\n"
            line.clear()
    for stream, line in begun.items():
        if line:
            yield f"(unended) {stream} {line.decode(errors='replace')}\n"


def _json(data: Any) -> str:
    return json.dumps(data, indent=1, default=str)
