"""One camera at one place for one period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lab.clock import zone_named


@dataclass(frozen=True, order=True)
class Failure:
    """A stretch in which a camera did not work. Times in UTC, without tzinfo. reason: may be ''."""

    start_utc: datetime
    end_utc: datetime
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A camera that stood at a site from start to end.

    start_utc, end_utc: without tzinfo. zone: in which the clock of the camera runs, as a name or
    an offset from UTC. latitude, longitude: WGS84, degrees; None where they are not known.
    details: further columns of Camtrap DP's `deployments.csv` by their names, as text.
    """

    deployment_id: str
    start_utc: datetime
    end_utc: datetime
    zone: str
    location_id: str | None = None
    location_name: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    camera_id: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()

    @property
    def site(self) -> str:
        """What its clips have as their site: the location's name or id, else its own id."""
        return self.location_name or self.location_id or self.deployment_id

    @property
    def working_s(self) -> float:
        """Seconds from start to end, less those of failures, each second once."""
        total = (self.end_utc - self.start_utc).total_seconds()
        until = self.start_utc
        for one in sorted(self.failures):
            begin, end = max(one.start_utc, until), min(one.end_utc, self.end_utc)
            if end > begin:
                total -= (end - begin).total_seconds()
                until = end
        return total

    def contains(self, utc: datetime) -> bool:
        """Whether a time, without tzinfo, lies in the period; both ends included."""
        return self.start_utc <= utc <= self.end_utc

    def local(self, utc: datetime) -> str:
        """A time in its zone, as ISO 8601 with the offset."""
        return utc.replace(tzinfo=UTC).astimezone(zone_named(self.zone)).isoformat()

    def to_dict(self) -> dict[str, Any]:
        """As `lab deployments --json` prints it; times in its zone."""
        return {
            "deployment_id": self.deployment_id,
            "site": self.site,
            "location_id": self.location_id,
            "location_name": self.location_name,
            "latitude": self.latitude,
            "longitude": self.longitude,
            "camera_id": self.camera_id,
            "start": self.local(self.start_utc),
            "end": self.local(self.end_utc),
            "zone": self.zone,
            "working_days": round(self.working_s / 86_400, 4),
            "failures": [
                {"start": self.local(f.start_utc), "end": self.local(f.end_utc), "reason": f.reason}
                for f in self.failures
            ],
            "details": dict(self.details),
        }
