// Why a clip is not played: the browser does not say, so the app is asked for its first byte.
// null where that does not count any more. cannotPlay: said if the clip itself can be had.
export async function whyNotPlayed(requests, src, cannotPlay) {
  const first = { headers: { Range: "bytes=0-0" }, cache: "no-store" };
  const answer = await requests.send("clip", src, first, () => null);
  if (!answer) return null;
  return answer.ok ? cannotPlay : `The clip cannot be loaded: ${answer.body}`;
}
