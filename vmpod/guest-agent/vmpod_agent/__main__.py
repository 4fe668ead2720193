"""`python -m vmpod_agent`, as PID 1."""

from vmpod_agent.main import main

main()
