"""vmpod runs a Kubernetes Pod as one lightweight virtual machine.

ARCHITECTURE.md at the top of the source tree says how the parts fit together.
"""

__version__ = "0.1.0"
