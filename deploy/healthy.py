"""Whether what runs in this container answers: exit code 0 or 1. An argument is another address."""

import os
import sys
import urllib.request

address = f"http://127.0.0.1:{os.environ.get('LAB_PORT', '8501')}/livez"
try:
    urllib.request.urlopen(sys.argv[1] if len(sys.argv) > 1 else address, timeout=8).close()
except OSError as error:
    sys.exit(f"it does not answer: {error}")
