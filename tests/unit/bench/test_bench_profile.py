"""What the benchmarks read of others: libvirt's log, Python's import times, the kernel's sums of memory."""

from __future__ import annotations

import pytest

from bench.__main__ import command, parse
from bench.memory import sizes
from bench.profile import phases, read_imports, read_log

LOG = """\
2026-11-25 08:17:23.664+0000: 793: info : libvirt version: 9.0.0, package: 9.0.0-4+deb12u2 (Debian)
2026-11-25 08:17:23.667+0000: 793: error : virCommandWait:2725 : internal error: exit status 1: no file

2026-11-25 08:17:23.697+0000: 793: debug : qemuProcessLaunch:7872 : Handshake complete, child running
2026-11-25 08:17:23.703+0000: 793: info : qemuMonitorSend:861 : QEMU_MONITOR_SEND_MSG: mon=0x3cc7 \
msg={"execute":"qmp_capabilities","id":"libvirt-1"}
 fd=-1
2026-11-25 08:17:23.717+0000: 800: debug : qemuMonitorJSONIOProcessLine:189 : Line [{"QMP": {}}]
2026-11-25 08:17:23.717+0000: 800: info : qemuMonitorIOWrite:366 : QEMU_MONITOR_IO_WRITE: mon=0x3cc7 \
buf={"execute":"qmp_capabilities","id":"libvirt-1"}
 len=49 ret=49 errno=0
2026-11-25 08:17:23.751+0000: 800: debug : qemuMonitorJSONIOProcessLine:189 : Line [{"return": {}, \
"id": "libvirt-1"}]
2026-11-25 08:17:23.751+0000: 800: info : qemuMonitorJSONIOProcessLine:208 : QEMU_MONITOR_RECV_REPLY: \
mon=0x3cc7 reply={"return": {}, "id": "libvirt-1"}
2026-11-25 08:17:23.752+0000: 793: info : qemuMonitorSend:861 : QEMU_MONITOR_SEND_MSG: mon=0x3cc7 \
msg={"execute":"migrate-set-capabilities","arguments":{"capabilities":[]},"id":"libvirt-2"}
 fd=-1
2026-11-25 08:17:23.755+0000: 800: info : qemuMonitorJSONIOProcessLine:208 : QEMU_MONITOR_RECV_REPLY: \
mon=0x3cc7 reply={"return": {}, "id": "libvirt-2"}
"""


def test_a_log_is_taken_apart_into_parts_that_add_up() -> None:
    log = read_log(LOG)
    parts = phases(log.opened - 0.2, log, log.last + 3)
    expected = {"command": 0.2, "libvirt": 0.033, "QEMU": 0.054, "monitor": 0.004, "guest": 3.0}
    assert parts == pytest.approx(expected, abs=0.0005)
    assert sum(parts.values()) == pytest.approx(3.2 + log.last - log.opened)


def test_round_trips_are_told_by_command_without_the_first() -> None:
    ((name, seconds),) = read_log(LOG).trips
    assert name == "migrate-set-capabilities"
    assert seconds == pytest.approx(0.003, abs=0.0005)


@pytest.mark.parametrize(
    "text", ["", LOG.partition("Handshake")[0], LOG.partition("info : qemuMonitorSend")[0]]
)
def test_half_a_log_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not of a whole start"):
        read_log(text)


def test_imports_are_summed_by_package_without_what_they_import() -> None:
    text = """\
import time: self [us] | cumulative | imported package
import time:       100 |        100 |   vmpod.cli.options
import time:        20 |        120 | vmpod.cli
a word of the command itself
import time:         7 |          7 |       click
"""
    assert read_imports(text) == {"vmpod.cli": 120, "click": 7}


def test_memory_is_what_no_other_maps_and_a_part_of_the_rest() -> None:
    rollup = """\
55d0c8a00000-7ffd6e5f0000 ---p 00000000 00:00 0                          [rollup]
Rss:              300000 kB
Pss:              150000 kB
Pss_Dirty:        100000 kB
Shared_Clean:      90000 kB
Private_Clean:      1000 kB
Private_Dirty:     99000 kB
"""
    private, proportional = sizes(rollup)
    assert private == pytest.approx(102.4)
    assert proportional == pytest.approx(153.6)


def test_a_quick_run_measures_less(capsys: pytest.CaptureFixture[str]) -> None:
    whole, quick = command("memory", parse([])), command("memory", parse(["--quick"]))
    rounds = [int(words[words.index("--rounds") + 1]) for words in (whole, quick)]
    assert rounds[1] < rounds[0]
    assert "--settle" in quick
    assert command("memory", parse(["--quick", "--rounds", "9"]))[3] == "9"
    with pytest.raises(SystemExit):
        parse(["nothing"])
    assert "there is no program nothing" in capsys.readouterr().err
