"""Whether KVM runs a guest: QEMU is a shell script here, which behaves as QEMU was seen to."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace

import pytest

from tests.unit.doctor.hosts import QEMU, Place
from vmpod.doctor.trial import Trial, attempt
from vmpod.doctor.watch import Limits
from vmpod.errors import MissingProgramError
from vmpod.guestimage.store import GuestStore
from vmpod.hypervisor.verdict import Verdict, Verdicts

PANIC = "Kernel panic - not syncing:"
SPIN = "while :; do :; done"
LONG = Limits(computing=60, silent=60, whole=60)
COMPUTING = replace(LONG, computing=0.2)
SILENT = replace(LONG, silent=0.5)
WHOLE = replace(LONG, whole=0.5)
RUNS = 'echo "vmpod-trial: user space runs"; exec sleep 100'


@pytest.mark.parametrize(
    ("script", "limits", "runs", "told"),
    [
        (RUNS, LONG, True, "a guest ran"),
        (f"echo '{PANIC} no init'; exec sleep 100", LONG, False, "kernel panicked: no init"),
        (f"printf '{PANIC} \\033[31mred\\n'; exec sleep 100", LONG, False, "panicked: ?[31mred"),
        (f"echo '{QEMU}: warning: x' >&2; echo '{QEMU}: error: no MSR' >&2", LONG, False, "ended: no MSR"),
        ("kill -ABRT $$", LONG, False, "QEMU ended, without a word"),
        (SPIN, COMPUTING, False, "it said not a word while QEMU computed for "),
        (f"echo Linux; {SPIN}", COMPUTING, False, "its kernel began, and then said nothing while QEMU "),
        ("exec sleep 100", SILENT, False, "it said not a word for 0."),
        ("while :; do echo word; sleep 0.05; done", WHOLE, False, "it reached no user space in 0.5 s"),
    ],
)
def test_what_becomes_of_a_guest(script: str, limits: Limits, runs: bool, told: str, place: Place) -> None:
    place.program(QEMU, script)
    place.guest_image()
    begin = time.monotonic()
    found = attempt(GuestStore(place.host.paths.guests).describe(), limits)
    assert found.runs is runs
    assert told in found.told
    assert found.sure is (limits is not WHOLE)
    assert time.monotonic() - begin < 30
    assert place.left() == []


@pytest.mark.parametrize(
    "script",
    [
        f"echo '{QEMU}: cannot set up guest memory 'pc.ram': Cannot allocate memory' >&2; exit 1",
        f"echo '{QEMU}: could not load kernel: No such file or directory' >&2; exit 1",
        "kill -KILL $$",
    ],
)
def test_a_qemu_that_lacks_something_else_proves_nothing(script: str, place: Place) -> None:
    place.program(QEMU, script)
    place.guest_image()
    found = attempt(GuestStore(place.host.paths.guests).describe(), LONG)
    assert not found.runs
    assert found.told.startswith("QEMU ended")
    assert not found.sure


def test_what_qemu_is_given(place: Place) -> None:
    place.program(QEMU, f'for word; do echo "$word"; done > {place.top}/words; {RUNS}')
    directory = place.guest_image()
    attempt(GuestStore(place.host.paths.guests).describe(), LONG)
    words = (place.top / "words").read_text().splitlines()
    assert words[words.index("-kernel") + 1] == str(directory / "kernel")
    assert words[words.index("-accel") + 1] == "kvm"
    # As a pod's machine has it, which is where some KVMs fail.
    assert words[words.index("-cpu") + 1] == "host"
    assert words[words.index("-append") + 1] == "console=ttyS0 loglevel=6 earlyprintk=ttyS0"


def test_a_guest_that_gets_no_processor_proves_nothing(place: Place) -> None:
    """It waits for the processor that another process keeps."""
    cpu = str(min(os.sched_getaffinity(0)))
    place.program(QEMU, f"exec taskset -c {cpu} chrt --idle 0 /bin/sh -c '{SPIN}'")
    place.guest_image()
    with subprocess.Popen(["taskset", "-c", cpu, "/bin/sh", "-c", SPIN]) as hog:
        try:
            limits = replace(LONG, silent=1)
            found = attempt(GuestStore(place.host.paths.guests).describe(), limits)
        finally:
            hog.kill()
    assert not found.runs
    assert not found.sure


class Guest:
    """Gives the guest image, and counts how often it was asked for."""

    def __init__(self, place: Place) -> None:
        place.guest_image()
        self.image = GuestStore(place.host.paths.guests).describe()
        self.asked = 0

    def __call__(self) -> object:
        self.asked += 1
        return self.image


@pytest.fixture
def verdicts(place: Place) -> Verdicts:
    device = place.write("dev/kvm", "")
    boot_id = place.write("proc/boot_id", "one\n")
    return Verdicts(place.host.paths.verdict, device=device, boot_id=boot_id)


def test_it_is_tried_once(place: Place, verdicts: Verdicts) -> None:
    place.program(QEMU, f"echo >> {place.top}/runs; {RUNS}")
    guest = Guest(place)
    trial = Trial(verdicts, guest, limits=LONG)  # type: ignore[arg-type] # Guest counts
    assert trial(False) is None
    assert guest.asked == 0
    for _ in range(3):
        found = trial(True)
        assert found
        assert found.runs
    assert trial(False) == found
    assert guest.asked == 1
    assert (place.top / "runs").read_text() == "\n"
    trial(True, fresh=True)
    assert (place.top / "runs").read_text() == "\n\n"


def test_without_a_guest_image_nothing_is_known(place: Place, verdicts: Verdicts) -> None:
    place.program(QEMU, RUNS)
    assert Trial(verdicts, lambda: None)(True) is None


def test_without_qemu_no_guest_image_is_built(place: Place, verdicts: Verdicts) -> None:
    guest = Guest(place)
    with pytest.raises(MissingProgramError, match=QEMU):
        Trial(verdicts, guest)(True)  # type: ignore[arg-type] # Guest counts
    assert guest.asked == 0


# What is remembered.

NO = Verdict(False, "QEMU ended", 0.25)


def test_a_verdict_is_remembered(place: Place, verdicts: Verdicts) -> None:
    place.program(QEMU)
    assert verdicts.recall() is None
    verdicts.keep(NO)
    assert verdicts.recall() == NO


@pytest.mark.parametrize("change", ["boot", "qemu", "device", "gone"])
def test_a_verdict_ends_with_what_it_depends_on(change: str, place: Place, verdicts: Verdicts) -> None:
    program = place.program(QEMU)
    verdicts.keep(NO)
    if change == "boot":
        place.write("proc/boot_id", "two\n")
    elif change == "qemu":
        program.write_text("#!/bin/sh\nexit 1 # another build\n")
    elif change == "device":
        (place.top / "dev/kvm").chmod(0o600)
    else:
        program.unlink()
    assert verdicts.recall() is None


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"key": 1}', "{}", '{"runs": 1}', "\xff"],
)
def test_a_damaged_verdict_is_none(content: str, place: Place, verdicts: Verdicts) -> None:
    place.program(QEMU)
    verdicts.keep(NO)
    place.host.paths.verdict.write_bytes(content.encode("latin-1"))
    assert verdicts.recall() is None


def test_a_verdict_of_other_types_is_none(place: Place, verdicts: Verdicts) -> None:
    place.program(QEMU)
    verdicts.keep(Verdict("yes", "x", 1.0))  # type: ignore[arg-type] # on purpose
    assert verdicts.recall() is None


def test_an_unsure_verdict_is_not_kept(place: Place, verdicts: Verdicts) -> None:
    place.program(QEMU)
    verdicts.keep(Verdict(False, "slow", 1.0, sure=False))
    assert not place.host.paths.verdict.exists()


def test_a_verdict_that_cannot_be_written_is_no_failure(place: Place, verdicts: Verdicts) -> None:
    place.program(QEMU)
    place.write("data", "a file is in the way")
    verdicts.keep(NO)
    assert verdicts.recall() is None
