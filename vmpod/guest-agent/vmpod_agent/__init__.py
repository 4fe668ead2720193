"""The guest agent: PID 1 of a pod's machine.

    primitives   one container: container, exec; launch, create, join, mounts, cgroups
    controller   what a kubelet does with several: init order, restarts, stopping (pod)
    plumbing     loop, reaper, ports, journal, sessions with the host

Standard library only, and little of it: every import delays the pod.
"""
