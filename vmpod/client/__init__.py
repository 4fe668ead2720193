"""The host's end of the channel: sessions with a pod's agent."""
