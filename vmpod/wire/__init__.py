"""The one definition of what host and guest agent say to each other.

Nothing here does I/O, and nothing imports more than the agent can afford: every module that PID 1 loads
delays the pod. That is why there are no dataclasses and no runtime use of `typing` in this package.
docs/protocol.md describes the same for people.
"""

PROTOCOL_VERSION = 1
"""Goes up with every change that an older peer would misread."""

CONTROL_PORTS = 8
"""Virtio-serial ports that carry sessions; each serves one client at a time."""

CONTROL_PORT_NAME = "vmpod.control.{}"

BOOT_DOCUMENT_NAME = "boot.json"
"""File on the boot disk that holds the boot document."""

SHARED_FILE = "file"
"""What the one file of a share is called there that shares a file."""

TEMPLATE = b"vmpod template\n"
"""What a disk begins with that stands in for the boot disk of a machine without a pod.

Where that is to be a template a line of JSON follows: the card (see boot.py) that its copies will have.
"""
