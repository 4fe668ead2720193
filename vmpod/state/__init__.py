"""Pods on disk: what they are, what happened in them, and what state follows from that."""
