"""For all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How long an example takes says nothing on a busy machine; and a checkout may belong to another user.
settings.register_profile("vmpod", database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vmpod")
