// Playback: the bar below the picture, and going from sighting to sighting.
import { isWithin, nextTime } from "./clip_time.js";
import { button, element, giveKeysBack } from "./elements.js";
import { mediaTime, wallTime } from "./formatting.js";
import { legend } from "./legend.js";

const PLAYER_SPEEDS = [0.25, 0.5, 1, 2, 4, 8];
const SHORTEST_LOOP_S = 0.2;
const NEAR_ONSET_S = 0.01;

export class Transport {
  constructor(model, stage, timeline, root) {
    Object.assign(this, { model, stage, timeline, root });
    this.bar = root.querySelector(".transport");
    this.build();
    for (const name of ["opened", "time", "log", "sound"]) {
      model.addEventListener(name, () => this.show());
    }
    for (const name of ["play", "pause"]) stage.video.addEventListener(name, () => this.show());
    this.show();
  }

  build() {
    const { stage } = this;
    const add = (text, title, act) => {
      const made = button(text, title, (event) => {
        act();
        giveKeysBack(this.root, event);
      });
      this.bar.append(made);
      return made;
    };
    this.play = add("▶", "Play or pause (space)", () => stage.toggle());
    add("◀|", "Frame back (left arrow)", () => stage.step(-1));
    add("|▶", "Frame forward (right arrow)", () => stage.step(1));
    add("[", "Previous sighting ([)", () => this.jump(-1));
    add("]", "Next sighting (])", () => this.jump(1));
    this.loop = add("Loop", "Loop this sighting (L)", () => this.toggleLoop());
    this.time = element("span", { className: "time" });
    this.speed = speedMenu(PLAYER_SPEEDS);
    this.speed.onchange = () => {
      stage.video.playbackRate = Number(this.speed.value);
    };
    this.wall = element("span", { className: "wall only-wide" });
    this.bar.append(this.time, this.wall, this.speed);
    this.boxes = add("Boxes", "Boxes on or off (B)", () => this.toggleBoxes());
    this.weakBoxes = add("Weak boxes", "Show boxes below the threshold (W)", () =>
      this.toggleWeakBoxes(),
    );
    this.soundButton = add("Sound", "", () => this.toggleSound());
    add("−", "Zoom out of the timeline (-)", () => this.timeline.zoomBy(1));
    add("+", "Zoom into the timeline (+)", () => this.timeline.zoomBy(-1));
    add("Zoom out", "Whole clip on the timeline (0)", () => this.zoomOut());
    const keys = button("?", "Keys and signs (?)", () => this.model.emit("help"));
    this.bar.append(element("span", { className: "push" }), legend(), keys);
  }

  show() {
    const { data, loop, pts_s, isPaused, areBoxesOn, areWeakBoxesOn } = this.stage;
    this.play.textContent = isPaused ? "▶" : "❚❚";
    this.time.textContent = data ? `${mediaTime(pts_s)} / ${mediaTime(data.end_us / 1e6)}` : "";
    this.wall.textContent = wallTime(data?.start_ms, pts_s);
    this.wall.title = data?.start_ms ? "When it was filmed, local time" : "";
    this.showCameraClock(data, pts_s);
    this.boxes.setAttribute("aria-pressed", areBoxesOn);
    this.weakBoxes.setAttribute("aria-pressed", areWeakBoxesOn);
    this.loop.setAttribute("aria-pressed", Boolean(loop));
    this.showSound();
  }

  // Where the camera tells its own clock (RTSP), which may be wrong.
  showCameraClock(data, pts_s) {
    const ahead_s = data?.start_ms ? (this.model.log?.cameraAhead_s(pts_s) ?? null) : null;
    if (ahead_s === null) return;
    const side = ahead_s < 0 ? "behind" : "ahead of";
    const time = wallTime(data.start_ms + ahead_s * 1000, pts_s).slice(11);
    this.wall.textContent += ` · camera ${time}`;
    const by = `${Math.abs(ahead_s).toFixed(2)} s ${side} this computer's`;
    this.wall.title += `; the camera's own clock was ${by}`;
  }

  showSound() {
    const { soundButton, stage } = this;
    const { sound } = this.timeline;
    soundButton.setAttribute("aria-pressed", !stage.video.muted);
    soundButton.title = sound.hint || "Sound on or off (S)";
    soundButton.disabled = Boolean(sound.hint) && !sound.isThere;
  }

  toggleSound() {
    if (this.soundButton.disabled) return;
    this.stage.video.muted = !this.stage.video.muted;
    this.showSound();
  }

  // To the start (-1) or the end (1) of the clip.
  toEnd(direction) {
    const { first_pts_us, end_us } = this.model.data;
    this.stage.video.pause();
    this.stage.seek((direction < 0 ? first_pts_us : end_us) / 1e6);
  }

  toggleBoxes() {
    this.stage.areBoxesOn = !this.stage.areBoxesOn;
    this.stage.draw();
    this.show();
  }

  toggleWeakBoxes() {
    this.stage.areWeakBoxesOn = !this.stage.areWeakBoxesOn;
    this.stage.draw();
    this.show();
  }

  zoomOut() {
    this.timeline.showAll();
  }

  // To the next onset; a loop goes along. Where sightings are is what blind hides.
  jump(direction) {
    if (this.model.isBlind) return;
    const all = this.model.sightings();
    const onsets = all.map((sighting) => sighting.onset_s);
    const onset_s = nextTime(onsets, this.stage.next_s, direction, NEAR_ONSET_S, 0.05);
    if (onset_s === undefined) return;
    const { offset_s } = all.find((sighting) => sighting.onset_s === onset_s);
    if (this.stage.loop) this.stage.loop = [onset_s, offset_s];
    this.stage.seek(onset_s);
  }

  // The sighting here, or the next.
  toggleLoop() {
    if (this.model.isBlind) return;
    const now_s = this.stage.pts_s;
    const all = this.model.sightings();
    const found =
      all.find((sighting) => isWithin(sighting, now_s, NEAR_ONSET_S)) ||
      all.find((sighting) => sighting.onset_s > now_s);
    const isStarting = !this.stage.loop && found;
    this.stage.loop = isStarting
      ? [found.onset_s, Math.max(found.offset_s, found.onset_s + SHORTEST_LOOP_S)]
      : null;
    if (isStarting) this.stage.seek(found.onset_s);
    if (isStarting) this.stage.play();
    this.show();
  }
}

export function speedMenu(speeds) {
  const options = speeds.map((speed) =>
    element("option", { value: speed, textContent: `${speed}×`, selected: speed === 1 }),
  );
  return element("select", { ariaLabel: "Speed" }, ...options);
}
