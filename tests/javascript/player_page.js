// The player with a run, a log and two sightings, on a page of fake elements.
import {
  makeAnswer,
  makeData,
  makeLog,
  makeOverview,
  makeSighting,
  makeWindow,
} from "./builders.js";
import { component } from "./components.js";
import { make, openPage, playerPage } from "./fake_page.js";
import { FakeServer } from "./fake_server.js";

const { default: show } = await component("player/main.js");

const ROWS = [
  [1, "cat", 0.9, [10, 10, 30, 30]],
  [1, "dog", 0.3, [60, 10, 80, 30]],
  [3, "cat", 0.8, [10, 10, 30, 30]],
];

export class PlayerPage {
  static async open() {
    const page = new PlayerPage();
    page.clock = openPage();
    page.server = new FakeServer();
    page.parentElement = make("div", "", playerPage());
    page.reported = []; // [name, value] of all that Python was told
    page.say(makeData("A"));
    page.log = makeLog("A", ROWS);
    await page.server.answer(page.server.to("/api/runs/A/overview")[0], makeOverview(page.log));
    await page.answerWindows();
    const sightings = [makeSighting("cat", 1, 2), makeSighting("dog", 5, 6)];
    await page.server.answer(page.replays().at(-1), makeAnswer(sightings));
    return page;
  }

  // Samples and boxes that were asked for and are not answered yet.
  async answerWindows() {
    for (const request of this.server.to("/api/runs/A/window").filter((r) => !r.isAnswered)) {
      request.isAnswered = true;
      const asked = new URL(request.address, "http://here").searchParams;
      const ends = ["from_us", "to_us"].map((name) => Number(asked.get(name)));
      await this.server.answer(request, makeWindow(this.log, ...ends));
    }
  }

  // What Python says at a rerun.
  say(data) {
    const setStateValue = (name, value) => this.reported.push([name, value]);
    show({ data, parentElement: this.parentElement, setStateValue });
  }

  get player() {
    return this.parentElement.player;
  }

  get records() {
    return this.player.annotations.records;
  }

  get message() {
    return this.player.annotatePanel.message.textContent;
  }

  get overlay() {
    return this.player.root.querySelector(".overlay");
  }

  replays() {
    return this.server.to("/api/replay");
  }

  saves() {
    return this.server.to("/api/media/media-of-A/annotations", "POST");
  }

  // A frame is presented at a time of the clip.
  showFrame(pts_s) {
    this.player.stage.video.showFrame(pts_s);
  }

  // path: what has the focus, and what it is in.
  press(key, { shiftKey = false, ctrlKey = false, path = [this.player.root] } = {}) {
    const event = new Event("keydown", { cancelable: true });
    Object.assign(event, { key, shiftKey, ctrlKey, composedPath: () => path });
    this.player.root.dispatchEvent(event);
    return event;
  }
}
