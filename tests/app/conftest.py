"""What several tests of the app are given."""

from tests.app.upload_clips import kinds  # noqa: F401
