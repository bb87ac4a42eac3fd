"""`python -m lab`."""

import sys

from lab.app.cli.main import run

sys.exit(run())
