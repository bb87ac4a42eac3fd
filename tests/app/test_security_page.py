"""What docs/security.md says of settings is true of the code."""

import re
from dataclasses import fields
from pathlib import Path

from lab.config import Config, load_config
from lab.limits import Limits

TEXT = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
ROWS = {
    row[0]: row[1:]
    for row in re.findall(r"^\| `(\w+)` \| `?([^|`]+)`? \| ([^|]+) \| ([^|]+) \|$", TEXT, re.M)
}


def test_the_table_of_limits_is_that_of_the_settings():
    for one in fields(Limits):
        default, _, meaning = ROWS[one.name]
        assert (int(default), meaning) == (one.default, one.metadata["meaning"])
    assert int(ROWS["max_upload_bytes"][0]) == Config(store=Path()).max_upload_bytes
    assert ROWS["private_addresses"][0] == Config(store=Path()).private_addresses


def test_each_limit_is_a_setting_of_the_environment_and_of_the_file(tmp_path):
    for name in Limits.names():
        made = load_config(tmp_path, {f"LAB_{name.upper()}": "7"})
        assert getattr(made.limits, name) == 7
    (tmp_path / "lab.toml").write_text(
        'max_clients = 3\nprivate_addresses = "none"\nlogin_users = ["a@b.example"]\n'
        'allowed_addresses = ["10.0.0.0/8"]\n'
    )
    made = load_config(tmp_path, {"LAB_ALLOWED_ADDRESSES": "cam.example, 10.0.0.1"})
    assert (made.limits.max_clients, made.private_addresses) == (3, "none")
    assert made.login_users == ("a@b.example",)
    assert made.allowed_addresses == ("cam.example", "10.0.0.1")


def test_the_headings_that_others_link_to_are_there():
    for heading in ("Limits", "Serving others", "What is promised", "What is not promised",
                    "Reporting a problem"):  # fmt: skip
        assert f"\n## {heading}\n" in TEXT
