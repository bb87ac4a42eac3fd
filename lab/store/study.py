"""What people say of the study as a whole; a store is of one."""

from __future__ import annotations

from dataclasses import dataclass

from lab.annotation import utc_now
from lab.store.catalog import Catalog


@dataclass(frozen=True, kw_only=True)
class AboutStudy:
    """title: of the project. contributors: names of people or organisations. sampling_design,
    capture_method: words of Camtrap DP. None, or no names, where nobody said it yet.
    """

    title: str | None = None
    contributors: tuple[str, ...] = ()
    sampling_design: str | None = None
    capture_method: str | None = None


class StudyRow:
    """The part of a store that keeps what is said of the study."""

    catalog: Catalog

    def about_study(self) -> AboutStudy:
        """What was said last."""
        found = self.catalog.rows(
            "SELECT title, contributors, sampling_design, capture_method FROM study"
        )
        if not found:
            return AboutStudy()
        return AboutStudy(**found[0] | {"contributors": tuple(found[0]["contributors"])})

    def put_about_study(self, given: AboutStudy) -> None:
        """Keep this in place of what was said before."""
        if given == self.about_study():
            return
        with self.catalog.transaction() as db:
            db.execute("DELETE FROM study")
            db.execute(
                "INSERT INTO study VALUES (?, ?::VARCHAR[], ?, ?, ?)",
                [given.title, list(given.contributors), given.sampling_design,
                 given.capture_method, utc_now()],
            )  # fmt: skip
