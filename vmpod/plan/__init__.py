"""Decisions: from a checked manifest to a plan of machine, disks, network and boot document. Pure."""
