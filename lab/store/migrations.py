"""Numbered changes of the schema, each in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb

from lab.errors import StoreError


def m001_first(connection: duckdb.DuckDBPyConnection) -> None:
    """All that studies need, also what later pages fill: coverage, origins, reviews, notes."""
    connection.execute("""
        CREATE TABLE media (
            media_id VARCHAR PRIMARY KEY, path VARCHAR NOT NULL, relative_path VARCHAR,
            size_bytes BIGINT NOT NULL, facts JSON NOT NULL, sha256 VARCHAR,
            site VARCHAR, start_utc TIMESTAMP, utc_offset_s INTEGER, start_source VARCHAR,
            clock_correction_s DOUBLE DEFAULT 0, browser_offset_us BIGINT,
            added_utc TIMESTAMP NOT NULL);
        CREATE TABLE runs (
            run_id VARCHAR PRIMARY KEY, media_id VARCHAR NOT NULL, recipe JSON NOT NULL,
            recipe_hash VARCHAR NOT NULL, protocol_hash VARCHAR NOT NULL,
            environment JSON NOT NULL, default_threshold DOUBLE NOT NULL,
            state VARCHAR NOT NULL, error VARCHAR, effort JSON, elapsed_s DOUBLE DEFAULT 0,
            created_utc TIMESTAMP NOT NULL, finished_utc TIMESTAMP);
        CREATE TABLE rules (
            name VARCHAR PRIMARY KEY, rule JSON NOT NULL, rule_hash VARCHAR NOT NULL,
            run_id VARCHAR, saved_utc TIMESTAMP NOT NULL);
        CREATE TABLE sightings (
            sighting_id VARCHAR PRIMARY KEY, run_id VARCHAR NOT NULL, media_id VARCHAR NOT NULL,
            rule_hash VARCHAR NOT NULL, rule JSON NOT NULL, rule_name VARCHAR,
            label VARCHAR NOT NULL,
            onset_us BIGINT NOT NULL, confirmed_us BIGINT NOT NULL, offset_us BIGINT NOT NULL,
            closed_us BIGINT NOT NULL, onset_earliest_us BIGINT NOT NULL,
            offset_latest_us BIGINT NOT NULL, peak_us BIGINT NOT NULL,
            peak_confidence DOUBLE NOT NULL, close_reason VARCHAR NOT NULL,
            censored_left BOOLEAN NOT NULL, censored_right BOOLEAN NOT NULL, alert_us BIGINT,
            saved_utc TIMESTAMP NOT NULL);
        CREATE TABLE annotations (
            annotation_id VARCHAR PRIMARY KEY, media_id VARCHAR NOT NULL, label VARCHAR NOT NULL,
            start_us BIGINT NOT NULL, end_us BIGINT NOT NULL, annotator VARCHAR NOT NULL,
            origin VARCHAR NOT NULL, created_utc TIMESTAMP NOT NULL);
        CREATE TABLE coverage (
            coverage_id VARCHAR PRIMARY KEY, media_id VARCHAR NOT NULL, label VARCHAR NOT NULL,
            start_us BIGINT NOT NULL, end_us BIGINT NOT NULL, annotator VARCHAR NOT NULL,
            created_utc TIMESTAMP NOT NULL);
        CREATE TABLE reviews (
            review_id VARCHAR PRIMARY KEY, sighting_id VARCHAR NOT NULL, verdict VARCHAR NOT NULL,
            reviewer VARCHAR NOT NULL, created_utc TIMESTAMP NOT NULL);
        CREATE TABLE notes (
            note_id VARCHAR PRIMARY KEY, run_id VARCHAR, rule_hash VARCHAR, text VARCHAR NOT NULL,
            author VARCHAR, created_utc TIMESTAMP NOT NULL);
    """)


def m002_notebook(connection: duckdb.DuckDBPyConnection) -> None:
    """Where coverage came from, verdicts on what a rule found, the lab notebook, audits."""
    connection.execute("""
        ALTER TABLE coverage ADD COLUMN origin VARCHAR DEFAULT 'independent';
        DROP TABLE reviews;
        DROP TABLE notes;
        CREATE TABLE verdicts (
            verdict_id VARCHAR PRIMARY KEY, media_id VARCHAR NOT NULL, label VARCHAR NOT NULL,
            start_us BIGINT NOT NULL, end_us BIGINT NOT NULL, verdict VARCHAR NOT NULL,
            annotator VARCHAR NOT NULL, run_id VARCHAR, rule_hash VARCHAR,
            created_utc TIMESTAMP NOT NULL);
        CREATE TABLE entries (
            entry_id VARCHAR PRIMARY KEY, kind VARCHAR NOT NULL, run_id VARCHAR NOT NULL,
            rule JSON, rule_hash VARCHAR, title VARCHAR, figures JSON, notes VARCHAR DEFAULT '',
            conclusion VARCHAR DEFAULT '', tags JSON DEFAULT '[]', starred BOOLEAN DEFAULT false,
            archived BOOLEAN DEFAULT false, parents JSON DEFAULT '[]',
            created_utc TIMESTAMP NOT NULL, edited_utc TIMESTAMP);
        CREATE TABLE audits (
            audit_id VARCHAR PRIMARY KEY, audit JSON NOT NULL, created_utc TIMESTAMP NOT NULL);
    """)


def m003_embeddings(connection: duckdb.DuckDBPyConnection) -> None:
    """Text embeddings: float32, little-endian."""
    connection.execute("""
        CREATE TABLE embeddings (
            encoder VARCHAR NOT NULL, text VARCHAR NOT NULL, vector BLOB NOT NULL,
            source VARCHAR NOT NULL, added_utc TIMESTAMP NOT NULL, PRIMARY KEY (encoder, text));
    """)


def m004_columns_to_query(connection: duckdb.DuckDBPyConnection) -> None:
    """What is searched and sorted by, out of the JSON. At a million rows a scan of a column takes
    some milliseconds, so that no index pays for what it costs each time the catalog is opened.
    """
    connection.execute("""
        ALTER TABLE media ADD COLUMN name VARCHAR;
        ALTER TABLE media ADD COLUMN first_pts_us BIGINT;
        ALTER TABLE media ADD COLUMN end_us BIGINT;
        UPDATE media SET name = parse_filename(path),
            first_pts_us = (facts->>'first_pts_us')::BIGINT, end_us = (facts->>'end_us')::BIGINT;
        ALTER TABLE runs ADD COLUMN detector VARCHAR;
        ALTER TABLE runs ADD COLUMN labels VARCHAR;
        ALTER TABLE runs ADD COLUMN pass_id VARCHAR;
        UPDATE runs SET detector = recipe->>'detector', labels = (recipe->'labels')::VARCHAR,
            pass_id = environment->>'pass_id';
    """)


def m005_registered_by(connection: duckdb.DuckDBPyConnection) -> None:
    """Who named a clip's file: `user` on the command line or in a notebook, `browser` in the app.

    NULL, of clips that are older than this column, is as `browser`.
    """
    connection.execute("ALTER TABLE media ADD COLUMN registered_by VARCHAR")


def m006_current_rules(connection: duckdb.DuckDBPyConnection) -> None:
    """Which rule is applied to all clips of a protocol, with those that were before it.

    number: rises within a protocol. undone_utc: of a rule that was taken back, else NULL.
    """
    connection.execute("""
        CREATE TABLE current_rules (
            protocol_hash VARCHAR NOT NULL, number BIGINT NOT NULL, rule JSON NOT NULL,
            rule_hash VARCHAR NOT NULL, rule_name VARCHAR, run_id VARCHAR,
            set_utc TIMESTAMP NOT NULL, undone_utc TIMESTAMP)
    """)


def m007_deployments(connection: duckdb.DuckDBPyConnection) -> None:
    """Deployments with failures and clock anchors, clips in them, names of labels, MaxN.

    media.camera_local: what the camera's clock said at the start, where it named no zone;
    timestamp_issue: `ambiguous` or `missing` at a change of the clock; correction_source: `anchors`
    where clock_correction_s follows from them. sightings.most_at_once: NULL where not counted yet.
    """
    connection.execute("""
        CREATE TABLE deployments (
            deployment_id VARCHAR NOT NULL, location_id VARCHAR, location_name VARCHAR,
            site VARCHAR NOT NULL, latitude DOUBLE, longitude DOUBLE, camera_id VARCHAR,
            start_utc TIMESTAMP NOT NULL, end_utc TIMESTAMP NOT NULL, zone VARCHAR NOT NULL,
            details JSON NOT NULL, added_utc TIMESTAMP NOT NULL);
        CREATE TABLE deployment_failures (
            deployment_id VARCHAR NOT NULL, start_utc TIMESTAMP NOT NULL,
            end_utc TIMESTAMP NOT NULL, reason VARCHAR NOT NULL);
        CREATE TABLE clock_anchors (
            deployment_id VARCHAR NOT NULL, camera_local TIMESTAMP NOT NULL,
            true_utc TIMESTAMP NOT NULL, added_utc TIMESTAMP NOT NULL);
        CREATE TABLE taxa (
            label VARCHAR NOT NULL, observation_type VARCHAR NOT NULL, scientific_name VARCHAR,
            english_name VARCHAR, taxon_rank VARCHAR, taxon_id VARCHAR,
            added_utc TIMESTAMP NOT NULL);
        ALTER TABLE media ADD COLUMN deployment_id VARCHAR;
        ALTER TABLE media ADD COLUMN camera_local TIMESTAMP;
        ALTER TABLE media ADD COLUMN timestamp_issue VARCHAR;
        ALTER TABLE media ADD COLUMN correction_source VARCHAR;
        ALTER TABLE sightings ADD COLUMN most_at_once INTEGER;
    """)


def m008_retention(connection: duckdb.DuckDBPyConnection) -> None:
    """What retention took away, and which rules were applied to a run, found they something or not.

    runs.log_removed_utc: since when a run has no score log; media.file_removed_utc: since when the
    store has no file of a clip that was copied into it. NULL where they are there.
    """
    connection.execute("""
        ALTER TABLE runs ADD COLUMN log_removed_utc TIMESTAMP;
        ALTER TABLE media ADD COLUMN file_removed_utc TIMESTAMP;
        CREATE TABLE applied_rules (
            run_id VARCHAR NOT NULL, rule_hash VARCHAR NOT NULL, applied_utc TIMESTAMP NOT NULL);
        INSERT INTO applied_rules SELECT run_id, rule_hash, max(applied_utc) FROM (
            SELECT run_id, rule_hash, saved_utc AS applied_utc FROM sightings UNION ALL
            SELECT r.run_id, c.rule_hash, c.set_utc FROM current_rules c
            JOIN runs r USING (protocol_hash)
            WHERE r.state = 'done' AND r.finished_utc <= c.set_utc) GROUP BY ALL;
    """)


def m009_reviews(connection: duckdb.DuckDBPyConnection) -> None:
    """What people say of sightings, and views of them that were saved.

    verdicts.new_label: what a rejected sighting was instead, else NULL. sighting_marks: tags and
    note of a stretch with its label, so that they stay when a rule is applied again.
    saved_views.query: the address of the page, a list of values by name.
    """
    connection.execute("""
        ALTER TABLE verdicts ADD COLUMN new_label VARCHAR;
        CREATE TABLE sighting_marks (
            media_id VARCHAR NOT NULL, label VARCHAR NOT NULL, start_us BIGINT NOT NULL,
            end_us BIGINT NOT NULL, tags VARCHAR[] NOT NULL, note VARCHAR NOT NULL,
            edited_utc TIMESTAMP NOT NULL);
        CREATE TABLE saved_views (
            view_id VARCHAR NOT NULL, name VARCHAR NOT NULL, query JSON NOT NULL,
            saved_utc TIMESTAMP NOT NULL);
    """)


def m010_study(connection: duckdb.DuckDBPyConnection) -> None:
    """What people say of the study as a whole, at most one row."""
    connection.execute("""
        CREATE TABLE study (
            title VARCHAR, contributors VARCHAR[] NOT NULL, sampling_design VARCHAR,
            capture_method VARCHAR, edited_utc TIMESTAMP NOT NULL);
    """)


MIGRATIONS: list[Callable[[duckdb.DuckDBPyConnection], None]] = [
    m001_first,
    m002_notebook,
    m003_embeddings,
    m004_columns_to_query,
    m005_registered_by,
    m006_current_rules,
    m007_deployments,
    m008_retention,
    m009_reviews,
    m010_study,
]


def version_of(connection: duckdb.DuckDBPyConnection) -> int:
    """The number of migrations that were done; 0 for an empty database."""
    try:
        row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    except duckdb.CatalogException:
        return 0
    return (row[0] if row else 0) or 0


def migrate(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Bring the schema up to date. Raises StoreError if it is newer than this version."""
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER)")
    version = version_of(connection)
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} has schema {version}, this version knows {len(MIGRATIONS)}; "
            "update Sighting Lab"
        )
    for number in range(version, len(MIGRATIONS)):
        connection.begin()
        try:
            MIGRATIONS[number](connection)
            connection.execute("INSERT INTO schema_version VALUES (?)", [number + 1])
        except BaseException:
            connection.rollback()
            raise
        connection.commit()
