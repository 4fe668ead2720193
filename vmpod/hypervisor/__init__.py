"""Virtual machines: one small protocol, libvirt behind it."""
