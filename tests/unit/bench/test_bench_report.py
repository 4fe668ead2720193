"""What the benchmarks make of their figures: verdicts, tables, and a page that holds them."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench import report
from bench.__main__ import PROGRAMS
from bench.figures import PHASES, TARGETS, Figures, largest, load, verdicts

START = {"F": [2.0, 1.0, 3.0], "warm, first byte": [0.4, 0.5, 0.6], "cold, first byte": [3.1, 3.2, 3.0]}


def figures(**taken: list[float]) -> Figures:
    return Figures(
        "2 x fast, load 0.1", "tcg", {name.replace("_", " "): values for name, values in taken.items()}
    )


def words(**every: dict[str, list[float]]) -> dict[str, str]:
    found = verdicts({name: figures(**taken) for name, taken in every.items()})
    return {verdict.target.mark: f"{verdict.word} {verdict.measured}".strip() for verdict in found}


def test_medians_are_held_against_the_limits() -> None:
    told = words(start=START, exec={"command": [0.1, 0.2, 0.11], "vmpod --help": [0.04, 0.04, 0.09]})
    assert told["0.25 F"] == "pass 0.25"
    assert told["1.5 F"] == "miss 1.55"
    assert told["--help + 60 ms"] == "miss 70 ms"


def test_what_was_not_measured_neither_passes_nor_misses() -> None:
    told = words(start={"F": [2.0], "cold, first byte": [3.0]})
    assert told["1.5 F"] == "pass 1.5"
    assert told["0.25 F"] == told["0.4 F"] == "not measured"


def test_a_limit_is_drawn_where_it_is() -> None:
    exec_ = next(target for target in TARGETS if target.difference)
    assert exec_.bound({exec_.under: [0.04]}) == pytest.approx(0.1)
    assert exec_.bound({}) is None
    drawn = report.chart("start", figures(**START))
    assert drawn is not None
    assert all(mark in drawn for mark in ("0.25 F", "1.5 F"))
    ET.fromstring(drawn)


def test_a_chart_shows_no_processor_time() -> None:
    drawn = report.chart("start", figures(**START, **{"F, QEMU's CPU": [1.0]}))
    assert drawn is not None
    assert "CPU" not in drawn


def test_a_table_tells_median_and_spread_with_units() -> None:
    assert "| F | 2.00 s | 1.00 to 3.00 |" in report.table("start", figures(**START))
    channel = report.table("channel", figures(**{"exec in": [57.7], "exec in, QEMU's CPU": [1.9]}))
    assert "| exec in | 57.7 MB/s |" in channel
    assert "| exec in, QEMU's CPU | 1.90 s for 100 MB |" in channel


def test_a_block_names_the_machine_and_the_largest_parts() -> None:
    taken = {f"warm, {name}": [float(index)] for index, name in enumerate(PHASES)}
    block = report.block("profile", figures(**taken))
    assert block.startswith("2 x fast, load 0.1, emulation (tcg), 1 rounds:")
    assert "(plots/profile.svg)" in block
    assert "warm start: *guest* 4.00 s (40%), *monitor* 3.00 s (30%), *QEMU* 2.00 s (20%)." in block
    assert largest(taken, "warm")[-1] == ("command", 0.0, 0.0)


def test_only_the_blocks_that_are_new_are_replaced() -> None:
    page = "a\n<!-- figures: x -->\nold\n<!-- /figures -->\nb\n<!-- figures: y -->\nkept\n<!-- /figures -->\n"
    new = report.filled(page, {"x": "new \\1\n", "z": "nowhere"})
    assert new == page.replace("old", "new \\1")
    assert report.filled(new, {"x": "new \\1\n"}) == new


def test_a_page_with_charts_is_written(tmp_path: Path) -> None:
    read = tmp_path / "figures"
    read.mkdir()
    (read / "start.json").write_text(json.dumps({"machine": "m", "accelerator": "kvm", "taken": START}))
    report.write(load(read), tmp_path / "out")
    page = (tmp_path / "out/README.md").read_text()
    assert "m, KVM, 3 rounds:" in page
    assert "| 1.5 | 1.55 | miss |" in page
    assert [path.name for path in (tmp_path / "out/plots").iterdir()] == ["start.svg"]


def test_the_page_has_a_place_for_every_program() -> None:
    page = report.PAGE.read_text()
    for name in ("targets", *PROGRAMS):
        assert page.count(f"<!-- figures: {name} -->") == 1, name
    assert {target.program for target in TARGETS} | set(report.CHARTS) <= set(PROGRAMS)
    assert all((report.PAGE.parent / f"{name}.py").stat().st_mode & 0o100 for name in PROGRAMS)


def test_what_is_published_is_what_the_page_says() -> None:
    kept = report.PAGE.parent / "results"
    every = load(kept)
    blocks = {program: report.block(program, found) for program, found in every.items()}
    blocks["targets"] = report.targets(verdicts(every))
    page = report.PAGE.read_text()
    assert report.filled(page, blocks) == page, "bench/report.py bench/results --into bench"
    for program, found in every.items():
        if drawn := report.chart(program, found):
            assert (report.PAGE.parent / f"plots/{program}.svg").read_text() == drawn
