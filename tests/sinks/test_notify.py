"""Messages to people, by a real mail server and a web server of this machine."""

import base64
import email
import re
import socketserver
import threading
from contextlib import contextmanager, suppress

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from lab.errors import LabError, SettingError
from lab.sinks.notify import NotifySink
from lab.sinks.sink import SinkRefused
from tests.peers.programs import free_port
from tests.peers.web import Reply, in_turn, serving
from tests.recordings import make_event

SECRET = "hunter2-planted"


def json_url(server):
    return server.url.replace("http", "json") + "/"


class Mailbox:
    def __init__(self):
        self.messages = []

    async def handle_DATA(self, server, session, envelope):
        self.messages.append(email.message_from_bytes(envelope.content))
        return "250 OK"


@pytest.fixture
def mail():
    """Its mailbox, and the address of a server that knows only `lab` and the right password."""

    def known(server, session, envelope, mechanism, login):
        return AuthResult(success=login.password == b"right", handled=False)

    box, port = Mailbox(), free_port()
    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=port,
        authenticator=known,
        auth_required=True,
        auth_require_tls=False,
    )
    controller.start()
    yield box, f"127.0.0.1:{port}/?from=lab@example.org&to=me@example.org"
    controller.stop()


@pytest.fixture
def collector():
    with serving() as made:
        yield made


def test_a_mail_has_the_words_and_the_picture(mail):
    box, server = mail
    body = "{label} {what} at {feed}, {date}, {duration}, {confidence} ({id})"
    with NotifySink(urls=f"mailto://lab:right@{server}", title="{label}!", body=body) as sink:
        sink.deliver(make_event("alerted", picture_jpeg=b"\xff\xd8with boxes", label="{id} <b>"))
    (message,) = box.messages
    assert "{id} <b>!" in message["Subject"]
    parts = {part.get_content_type(): part for part in message.walk()}
    assert parts["image/jpeg"].get_payload(decode=True) == b"\xff\xd8with boxes"
    assert parts["image/jpeg"].get_filename() == "0011223344556677.jpg"
    words = next(p for kind, p in parts.items() if kind.startswith("text/"))
    text = words.get_payload(decode=True).decode()
    assert re.search(r"seen at Pond, 2026-05-04, 2 s, 0\.75 \(0011223344556677\)", text)


def test_a_wrong_password_is_not_shown_and_is_tried_again(mail, caplog):
    box, server = mail
    sink = NotifySink(urls=[f"mailto://lab:{SECRET}@{server}"])
    with sink, pytest.raises(LabError) as refused:
        sink.deliver(make_event("alerted"))
    assert type(refused.value) is LabError
    assert "urls[0] (E-Mail)" in str(refused.value)
    assert SECRET not in str(refused.value) + repr(sink) + caplog.text
    assert not box.messages


def test_only_chosen_events_are_told(collector):
    with NotifySink(urls=json_url(collector)) as sink:
        for kind in ("opened", "updated", "alerted", "closed"):
            sink.deliver(make_event(kind, picture_jpeg=b"with boxes", plain_jpeg=b"plain"))
    (body,) = [one.json() for one in collector.asked]
    assert body["title"] == "otter at Pond"
    assert body["message"].startswith("otter at Pond: seen, 2026-05-04")
    (picture,) = body["attachments"]
    assert base64.b64decode(picture["base64"]) == b"with boxes"
    both = NotifySink(urls=json_url(collector), events=["opened", "closed"], picture="plain")
    for kind in ("opened", "alerted", "closed"):
        both.deliver(make_event(kind, plain_jpeg=b"plain"))
    assert [one.json()["message"].split(",")[0] for one in collector.asked[1:]] == [
        "otter at Pond: has come",
        "otter at Pond: has gone",
    ]


def test_who_was_told_is_not_told_again_when_another_one_failed(collector):
    with serving(in_turn(Reply(500))) as other:
        urls = [f"{json_url(one)}{SECRET}" for one in (collector, other)]
        with NotifySink(urls=urls) as sink:
            with pytest.raises(LabError, match=r"^urls\[1\] \(JSON\) refused it: 500$"):
                sink.deliver(make_event("alerted"))
            sink.deliver(make_event("alerted"))
        assert [len(one.asked) for one in (collector, other)] == [1, 2]


def test_what_will_never_be_taken_is_given_up(collector):
    collector.answer = in_turn(Reply(413))
    sink = NotifySink(urls=json_url(collector))
    with sink, pytest.raises(SinkRefused, match="refused it: 413"):
        sink.deliver(make_event("alerted"))


def test_silence_ends_in_time(collector):
    collector.answer = lambda request: Reply(is_silent=True)
    url = json_url(collector).replace("://", f"://me:{SECRET}@")
    with NotifySink(urls=url, timeout_s=0.3) as sink, pytest.raises(LabError) as raised:
        sink.deliver(make_event("alerted"))
    assert str(raised.value) == "urls[0] (JSON) could not be reached, or refused it"


@pytest.mark.long
def test_a_mail_server_that_hangs_after_the_message_is_left_and_tried_again():
    with hanging_after_data() as (port, messages):
        url = f"mailto://127.0.0.1:{port}/?from=lab@example.org&to=me@example.org"
        with NotifySink(urls=url, timeout_s=0.3) as sink:
            for _ in range(2):
                with pytest.raises(LabError, match=r"^urls\[0\] \(E-Mail\) could not be reached"):
                    sink.deliver(make_event("alerted"))
    assert len(messages) == 2


@contextmanager
def hanging_after_data():
    """Takes a message, and never says so."""
    messages, over = [], threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"220 here\r\n")
            with suppress(OSError):
                while line := self.rfile.readline():
                    if line.strip().upper() != b"DATA":
                        self.wfile.write(b"250 fine\r\n")
                        continue
                    self.wfile.write(b"354 go on\r\n")
                    while self.rfile.readline() not in (b".\r\n", b""):
                        pass
                    messages.append(1)
                    over.wait()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1], messages
        over.set()
        server.shutdown()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"urls": ["nothing://hunter2-planted"]}, r"urls\[0\] is no .*begins with nothing://"),
        ({"urls": ["hunter2-planted"]}, r"urls\[0\] is no address .*it has no ://"),
        ({"urls": []}, "urls must be a list"),
        ({"urls": [""]}, r"urls\[0\] must be a text"),
        ({"events": "seen"}, "unknown event 'seen'"),
        ({"title": "{lable}"}, r"title: unknown field \{lable\}; known: \{label\}"),
        ({"picture": "yes"}, "picture must be one of boxes, plain, none"),
    ],
)
def test_bad_settings_are_refused_at_once(settings, words, caplog):
    with pytest.raises(SettingError, match=words) as refused:
        NotifySink(**{"urls": "json://127.0.0.1/", **settings})
    assert SECRET not in str(refused.value) + caplog.text
