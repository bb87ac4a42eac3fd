"""Results as they come, over the WebSocket `/ws/live`: of feeds, and of runs that go on."""
