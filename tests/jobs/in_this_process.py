"""A cluster of one worker, which is this process: all of the driver, without Ray."""

from lab.jobs.cluster.remote_work import work
from lab.jobs.cluster.tasks import Stopped


class InThisProcess:
    """See `lab.jobs.cluster.connection.Cluster`.

    orders: all that were given. fail_at: the error that is raised instead of the answer with this
    number, counted from 0.
    """

    slots = 1

    def __init__(self, fail_at=None):
        self.orders = []
        self.fail_at = dict(fail_at or {})

    def run(self, orders, is_cancelled=lambda: False):
        for order in orders:
            if is_cancelled():
                raise Stopped
            self.orders.append(order)
            if error := self.fail_at.pop(len(self.orders) - 1, None):
                raise error
            answer = work(order, is_cancelled)
            if is_cancelled():
                raise Stopped
            yield answer

    def warm(self, order, count):
        pass

    def close(self):
        pass
