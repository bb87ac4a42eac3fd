"""Events of sightings, made up."""

from lab.sinks.event import SightingEvent


def make_jpeg(width=64, height=48, grey=90):
    import cv2
    import numpy as np

    image = np.full((height, width, 3), grey, np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


def make_event(kind="alerted", sighting="a1", number=1, **values):
    """An event of the sighting `sighting`; its id is made of sighting, kind and number."""
    known = {
        "event_id": f"{sighting}-{kind}-{number}",
        "kind": kind,
        "sequence": number,
        "sighting_id": sighting,
        "feed": "pond",
        "feed_name": "The pond",
        "label": "otter",
        "detector": "yolo",
        "run_id": "20201122-140000-abcd",
        "media_id": "m1",
        "rule_hash": "0123456789abcdef",
        "created_utc": "2020-11-22T14:00:10.000000Z",
        "onset_s": 1.5,
        "onset_earliest_s": 1.0,
        "offset_s": 9.25,
        "offset_latest_s": 9.75,
        "peak_s": 4.0,
        "peak_confidence": 0.75,
        "onset_utc": "2020-11-22T14:00:01.500000Z",
        "offset_utc": "2020-11-22T14:00:09.250000Z",
        "peak_utc": "2020-11-22T14:00:04.000000Z",
        "close_reason": "exit" if kind == "closed" else None,
        "width_px": 64,
        "height_px": 48,
        "boxes": ((0.25, 0.25, 0.5, 0.75),),
        "box_confidences": (0.75,),
        **values,
    }
    return SightingEvent(**known)
