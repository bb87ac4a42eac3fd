"""Whatever is said on `/ws/live`, each message is answered, and the server goes on."""

import asyncio
import json
from contextlib import suppress

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect

from lab.app.server.live_results.routes import MAX_MESSAGE_BYTES, MOST_ERRORS
from lab.app.server.state import AppState
from lab.config import Config
from lab.limits import Limits
from tests.app.live_server import following, served
from tests.builders import make_run, scores_of
from tests.guarded import BEARER
from tests.random_examples import examples

COUNT = 1000
TYPES = {"subscribed", "unsubscribed", "pong", "recent_analysis", "error", "state", "skipped"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("live"), scores_of(9, [(2, 4)]))


@pytest.fixture(scope="module")
def address(run):
    limits = Limits(max_clients=COUNT + 10, max_clients_per_token=COUNT + 10, max_subscriptions=2)
    made = AppState(Config(store=run.store.folder, limits=limits))
    with served(made) as found:
        yield found
    made.close()


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner)
)
IDS = st.sampled_from(["RUN", "none", "..", "a/b", "", "\0", "x" * 300]) | VALUES
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["subscribe", "unsubscribe", "ping"]) | VALUES,
        "run_id": IDS,
        "feed_id": IDS,
        "ref": VALUES,
        "more": VALUES,
    },
)
SAID = st.one_of(
    MESSAGES.map(json.dumps),
    VALUES.map(json.dumps),
    st.text(max_size=200),
    st.binary(max_size=200),
    st.sampled_from(["[" * 3000, '{"type":' * 400, '{"type": "ping", "ref": 1e999}']),
).filter(lambda said: len(said if isinstance(said, bytes) else said.encode()) < MAX_MESSAGE_BYTES)


@pytest.fixture(scope="module")
def client(address):
    with following(address) as made:
        yield made


@examples(60)
@given(said=SAID)
def test_every_message_is_answered(client, run, said):
    is_text = isinstance(said, str)
    client.socket.send(said.replace("RUN", run.run_id) if is_text else said)
    client.say("ping", ref="the end")
    answers = []
    while not answers or answers[-1].get("ref") != "the end":
        answers.append(client.hear())
    assert len(answers) >= 2
    assert {one["type"] for one in answers} <= TYPES
    for one in answers[:-1]:
        assert one["type"] != "error" or (one["code"] and 0 < len(one["detail"]) < 1000)


@pytest.mark.long
@settings(examples(40), phases=[Phase.generate])
@given(said=st.lists(SAID, min_size=1, max_size=2 * MOST_ERRORS))
def test_any_conversation_ends_in_order_or_with_the_code_for_too_many_errors(address, run, said):
    from websockets.exceptions import ConnectionClosed

    with following(address) as one:
        with suppress(ConnectionClosed):
            for each in said:
                is_text = isinstance(each, str)
                one.socket.send(each.replace("RUN", run.run_id) if is_text else each)
            one.say("ping", ref="the end")
            while one.hear().get("ref") != "the end":
                pass
        assert one.socket.close_code in (None, 4400)
        assert {said["type"] for said in one.heard} <= TYPES


@pytest.mark.long
def test_a_thousand_clients_are_told_all_of_a_run_that_grows(address, run):
    from lab.frame import FrameStamp
    from lab.score_log.writer import ScoreLogWriter
    from tests.builders import make_detections

    async def follow(began, counts):
        async with connect(address, additional_headers=BEARER, open_timeout=120) as socket:
            await socket.send(json.dumps({"type": "subscribe", "run_id": run.run_id}))
            last = None
            async for text in socket:
                said = json.loads(text)
                if said["type"] == "subscribed":
                    began.release()
                for sample in said.get("samples", ()):
                    assert last is None or sample["frame_index"] == last + 1
                    last = sample["frame_index"]
                    if last == 199:
                        counts.append(1)
                        return

    def write():
        folder = run.store.log_folder(run.run_id)
        with ScoreLogWriter(folder, {}, is_durable=False) as log:
            for number in range(9, 200):
                found = make_detections(("x", 0.5, (1, 2, 3, 4)))
                log.add(FrameStamp(number, 1_800_000 + number, 0.0), found)
                if number % 10 == 9:
                    log.flush()

    async def all_of_them():
        began, counts = asyncio.Semaphore(0), []
        following = [asyncio.create_task(follow(began, counts)) for _ in range(COUNT)]
        for _ in range(COUNT):
            await began.acquire()
        await asyncio.to_thread(write)
        async with asyncio.timeout(300):
            await asyncio.gather(*following)
        return len(counts)

    assert asyncio.run(all_of_them()) == COUNT
    with following(address) as late:
        late.say("ping")
        assert late.hear()["type"] == "pong"
