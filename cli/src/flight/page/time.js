// The call, its times, and what is looked at of it. Times in the data are milliseconds since the call began; on the line
// they count from the answer.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const recording = data.recording;
const answered = data.answered;
const isAnswered = answered !== null;
/** How long the line was open, as far as anything is known of it, and a little of what followed: up to two seconds. */
const ended = isAnswered
  ? Math.max(1000, (data.ended ?? data.newest ?? answered) - answered, recording ? recording.t + recording.ms - answered : 0)
  : 0;
const length = isAnswered ? ended + Math.min(2000, Math.max(ended * 0.02, data.newest - answered - ended)) : 0;
const lanes = data.lanes;
const newestAttempt = Math.max(1, ...data.phases.map((it) => it.attempt));

/** Facts as objects, and those of the line with times since the answer. */
const facts = data.facts.map(([t, attempt, lane, bearing, title, detail]) => ({ t, attempt, lane, bearing, title, detail }));
const onTheLine = isAnswered
  ? facts.filter((it) => it.attempt === newestAttempt && it.t >= answered).map((it) => ({ ...it, t: it.t - answered }))
  : [];
const said = isAnswered ? data.said.map(([t, by, text, cut]) => ({ t: t - answered, by, text, cut })) : [];
/** What went wrong on the line, whether a fact tells of it or only the counters: the summary tells of each kind once. */
function troublesOnTheLine() {
  const told = data.findings.wrong.map((it) => (
    { t: it.t - answered, bearing: "trouble", title: it.what, detail: [it.detail, it.toDo].filter(Boolean).join(" → ") }));
  const more = onTheLine.filter((it) => it.bearing === "trouble" && !told.some((known) => Math.abs(known.t - it.t) < 1));
  return [...told, ...more].filter((it) => it.t >= 0 && it.t <= length).sort((a, b) => a.t - b.t);
}
const troubles = isAnswered ? troublesOnTheLine() : [];
const seconds = isAnswered
  ? data.seconds.map(([t, callee, agent, queued, lost, recovered, concealed, late, jitter]) => (
      { t: t - answered, callee, agent, queued, lost, recovered, concealed, late, jitter }))
  : [];

/** What is looked at, and where one is. */
const view = { from: 0, to: length };
const state = { at: 0, isPlaying: false };
/** No closer than this: a twentieth of a second is a word's beginning. */
const CLOSEST_MS = 500;

function look(from, to) {
  const span = Math.min(length, Math.max(Math.min(CLOSEST_MS, length), to - from));
  const start = Math.min(Math.max(0, from), length - span);
  view.from = start;
  view.to = start + span;
}

function zoom(factor, around) {
  const span = (view.to - view.from) * factor;
  const share = (around - view.from) / (view.to - view.from);
  look(around - span * share, around - span * share + span);
}

/** The first of a sorted list that is at `t` or later. */
function firstFrom(list, t) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].t < t) low = middle + 1; else high = middle;
  }
  return low;
}

/** `0:07.3`, `12:00`, `1:02:03`. */
function minutes(ms, digits = 1) {
  const unit = 10 ** digits;
  const all = Math.round(Math.abs(ms) / 1000 * unit) / unit;
  const hours = Math.floor(all / 3600), minute = Math.floor(all / 60) % 60, second = all % 60;
  const tail = second.toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  const head = hours ? `${hours}:${String(minute).padStart(2, "0")}` : String(minute);
  return `${ms < 0 ? "−" : ""}${head}:${tail}`;
}

/** Time of day in UTC, of a time since the call began. */
function clock(ms) {
  return new Date(data.began + ms).toISOString().slice(11, 23);
}

/** Seconds since the answer where there was one, else since the call began. */
function since(ms) {
  const t = ms - (answered ?? 0);
  return Math.abs(t) >= 60000 ? minutes(t) : `${t < 0 ? "−" : "+"}${(Math.abs(t) / 1000).toFixed(2)} s`;
}

const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => escapes[c]);
