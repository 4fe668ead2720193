"""Container images: names, pulls, the local store, and their conversion into read-only disks."""
