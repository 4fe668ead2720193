"""What a run needs of the host: looked at, told in the user's words, with what mends it."""
