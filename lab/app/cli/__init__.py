"""The command line, by subject; `lab.app.cli.main` puts it together."""
