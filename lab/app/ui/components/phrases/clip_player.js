// The one video of the comparison, whose frames the panels draw: what it shows, and seeking in it.
import { clampToClip, videoTime } from "../player/clip_time.js";
import { jsonPost } from "../player/requests.js";

const ANNOUNCED_WITHIN_MS = 150;

// Calls draw() when another frame is shown, and fail() when the browser cannot play the clip.
export class ClipPlayer {
  constructor(video, { draw, fail }) {
    Object.assign(this, { video, draw, fail });
    this.clip = null;
    this.pts_us = 0;
    this.offset_us = null; // of the browser's clock; unknown until a frame was presented
    this.presented = 0;
    const next = (_, frame) => {
      this.present(frame.mediaTime * 1e6);
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
    video.addEventListener("error", () => this.break());
    // A browser need not announce the frame of a video that is scrolled out of sight.
    for (const name of ["loadeddata", "seeked"]) {
      video.addEventListener(name, () => {
        const { presented } = this;
        setTimeout(() => {
          if (presented === this.presented) this.assumeFrame();
        }, ANNOUNCED_WITHIN_MS);
      });
    }
  }

  load(clip, at_us) {
    this.clip = clip;
    this.offset_us = clip.browser_offset_us ?? null;
    this.pts_us = at_us;
    this.isBroken = false;
    this.target_s = undefined; // where the last seek goes
    this.waitingSeek_s = undefined; // a seek that waits until the offset is known
    if (clip.src) this.video.src = clip.src;
    else {
      this.video.removeAttribute("src");
      this.video.load();
    }
    if (clip.src && at_us > clip.first_pts_us) this.seek(at_us / 1e6);
  }

  get hasVideo() {
    return Boolean(this.clip.src) && !this.isBroken;
  }

  get hasPicture() {
    return this.hasVideo && this.video.readyState >= 2;
  }

  // Where the last seek is going, so that keys may come fast.
  get next_s() {
    const isSeeking = this.hasVideo && this.video.seeking && this.target_s !== undefined;
    return isSeeking ? this.target_s : this.pts_us / 1e6;
  }

  // A frame is shown now.
  present(media_us) {
    const isOfClipBefore = this.video.readyState === 0;
    if (!this.clip?.src || isOfClipBefore) return;
    this.presented += 1;
    if (this.offset_us === null) this.measureOffset(media_us);
    this.pts_us = media_us - this.offset_us;
    this.draw();
  }

  // The first frame that the browser presents is the first of the file.
  measureOffset(media_us) {
    const { media_id, first_pts_us } = this.clip;
    this.offset_us = Math.round(media_us) - first_pts_us;
    fetch(`/api/media/${media_id}/offset`, jsonPost({ offset_us: this.offset_us }));
    this.seekWaiting();
  }

  // Whether there was a seek that waited.
  seekWaiting() {
    const waiting_s = this.waitingSeek_s;
    this.waitingSeek_s = undefined;
    if (waiting_s !== undefined) this.seek(waiting_s);
    return waiting_s !== undefined;
  }

  // Nothing was announced: the frame is that of the last seek.
  assumeFrame() {
    if (!this.clip?.src || this.video.seeking) return;
    this.offset_us ??= 0;
    if (this.seekWaiting()) return;
    if (this.video.paused && this.target_s !== undefined) this.pts_us = this.target_s * 1e6;
    this.draw();
  }

  break() {
    if (!this.clip?.src) return;
    this.isBroken = true;
    if (this.target_s !== undefined) this.pts_us = this.target_s * 1e6;
    this.fail();
  }

  seek(pts_s) {
    const at_s = clampToClip(this.clip, pts_s);
    this.target_s = at_s;
    if (!this.hasVideo) {
      this.pts_us = at_s * 1e6;
      this.draw();
    } else if (this.offset_us === null) this.waitingSeek_s = at_s;
    else this.video.currentTime = videoTime(at_s, this.offset_us);
  }

  toggle() {
    if (!this.hasVideo) return;
    if (this.video.paused) this.video.play().catch(() => {});
    else this.video.pause();
  }
}
