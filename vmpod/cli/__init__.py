"""The command line: options, one call into the runtime, and rendering."""
