"""The colours of labels, the same in every chart and in the player."""

from __future__ import annotations

from lab.store.store import Store

# Those of Okabe and Ito that the player takes, in its order (components/player/palette.js): any two
# are told apart without red, green or blue cones.
PALETTE = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#1f7fc4", "#d633ff", "#fd116c")


def label_colours(store: Store) -> dict[str, str]:
    """A colour for each label of a store: by the order in the logs, as in the player."""
    labels = store.labels_in_order(len(PALETTE))
    return {label: PALETTE[i % len(PALETTE)] for i, label in enumerate(labels)}
