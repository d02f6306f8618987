// The picture: one canvas, of which only what is looked at is drawn, and only when that changes. The cursor is an element
// of its own, so that playing draws nothing.
const stage = byId("stage"), overview = byId("overview");
const picture = stage.querySelector("canvas"), small = overview.querySelector("canvas");
const pen = picture.getContext("2d"), smallPen = small.getContext("2d");
const colours = {};
const gutter = { left: 0 };
let width = 0, rows = [], height = 0;
/** How high each second's curves reach. */
const LOUDEST_DBFS = 0, FAINTEST_DBFS = -60;
const mostQueued = Math.max(1000, ...seconds.map((it) => it.queued));
// Half a second of each at least: what is a handful of frames on one page is one on every page.
const mostLost = Math.max(25, ...seconds.map((it) => it.lost + it.concealed + it.late));

function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["ground", "ink", "faint", "rule", "band", "callee", "agent", "trouble", "queue", "rebuilt"]) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
}

/** The peaks of each hundredth of a second, and the largest of ten and of a hundred of them. */
function pyramid(text) {
  const levels = [Uint8Array.from(atob(text), (c) => c.charCodeAt(0))];
  while (levels.length < 3) {
    const fine = levels.at(-1), coarse = new Uint8Array(Math.ceil(fine.length / 10));
    for (let at = 0; at < fine.length; at++) if (fine[at] > coarse[at / 10 | 0]) coarse[at / 10 | 0] = fine[at];
    levels.push(coarse);
  }
  return levels;
}
const peaks = recording ? [pyramid(recording.callee), pyramid(recording.agent)] : null;
/** The recording starts at the answer, but a clock may have been set meanwhile. */
const offset = recording ? recording.t - answered : 0;

/** The largest peak from one time to another. */
function peak(levels, from, to) {
  const span = to - from;
  const level = span >= 1000 ? 2 : span >= 100 ? 1 : 0;
  const each = recording.peakMs * 10 ** level, list = levels[level];
  let most = 0;
  const end = Math.min(list.length, Math.max(Math.floor((to - offset) / each), Math.floor((from - offset) / each) + 1));
  for (let at = Math.max(0, Math.floor((from - offset) / each)); at < end; at++) if (list[at] > most) most = list[at];
  return most;
}

/** What there is to draw, from top to bottom. */
function layOut() {
  const used = [...new Set(onTheLine.filter((it) => it.title !== "callee said" && it.title !== "agent said").map((it) => it.lane))].sort((a, b) => a - b);
  const words = (of, name) => (wordsOf[of].length ? [[name, 21, drawWords, of]] : []);
  const wave = peaks ? [["callee", 64, drawWave, 0], ...words(0, "said"), ["agent", 64, drawWave, 1], ...words(1, "said")]
    : [...words(0, "callee"), ...words(1, "agent")];
  const below = seconds.length ? [["level, dBFS", 62, drawLevels], ["queued, s", 42, drawQueue], ["lost, frames", 38, drawLosses]] : [];
  const all = [["", 24, drawAxis], ...wave, ...used.map((lane) => [lanes[lane], 22, drawMarks, lane]), ...below];
  let top = 0;
  rows = all.map(([name, tall, draw, of]) => {
    const own = draw === drawMarks ? onTheLine.filter((it) => it.lane === of && !it.title.endsWith(" said")) : [];
    const row = { name, top, tall, draw, of, marks: draw === drawAxis ? troubles : own };
    top += tall + (draw === drawWords ? 8 : 3);
    return row;
  });
  height = top + 2;
}

function fit() {
  width = stage.clientWidth;
  gutter.left = width >= 720 ? 92 : 52;
  stage.style.height = `${height}px`;
  const dots = window.devicePixelRatio || 1;
  overview.style.marginLeft = `${gutter.left}px`;
  for (const [canvas, context, tall] of [[picture, pen, height], [small, smallPen, 40]]) {
    canvas.width = Math.round((canvas === small ? width - gutter.left : width) * dots);
    canvas.height = Math.round(tall * dots);
    context.setTransform(dots, 0, 0, dots, 0, 0);
  }
  drawOverview();
}

const toX = (t) => gutter.left + (t - view.from) / (view.to - view.from) * (width - gutter.left);
const toTime = (x) => view.from + (x - gutter.left) / (width - gutter.left) * (view.to - view.from);

function draw() {
  pen.clearRect(0, 0, width, height);
  pen.font = "12px system-ui, sans-serif";
  pen.textBaseline = "middle";
  drawTroubles();
  for (const row of rows) {
    pen.save();
    pen.beginPath();
    pen.rect(gutter.left, row.top, width - gutter.left, row.tall);
    pen.clip();
    row.draw(row);
    pen.restore();
    label(row);
  }
  moveCursor();
  const share = (t) => t / length * (width - gutter.left);
  byId("window").style.transform = `translateX(${share(view.from)}px)`;
  byId("window").style.width = `${Math.max(3, share(view.to - view.from))}px`;
  byId("window").hidden = view.to - view.from >= length - 1;
}

function label(row) {
  if (!row.name) return;
  pen.fillStyle = row.name === "callee" || row.name === "agent" ? colours[row.name] : colours.faint;
  pen.textAlign = "right";
  const isNarrow = gutter.left < 90;
  if (isNarrow) pen.font = "10.5px system-ui, sans-serif";
  pen.fillText(isNarrow ? row.name.split(",")[0] : row.name, gutter.left - (isNarrow ? 6 : 10), row.top + row.tall / 2);
  pen.font = "12px system-ui, sans-serif";
  pen.textAlign = "left";
}

/** A line through everything where something went wrong. */
function drawTroubles() {
  pen.fillStyle = colours.trouble;
  pen.globalAlpha = 0.35;
  for (const { t } of troubles) if (t >= view.from && t <= view.to) pen.fillRect(Math.round(toX(t)), 0, 1, height);
  pen.globalAlpha = 1;
}

const STEPS = [100, 200, 500, 1000, 2000, 5000, 10000, 15000, 30000, 60000, 120000, 300000, 600000, 1200000];
function drawAxis({ top, tall }) {
  const step = STEPS.find((it) => it / (view.to - view.from) * (width - gutter.left) >= 66) ?? 3600000;
  pen.fillStyle = colours.faint;
  for (let t = Math.ceil(view.from / step) * step; t <= view.to; t += step) {
    const x = Math.round(toX(t));
    pen.fillRect(x, top + tall - 5, 1, 5);
    const text = minutes(t, step < 1000 ? 1 : 0);
    pen.textAlign = x - gutter.left < 16 ? "left" : x > width - 18 ? "right" : "center";
    pen.fillText(text, x, top + 9);
  }
  pen.textAlign = "left";
  pen.fillRect(gutter.left, top + tall - 1, width - gutter.left, 1);
  pen.fillStyle = colours.trouble;
  for (const { t } of troubles) if (t >= view.from && t <= view.to) triangle(toX(t), top + tall - 7);
}

/** Trouble, in a shape of its own: not by its colour alone. */
function triangle(x, middle) {
  pen.beginPath();
  pen.moveTo(x, middle - 7);
  pen.lineTo(x + 6.5, middle + 5);
  pen.lineTo(x - 6.5, middle + 5);
  pen.fill();
}

function drawWave({ top, tall, of }) {
  const middle = top + tall / 2, half = tall / 2 - 1, pixel = (view.to - view.from) / (width - gutter.left);
  pen.fillStyle = colours.band;
  pen.fillRect(gutter.left, top, width, tall);
  pen.fillStyle = of ? colours.agent : colours.callee;
  for (let x = gutter.left; x < width; x++) {
    const from = view.from + (x - gutter.left) * pixel;
    const high = Math.max(0.5, peak(peaks[of], from, from + pixel) / 255 * half);
    pen.fillRect(x, middle - high, 1, high * 2);
  }
}

/** What was said, from when it was told on, as far as there is room until the next words. */
function drawWords({ top, tall, of }) {
  const own = wordsOf[of];
  const middle = top + tall / 2;
  pen.fillStyle = of ? colours.agent : colours.callee;
  let at = Math.max(0, firstFrom(own, view.from) - 1);
  let drawn = -1;
  for (; at < own.length && own[at].t <= view.to; at++) {
    const x = Math.max(gutter.left, toX(own[at].t));
    const room = (at + 1 < own.length ? Math.min(width, toX(own[at + 1].t)) : width) - x - 8;
    if (x - drawn < 2) continue;
    drawn = x;
    pen.fillRect(x, top + 3, 1.5, tall - 6);
    if (room > 24) pen.fillText(shortened(own[at].text, room - 5), x + 5, middle);
  }
}
const wordsOf = [said.filter((it) => !it.by), said.filter((it) => it.by)];

function shortened(text, room) {
  // A character is about six dots wide: only what may fit is measured.
  let shown = text.slice(0, Math.ceil(room / 3));
  if (shown === text && pen.measureText(text).width <= room) return text;
  const share = room / Math.max(1, pen.measureText(shown).width);
  shown = shown.slice(0, Math.max(0, Math.floor(shown.length * share) - 1));
  return shown ? `${shown}…` : "";
}

function drawMarks({ top, tall, marks }) {
  const middle = top + tall / 2;
  pen.fillStyle = colours.rule;
  pen.fillRect(gutter.left, Math.round(middle), width, 1);
  let drawn = -9, free = -9;
  for (let at = firstFrom(marks, view.from - 1); at < marks.length && marks[at].t <= view.to; at++) {
    const it = marks[at], x = toX(it.t), isTrouble = it.bearing === "trouble";
    if (x - drawn < 2 && !isTrouble) continue;
    drawn = x;
    pen.fillStyle = isTrouble ? colours.trouble : it.bearing === "note" ? colours.faint : colours.ink;
    if (isTrouble) {
      triangle(x, middle);
    } else if (it.bearing === "note") {
      pen.fillRect(x - 2, middle - 2, 4, 4);
    } else {
      pen.beginPath();
      pen.arc(x, middle, 4, 0, 7);
      pen.fill();
    }
    const next = at + 1 < marks.length ? toX(marks[at + 1].t) - 8 : width;
    // No word is that short, and measuring takes time.
    if (next - x < 24 && x < width - 40) continue;
    const words = it.bearing === "note" && it.detail ? it.detail : it.title;
    const wide = pen.measureText(words).width;
    let from = x + 9;
    // At the right edge the words stand before their mark.
    if (from + wide > width && x - 9 - wide > Math.max(free, gutter.left)) from = x - 9 - wide;
    else if (from + wide > next || from < free) continue;
    pen.fillStyle = colours.ground;
    pen.fillRect(from - 2, middle - 7, wide + 4, 15);
    pen.fillStyle = isTrouble ? colours.trouble : colours.faint;
    pen.fillText(words, from, middle + 0.5);
    free = from + wide + 6;
  }
}

/** Seconds as they are drawn: a row tells of the second before its time, and of those that share a dot the highest counts. */
function* steps(of) {
  let from = null, most = null;
  for (let at = firstFrom(seconds, view.from); at < seconds.length; at++) {
    const it = seconds[at], x = toX(it.t), value = of(it);
    from ??= at ? toX(seconds[at - 1].t) : toX(Math.max(0, it.t - 1000));
    if (value !== null && (most === null || value > most)) most = value;
    const isLast = it.t > view.to || at + 1 === seconds.length;
    if (x - from < 1 && !isLast) continue;
    yield [from, x, most];
    if (isLast) return;
    from = null;
    most = null;
  }
}

/** A curve of steps; `null` leaves a gap. */
function curve({ top, tall }, of, most) {
  const path = [];
  let isDown = false;
  for (const [from, to, value] of steps(of)) {
    if (value !== null) {
      const y = top + tall - 1 - Math.min(1, Math.max(0, value / most)) * (tall - 3);
      path.push([isDown, from, y], [true, to, y]);
    }
    isDown = value !== null;
  }
  return path;
}

function stroke(path, colour) {
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  pen.beginPath();
  for (const [isOn, x, y] of path) if (isOn) pen.lineTo(x, y); else pen.moveTo(x, y);
  pen.stroke();
}

function base({ top, tall }, text) {
  pen.fillStyle = colours.rule;
  pen.fillRect(gutter.left, top + tall - 1, width, 1);
  pen.fillStyle = colours.faint;
  pen.textAlign = "right";
  pen.font = "10.5px system-ui, sans-serif";
  pen.fillText(text, width - 2, top + 6);
  pen.font = "12px system-ui, sans-serif";
  pen.textAlign = "left";
}

function drawLevels(row) {
  const height = (level) => (level === null ? null : level - FAINTEST_DBFS);
  const speech = row.top + row.tall - 1 - (40 / 60) * (row.tall - 3);
  pen.fillStyle = colours.rule;
  for (let x = gutter.left; x < width; x += 6) pen.fillRect(x, Math.round(speech), 2, 1);
  base(row, "0");
  pen.fillText("−20", gutter.left + 3, speech - 6);
  stroke(curve(row, (it) => height(it.agent), LOUDEST_DBFS - FAINTEST_DBFS), colours.agent);
  stroke(curve(row, (it) => height(it.callee), LOUDEST_DBFS - FAINTEST_DBFS), colours.callee);
}

function drawQueue(row) {
  base(row, `${(mostQueued / 1000).toFixed(1)} s`);
  const path = curve(row, (it) => it.queued, mostQueued);
  if (!path.length) return;
  const floor = row.top + row.tall - 1;
  pen.fillStyle = colours.queue;
  pen.globalAlpha = 0.35;
  pen.beginPath();
  pen.moveTo(path[0][1], floor);
  for (const [, x, y] of path) pen.lineTo(x, y);
  pen.lineTo(path.at(-1)[1], floor);
  pen.fill();
  pen.globalAlpha = 1;
  stroke(path, colours.queue);
}

/** Frames of 20 ms: lost for good and late at the bottom, rebuilt and made up on top. */
function drawLosses(row) {
  const isAny = seconds.some((it) => it.lost || it.concealed || it.late);
  base(row, isAny ? mostLost : "none");
  const floor = row.top + row.tall - 1, scale = (row.tall - 3) / mostLost;
  const bars = (of, colour) => {
    pen.fillStyle = colour;
    for (const [from, to, value] of steps(of)) if (value) pen.fillRect(from, floor - value * scale, Math.max(1, to - from - 1), value * scale);
  };
  const bad = (it) => Math.max(0, it.lost - it.recovered) + it.late;
  bars((it) => bad(it) + it.recovered + it.concealed, colours.rebuilt);
  bars(bad, colours.trouble);
  if (!isAny) return;
  pen.font = "10.5px system-ui, sans-serif";
  let x = gutter.left + 3;
  for (const [words, colour] of [["lost or late", colours.trouble], ["rebuilt or made up", colours.faint]]) {
    pen.fillStyle = colours.ground;
    pen.globalAlpha = 0.8;
    pen.fillRect(x - 2, row.top, pen.measureText(words).width + 5, 13);
    pen.globalAlpha = 1;
    pen.fillStyle = colour;
    pen.fillText(words, x, row.top + 6.5);
    x += pen.measureText(words).width + 12;
  }
  pen.font = "12px system-ui, sans-serif";
}

function drawOverview() {
  const wide = width - gutter.left;
  smallPen.clearRect(0, 0, wide, 40);
  if (peaks) {
    for (const of of [0, 1]) {
      smallPen.fillStyle = of ? colours.agent : colours.callee;
      for (let x = 0; x < wide; x++) {
        const high = peak(peaks[of], x / wide * length, (x + 1) / wide * length) / 255 * 18;
        smallPen.fillRect(x, of ? 20.5 : 19.5 - high, 1, high);
      }
    }
  }
  smallPen.fillStyle = colours.trouble;
  for (const { t } of troubles) smallPen.fillRect(t / length * wide - 1, 0, 2, 40);
}
