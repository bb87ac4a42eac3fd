"""Streamlit looks through every installed package for components whenever a page is tested."""

from functools import cache

from streamlit.components.v2 import manifest_scanner


def look_for_components_once() -> None:
    """In this process; else half a second of each test of a page, and of each app, goes there."""
    scan = manifest_scanner.scan_component_manifests
    if not hasattr(scan, "cache_info"):
        manifest_scanner.scan_component_manifests = cache(scan)
