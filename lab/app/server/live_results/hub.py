"""Everything that is followed, and by whom."""

from __future__ import annotations

import asyncio
from typing import Any

from lab.access.asker import Asker
from lab.app.server.live_results.feed_reader import FeedReader
from lab.app.server.live_results.messages import Key
from lab.app.server.live_results.outbox import Outbox
from lab.app.server.live_results.run_reader import RunReader
from lab.app.server.live_results.topic import Reader, Topic
from lab.app.server.live_results.upload_reader import UploadReader
from lab.app.server.state import AppState
from lab.app.server.uploads.upload import Upload
from lab.errors import LabError


class TooManyError(LabError):
    """More than may be followed at once."""


class LiveResults:
    """One topic for each feed, run or upload, however many follow it. For one event loop.

    most: how many feeds and runs may be followed at once.
    """

    def __init__(self, here: AppState, most: int) -> None:
        self._here, self._most = here, most
        self._topics: dict[Key, Topic] = {}

    @property
    def count(self) -> int:
        """How many feeds and runs are being read."""
        return len(self._topics)

    async def follow(self, key: Key, outbox: Outbox, ref: dict[str, Any], asker: Asker) -> Topic:
        """Have a client told of a feed or run, first how it is. ref: sent back with the answer.

        Raises LabError where there is no such feed, run or upload of who asks, TooManyError.
        """
        upload = None
        if key.kind == "upload_id":
            upload = await asyncio.to_thread(self._here.uploads.get, key.id, asker)
        topic = self._topics.get(key)
        if topic is None or topic.of is not upload:
            if len(self._topics) >= self._most:
                raise TooManyError(
                    f"{self._most} feeds and runs are followed, which is the limit; try again later"
                )
            topic = self._topics[key] = self._made(key, upload)
        try:
            await topic.join(outbox, ref)
        except BaseException:
            self.leave(topic, outbox)
            raise
        return topic

    def leave(self, topic: Topic, outbox: Outbox) -> None:
        """The client follows it no more. Nothing of it is sent to it from now on."""
        outbox.forget(topic.key)
        if topic.leave(outbox):
            self._forget(topic)

    def _made(self, key: Key, upload: Upload | None) -> Topic:
        def reader() -> Reader:
            if upload is not None:
                return UploadReader(upload)
            if key.kind == "feed_id":
                return FeedReader(self._here, key.id)
            return RunReader(self._here.store, key.id)

        return Topic(key, reader, lambda topic: self._forget(topic), upload)

    def _forget(self, topic: Topic) -> None:
        if self._topics.get(topic.key) is topic:
            del self._topics[topic.key]
