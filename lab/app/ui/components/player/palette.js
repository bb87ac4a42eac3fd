// The colours of labels: those of Okabe and Ito ("Color Universal Design", 2008) without black and
// yellow, which pages hide, with a lighter blue for the captions; the last two are added. Any two
// are told apart without red, green or blue cones, too.
export const PALETTE = [
  "#56b4e9",
  "#e69f00",
  "#009e73",
  "#cc79a7",
  "#d55e00",
  "#1f7fc4",
  "#d633ff",
  "#fd116c",
];
