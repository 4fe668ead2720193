"""Kubernetes manifests as typed, checked objects: what the user wrote, before any decision is made."""
