"""A project of Supabase: tables as PostgREST serves them, and storage."""

import uuid
from datetime import UTC, datetime

from tests.peers.web import Reply

KEY = "service-key-0123456789"
COLUMNS = {
    "sightings": {
        "id", "cam_id", "confidence", "detector", "label", "started_at", "ended_at", "thumbnail",
    },
    "cams": {"id", "last_frame_at"},
}  # fmt: skip


class Supabase:
    """An answer for a `WebServer`. files: by path with the bucket, content type and bytes."""

    def __init__(self, cams=("pond",)):
        self.tables = {
            "sightings": [],
            "cams": [{"id": cam, "last_frame_at": None} for cam in cams],
        }
        self.files = {}
        self.storage_status = 200

    def __call__(self, request):
        if request.headers.get("apikey") != KEY:
            return Reply(401, {"message": "Invalid API key"})
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return Reply(401, {"message": "JWT"})
        if request.path.startswith("/rest/v1/"):
            return self._rows(request, request.path.removeprefix("/rest/v1/"))
        if request.path.startswith("/storage/v1/object/"):
            return self._storage(request, request.path.removeprefix("/storage/v1/object/"))
        return Reply(404, {"message": "no such route"})

    def _rows(self, request, table):
        rows, query = self.tables[table], list(request.query)
        filters = [(name, value) for name, value in query if name != "select"]
        if request.method == "POST":
            row = {**dict.fromkeys(COLUMNS[table]), "id": str(uuid.uuid4()), **request.json()}
            if row.keys() - COLUMNS[table]:
                return Reply(400, {"code": "PGRST204", "message": "no such column"})
            rows.append(row)
            return Reply(201, [row])
        found = [row for row in rows if all(_passes(row, *one) for one in filters)]
        if request.method == "PATCH":
            assert filters, "every row would be changed"
            for row in found:
                assert not request.json().keys() - COLUMNS[table]
                row |= request.json()
        elif request.method == "DELETE":
            assert filters, "every row would be removed"
            self.tables[table] = [row for row in rows if row not in found]
        return Reply(200, found)

    def _storage(self, request, place):
        if self.storage_status != 200:
            return Reply(self.storage_status, {"message": "Bucket not found"})
        if request.method == "DELETE":
            for path in request.json()["prefixes"]:
                del self.files[f"{place}/{path}"]
            return Reply(200, [])
        if place in self.files and request.headers.get("x-upsert") != "true":
            return Reply(409, {"message": "Duplicate"})
        self.files[place] = (request.headers["content-type"], request.body)
        return Reply(200, {"Key": place})


def _passes(row, name, condition):
    operator, _, wanted = condition.partition(".")
    value = row[name]
    if operator == "is":
        assert wanted == "null"
        return value is None
    if operator == "in":
        return str(value) in [one.strip('"') for one in wanted.strip("()").split(",")]
    if value is None:
        return False
    if name.endswith("_at"):
        value, wanted = _time(value), _time(wanted)
    tests = {
        "eq": lambda: value == wanted, "lt": lambda: value < wanted,
        "gte": lambda: value >= wanted, "lte": lambda: value <= wanted,
    }  # fmt: skip
    return tests[operator]()


def _time(text):
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
