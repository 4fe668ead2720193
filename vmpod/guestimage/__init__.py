"""The guest image: the kernel and root filesystem that every machine boots, built from `images/`."""
