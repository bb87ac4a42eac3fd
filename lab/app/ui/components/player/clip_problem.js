// Why a clip is not played: the browser does not say, so the app is asked for its first byte.
// null where that does not count any more. cannotPlay: said if the clip itself can be had.
export async function whyNotPlayed(requests, src, cannotPlay) {
  const first = { headers: { Range: "bytes=0-0" }, cache: "no-store" };
  const answer = await requests.send("clip", src, first, () => null);
  if (!answer) return null;
  return answer.ok ? cannotPlay : `The clip cannot be loaded: ${answer.body}`;
}

const UNPLAYABLE =
  "This browser cannot play the clip. The scores and sightings below are complete.";

export async function explainError(stage) {
  const { data, model } = stage;
  if (!data.src || data.is_recording) return;
  stage.hasFailed = true;
  const why = await whyNotPlayed(model.requests, data.src, UNPLAYABLE);
  if (why) stage.showMessage(model.connection.problem || why);
}

// What is said where a recording cannot be played; null where it can.
export function withoutPicture(why) {
  return why && `${UNPLAYABLE} (${why})`;
}
