"""What the commands do: plans carried out, and undone where they fail."""
