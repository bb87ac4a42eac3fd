"""The command line, by subject; `lab.cli` puts it together."""
