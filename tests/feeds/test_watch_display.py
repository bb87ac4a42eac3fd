"""What `lab watch` shows on a terminal, and in lines."""

import io
import json

from lab.app.cli.watch_display import ChangeLines, JsonLines, Terminal, feed_lines

LIVE = {
    "state": "live", "analysed": 12, "lag_s": 0.31, "reason": None, "problem": None,
    "day": {"sightings": {"deer": 2, "fox": 1}, "alerts": 1}, "present": {"deer": 4.0},
}  # fmt: skip
DOWN = {**LIVE, "state": "reconnecting", "reason": "no frame for 15 s", "present": {}}
FAILING = {"state": "failing", "reason": "HTTP 500", "waiting": 3}


def status(**feeds):
    return {"feeds": feeds, "sinks": {"console": {"state": "ok"}}}


def on_screen(text):
    """What a terminal shows once it has printed this, by the two sequences that are used."""
    lines = [""]
    for part in text.replace("\x1b[J", "").split("\x1b["):
        number, letter, rest = part.partition("F") if lines != [""] else ("", "", part)
        if letter:
            del lines[len(lines) - 1 - int(number) :]
            lines.append("")
        for i, line in enumerate(rest.split("\n")):
            if i:
                lines.append("")
            lines[-1] += line
    return lines


def test_a_feed_is_a_line():
    gate, north_gate = feed_lines(status(gate=LIVE, north_gate=DOWN))
    words = "gate live 12 analysed lag 0.3 s now deer today 3 sightings, 1 alert"
    assert gate.split() == words.split(" ")
    assert north_gate.startswith("north_gate  reconnecting  no frame for 15 s")
    (line,) = feed_lines({"feeds": {}, "sinks": {"hook": FAILING}})
    assert line == "sink hook: failing: HTTP 500; 3 events waiting"


def test_the_lines_of_a_terminal_stay_below_what_is_printed():
    stream = io.StringIO()
    terminal = Terminal(stream)
    with terminal.shown():
        terminal.show(status(gate=LIVE, mill=LIVE))
        print("deer at the gate")
        terminal.show(status(gate=DOWN, mill=LIVE))
    first, gate, mill, end = on_screen(stream.getvalue())
    assert first == "deer at the gate"
    assert (gate.split()[:2], mill.split()[:2]) == (["gate", "reconnecting"], ["mill", "live"])
    assert end == ""


def test_elsewhere_a_change_is_a_line(capsys):
    lines = ChangeLines()
    for feed in (LIVE, LIVE, DOWN):
        lines.show(status(gate=feed))
    said = [line.partition(" ")[2] for line in capsys.readouterr().err.splitlines()]
    assert said == [
        "feed gate: live",
        "sink console: ok",
        "feed gate: reconnecting: no frame for 15 s",
    ]


def test_programs_are_given_json_alone(capsys):
    stream = io.StringIO()
    lines = JsonLines(stream)
    with lines.shown():
        lines.show({"feeds": {"gate": DOWN}})
        print("for people")
    assert json.loads(stream.getvalue()) == {
        "kind": "state",
        "feed": "gate",
        "state": "reconnecting: no frame for 15 s",
    }
    assert capsys.readouterr() == ("", "for people\n")
