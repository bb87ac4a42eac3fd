"""The port of a service of its own: what its connections may hold."""

import asyncio
import socket
import time

import pytest

from lab.app.server import serving
from lab.app.server.serving import bound

SOON_S = 60


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="is of Linux")
def test_a_connection_whose_client_reads_nothing_is_broken_off(monkeypatch):
    monkeypatch.setattr(serving, "UNREAD_S", 1)
    with bound("127.0.0.1", 0) as at, socket.socket() as client:
        at.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(at.socket.getsockname())
        server, _ = at.socket.accept()
        with server:
            server.setblocking(False)
            end = time.monotonic() + SOON_S
            with pytest.raises(TimeoutError):  # as the system says it, ETIMEDOUT
                while time.monotonic() < end:
                    try:
                        server.send(b"x" * 4096)
                    except BlockingIOError:
                        time.sleep(0.02)


def test_an_answer_in_two_pieces_is_sent_at_once():
    """Else its body waits for the acknowledgement of its head, 40 ms in many systems."""

    async def asked(at):
        sent_at_once = asyncio.get_running_loop().create_future()

        def take(reader, writer):
            one = writer.get_extra_info("socket")
            sent_at_once.set_result(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(take, sock=at.socket):
            with socket.create_connection(at.socket.getsockname()):
                return await asyncio.wait_for(sent_at_once, SOON_S)

    with bound("127.0.0.1", 0) as at:
        assert asyncio.run(asked(at))
