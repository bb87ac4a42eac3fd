// Runs, logs and answers as the server sends them.
export const EVERYTHING = {
  min_area_fraction: 0,
  max_area_fraction: 1,
  include: [],
  exclude: [],
};

// As Python declares them: name, title, least, most, step, help; a title alone is a heading.
export const SLIDERS = [
  ["Presence"],
  ["enter_threshold", "Enter at", 0.01, 1, 0.01, "a sample is over from here"],
  ["exit_threshold", "Exit below", 0.01, 1, 0.01, "a sample is under below this"],
  ["enter_frames", "Enter after", 1, 30, 1, "samples over that open a sighting"],
  ["enter_window", "…of the last", 1, 60, 1, "among so many samples"],
  ["exit_frames", "Exit after", 1, 60, 1, "samples under that close it"],
  ["min_duration_s", "At least", 0, 30, 0.1, "shorter ones are dropped"],
  ["merge_gap_s", "Merge gap", 0, 30, 0.1, "a later one within it continues it"],
  ["Alerts"],
  ["cooldown_s", "Cooldown", 0, 600, 1, "silence after an alert"],
];

export function makeRule(debounce = {}) {
  return {
    default: {
      debounce: {
        enter_threshold: 0.5,
        exit_threshold: 0.5,
        enter_frames: 1,
        enter_window: 1,
        exit_frames: 1,
        min_duration_s: 0,
        merge_gap_s: 0,
        cooldown_s: 0,
        cooldown_from: "start",
        ...debounce,
      },
      box_filter: structuredClone(EVERYTHING),
    },
    labels: {},
    only: null,
  };
}

// What Python tells the player: a clip of 10 s, 100 by 50 pixels.
export function makeData(run_id, changes = {}) {
  return {
    run_id,
    media_id: `media-of-${run_id}`,
    state: "done",
    log_v: 1,
    rule: makeRule(),
    rule_n: 1,
    sliders: SLIDERS,
    src: `/clips/${run_id}.mp4`,
    src_wait: "",
    first_pts_us: 0,
    end_us: 10_000_000,
    browser_offset_us: 0,
    size_px: [100, 50],
    frame_rate: 10,
    interval_s: 1,
    score_floor: 0.05,
    gate: false,
    seek: null,
    ask: null,
    ...changes,
  };
}

// A log with one detection a row: [sample, label, confidence, box]; rows by their samples.
export function makeLog(run_id, rows, changes = {}) {
  const labels = [...new Set(rows.map((row) => row[1]))];
  return {
    run_id,
    labels,
    state: "done",
    adding: [],
    prompted: false,
    whole_frame: false,
    pts_us: Array.from({ length: 10 }, (_, i) => i * 1_000_000),
    sample: rows.map((row) => row[0]),
    label: rows.map((row) => labels.indexOf(row[1])),
    confidence: rows.map((row) => row[2]),
    box: rows.flatMap((row) => row[3] ?? [0, 0, 10, 10]),
    failed: {},
    gated: {},
    missing: {},
    ...changes,
  };
}

let versions = 0;

// The overview of a log, all curves exact.
export function makeOverview(log, version = `v${versions++}`) {
  const { run_id, labels, state, adding, prompted, whole_frame, pts_us } = log;
  const peaks = labels.map((_, i) =>
    Math.max(0, ...log.confidence.filter((score, at) => log.label[at] === i)),
  );
  const curves = makeCurves(log, labels);
  const about = { run_id, labels, state, adding, prompted, whole_frame, version };
  const [first_us, last_us] = [pts_us[0] ?? null, pts_us.at(-1) ?? null];
  return {
    ...curves,
    ...about,
    ...{ samples: pts_us.length, first_us, last_us },
    arrays: { ...curves.arrays, peaks: Float32Array.from(peaks) },
  };
}

export function makeCurves(log, labels = log.labels) {
  const arrays = { at_us: Float64Array.from(log.pts_us) };
  labels.forEach((label, at) => {
    const scores = new Float32Array(log.pts_us.length);
    const state = new Uint8Array(log.pts_us.length);
    log.sample.forEach((position, i) => {
      if (log.labels[log.label[i]] !== label) return;
      scores[position] = Math.max(scores[position], log.confidence[i]);
    });
    for (const i of Object.keys(log.failed)) state[i] = 1;
    for (const i of [...Object.keys(log.gated), ...(log.missing[label] || [])]) state[i] = 2;
    state.forEach((mark, i) => {
      if (mark) scores[i] = NaN;
    });
    Object.assign(arrays, { [`high.${at}`]: scores, [`state.${at}`]: state });
  });
  return { run_id: log.run_id, version: "any", curves: labels, is_exact: true, arrays };
}

// The samples and boxes of a log from one time to another.
export function makeWindow(log, from_us = 0, to_us = 60_000_000) {
  const inside = log.pts_us.flatMap((t, i) => (t >= from_us && t < to_us ? [i] : []));
  const [begin, end] = inside.length ? [inside[0], inside.at(-1) + 1] : [0, 0];
  const rows = log.sample.flatMap((position, i) =>
    position >= begin && position < end ? [i] : [],
  );
  const within = (reasons) =>
    Object.fromEntries(
      Object.entries(reasons)
        .map(([i, why]) => [i - begin, why])
        .filter(([i]) => i >= 0 && i < end - begin),
    );
  const first = inside.map((position) => rows.filter((i) => log.sample[i] < position).length);
  return {
    ...{ run_id: log.run_id, version: "any", from_us, to_us },
    before_us: log.pts_us.findLast((t) => t < from_us) ?? null,
    after_us: log.pts_us.find((t) => t >= to_us) ?? null,
    failed: within(log.failed),
    gated: within(log.gated),
    text: log.text ? rows.map((i) => log.text[i]) : null,
    arrays: {
      pts_us: Float64Array.from(inside.map((i) => log.pts_us[i])),
      first: Int32Array.from([...first, rows.length]),
      label: Uint16Array.from(rows.map((i) => log.label[i])),
      confidence: Float32Array.from(rows.map((i) => log.confidence[i])),
      box: Int16Array.from(rows.flatMap((i) => log.box.slice(4 * i, 4 * i + 4))),
    },
  };
}

export function makeSighting(label, onset_s, offset_s, changes = {}) {
  return {
    label,
    onset_s,
    offset_s,
    onset_earliest_s: onset_s,
    offset_latest_s: offset_s,
    duration_s: offset_s - onset_s,
    peak_s: onset_s,
    peak_confidence: 0.9,
    alert_s: onset_s,
    censored_left: false,
    censored_right: false,
    close_reason: "exit",
    most_at_once: 1,
    ...changes,
  };
}

export function makeAnswer(sightings = [], changes = {}) {
  return {
    sightings,
    rule_hash: "hash",
    result: "of these sightings",
    interval_s: 1,
    truth: null,
    figures: {
      sightings: sightings.length,
      presence_s: 0,
      presence_most_s: 0,
      analysed_s: 10,
      samples: 10,
      failed: 0,
      gated: 0,
      gaps: 0,
      alerts_per_hour: 0,
      alerts: 0,
      most_at_once: 0,
      by_label: [],
    },
    ...changes,
  };
}

export function makeAnnotation(id, start_us, end_us, changes = {}) {
  return {
    id,
    kind: "annotation",
    label: "cat",
    annotator: "me",
    origin: "independent",
    start_us,
    end_us,
    ...changes,
  };
}
