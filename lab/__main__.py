"""`python -m lab`."""

import sys

from lab.app.cli.main import main

sys.exit(main())
