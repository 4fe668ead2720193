"""The flight recorder: all that tells why a pod is as it is, in one archive that can be given away."""
