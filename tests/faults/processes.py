"""Other processes that use a store, and can be stopped and killed."""

import contextlib
import os
import signal
import subprocess
import sys

# Does what each line says, and answers in one line.
_SERVING = """
import os, sys, time
import lab
from lab.store.store import Store
store = Store(sys.argv[1])
def error_of(action, *given):
    try: action(*given)
    except lab.LabError as error: return type(error).__name__
print("ready", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


class Other:
    """A process that runs lines of Python over `store`."""

    def __init__(self, folder, program=_SERVING):
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.pid = self.process.pid
        assert self.answer() == "ready"

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self):
        return self.process.stdout.readline().strip()

    def do(self, line):
        self.tell(line)
        assert self.answer() == "done"

    def hold(self):
        """Be in the middle of a transaction, and stop there."""
        self.tell(
            "with store.catalog.transaction(): print('open', flush=True); "
            "os.kill(os.getpid(), 19); time.sleep(0.05)"
        )
        assert self.answer() == "open"
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def go_on(self):
        os.kill(self.pid, signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait(20)


@contextlib.contextmanager
def other(folder, *program):
    one = Other(folder, *program)
    try:
        yield one
    finally:
        one.kill()
        for pipe in (one.process.stdin, one.process.stdout, one.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
