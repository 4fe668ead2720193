"""The command reference, made from the commands themselves: docs/cli.md and the manual pages docs/man/*.1.

`python -m vmpod.cli.reference` writes both; a test fails while they are not what it would write.
"""
