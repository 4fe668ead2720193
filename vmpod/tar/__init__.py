"""Tar streams, read with suspicion and written."""
