"""Frozen machines on this host: templates, which have no pod yet."""
