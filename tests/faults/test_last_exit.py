"""A command that ends while threads of it still wait: its exit code, and what it leaves to say."""

import subprocess
import sys

import pytest

LEFT = """
import atexit, sys, threading, time
import duckdb
from lab.app.cli.last_exit import end_at_once_with_threads

def command():
    global connection
    atexit.register(print, "the others were done")
    connection = duckdb.connect()
    connection.execute("SELECT ?", [1]).fetchall()
    if sys.argv[1] == "waits":
        threading.Thread(target=lambda: time.sleep(600), daemon=True).start()
    print("told", end="")  # still to be written
    if sys.argv[2] == "exits":
        sys.exit(int(sys.argv[3]))
    if sys.argv[2] == "fails":
        raise RuntimeError("no reason")
    return int(sys.argv[3])

sys.exit(end_at_once_with_threads(command))
"""


@pytest.mark.parametrize("threads", ["waits", "none"])
@pytest.mark.parametrize(
    ("how", "given", "code"),
    [("returns", 0, 0), ("returns", 3, 3), ("exits", 4, 4), ("fails", 0, 1)],
)
def test_the_exit_code_stays_all_is_written_and_nothing_is_said_of_leaks(threads, how, given, code):
    command = [sys.executable, "-c", LEFT, threads, how, str(given)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert done.stdout == "toldthe others were done\n"
    assert "leaked" not in done.stderr
    assert ("RuntimeError: no reason" in done.stderr) == (how == "fails")
