// What one does: keys, mouse, fingers; and the one loop that draws.
const JUMP_MS = 5000;
let isDirty = true, spoken = -1, here = null;

function moveCursor() {
  const x = toX(state.at);
  byId("cursor").style.transform = `translateX(${x}px)`;
  byId("cursor").hidden = x < gutter.left - 1 || x > width + 1;
  byId("now").textContent = `${minutes(state.at)} of ${minutes(ended, 0)}`;
  stage.setAttribute("aria-valuenow", Math.round(state.at / 1000));
  stage.setAttribute("aria-valuetext", `${minutes(state.at)} after the answer`);
}

/** Underlines what is being said; nothing is touched while that stays the same. */
function followWords() {
  const nth = firstFrom(said, state.at + 1) - 1;
  if (nth === spoken) return;
  byId("said").querySelector(".is-now")?.classList.remove("is-now");
  byId("said").querySelector(`[data-nth="${nth}"]`)?.classList.add("is-now");
  spoken = nth;
}

function frame() {
  if (state.isPlaying) {
    hear();
    // Turned like a page, not scrolled: nothing moves but the cursor.
    if (state.at > view.to || state.at < view.from) {
      const span = view.to - view.from;
      look(state.at - span * 0.05, state.at + span * 0.95);
      isDirty = true;
    }
    followWords();
  }
  if (isDirty) draw(); else if (state.isPlaying) moveCursor();
  isDirty = false;
  if (state.isPlaying) requestAnimationFrame(frame); else isAsked = false;
}
let isAsked = false;
function ask() {
  isDirty = true;
  if (!isAsked) { isAsked = true; requestAnimationFrame(frame); }
}

function goTo(t, isToBeSeen = true) {
  state.at = Math.min(length, Math.max(0, t));
  seekSound(state.at);
  const span = view.to - view.from;
  if (isToBeSeen && (state.at < view.from || state.at > view.to)) look(state.at - span / 3, state.at + span * 2 / 3);
  followWords();
  ask();
}

function tell(html) { byId("readout").innerHTML = html; }

const inWords = (it) => `<b class="${it.bearing}">${escaped(it.title)}</b> ${escaped(it.detail)} <span>${since(it.t + answered)} · ${clock(it.t + answered)} UTC</span>`;

/** What is known of a moment: the second's counters. */
function momentInWords(t) {
  const at = Math.min(seconds.length - 1, firstFrom(seconds, t));
  const it = seconds[at];
  if (!it) return `<span>${minutes(t)}</span>`;
  const level = (name, value) => (value === null ? "" : ` · ${name} ${value <= -100 ? "silent" : `${value} dBFS`}`);
  const count = (name, value) => (value ? ` · ${value} ${name}` : "");
  return `<span>${minutes(t)} · ${clock(t + answered)} UTC${level("callee", it.callee)}${level("agent", it.agent)} · ${(it.queued / 1000).toFixed(1)} s queued` +
    `${count("lost", it.lost)}${count("rebuilt", it.recovered)}${count("made up", it.concealed)}${count("late", it.late)}` +
    `${it.jitter === null ? "" : ` · jitter ${it.jitter.toFixed(1)} ms`}</span>`;
}

function goToFact(it) {
  goTo(it.t);
  tell(inWords(it));
}

/** The next thing after where one is, or before it. */
function jump(list, isForward) {
  const next = isForward ? list.find((it) => it.t > state.at + 1) : list.findLast((it) => it.t < state.at - 1);
  if (next) goToFact(next);
  return next;
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !isAnswered) return;
  const on = event.target;
  if (on.matches?.("select, summary, input") || (event.key === " " && on.matches?.("button"))) return;
  const middle = state.at >= view.from && state.at <= view.to ? state.at : (view.from + view.to) / 2;
  const keys = {
    " ": () => { state.isPlaying ? pause() : play(); },
    ArrowLeft: () => goTo(state.at - JUMP_MS),
    ArrowRight: () => goTo(state.at + JUMP_MS),
    Home: () => goTo(0),
    End: () => goTo(ended),
    "+": () => zoom(1 / 1.6, middle),
    "=": () => zoom(1 / 1.6, middle),
    "-": () => zoom(1.6, middle),
    0: () => look(0, length),
    n: () => jump(troubles, true),
    p: () => jump(troubles, false),
    ".": () => jump(onTheLine, true),
    ",": () => jump(onTheLine, false),
  };
  const does = keys[event.key];
  if (!does) return;
  event.preventDefault();
  does();
  ask();
}

/** The mark or the words under the pointer, if there is one near. */
function under(x, y) {
  const row = rows.find((it) => y >= it.top && y < it.top + it.tall);
  const list = row?.marks.length ? row.marks : null;
  if (!list) return row?.draw === drawWords ? wordsUnder(row.of, toTime(x)) : null;
  const near = list.slice(Math.max(0, firstFrom(list, toTime(x - 9))), firstFrom(list, toTime(x + 9)));
  return near.reduce((best, it) => (best && Math.abs(toX(best.t) - x) <= Math.abs(toX(it.t) - x) ? best : it), null);
}

function wordsUnder(by, t) {
  const own = wordsOf[by], it = own[firstFrom(own, t + 1) - 1];
  return it ? { t: it.t, lane: lanes.indexOf(by ? "agent" : "callee"), bearing: "step", title: by ? "agent said" : "callee said", detail: it.text } : null;
}

function hover(event) {
  const box = stage.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
  const it = under(x, y), tip = byId("tip");
  if (it !== here) {
    here = it;
    tip.hidden = !it;
    if (it) tip.innerHTML = inWords(it);
  }
  if (it) {
    const left = Math.min(x + 14, width - tip.offsetWidth - 4), top = y + 18 + tip.offsetHeight > height ? y - tip.offsetHeight - 10 : y + 18;
    tip.style.transform = `translate(${Math.max(0, left)}px, ${top}px)`;
  } else if (!state.isPlaying && x >= gutter.left) {
    tell(momentInWords(Math.min(length, Math.max(0, toTime(x)))));
  }
}

function handles() {
  const fingers = new Map();
  let begun = null;
  stage.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, event.clientX);
    stage.setPointerCapture(event.pointerId);
    begun = { x: event.clientX, from: view.from, to: view.to, moved: false, apart: apart(fingers) };
  });
  stage.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return hover(event);
    fingers.set(event.pointerId, event.clientX);
    const span = begun.to - begun.from;
    if (fingers.size === 2 && begun.apart) {
      const factor = begun.apart / Math.max(10, apart(fingers)), middle = (begun.from + begun.to) / 2;
      look(middle - span * factor / 2, middle + span * factor / 2);
    } else {
      const by = event.clientX - begun.x;
      begun.moved ||= Math.abs(by) > 4;
      if (!begun.moved) return;
      stage.classList.add("dragged");
      const t = by / (width - gutter.left) * span;
      look(begun.from - t, begun.to - t);
    }
    ask();
  });
  const over = (event) => {
    fingers.delete(event.pointerId);
    stage.classList.remove("dragged");
    if (event.type === "pointerup" && begun && !begun.moved && !begun.apart) {
      const box = stage.getBoundingClientRect(), x = event.clientX - box.left;
      const it = under(x, event.clientY - box.top);
      if (it) goToFact(it); else if (x >= gutter.left) { goTo(toTime(x), false); tell(momentInWords(state.at)); }
    }
  };
  stage.addEventListener("pointerup", over);
  stage.addEventListener("pointercancel", over);
  stage.addEventListener("pointerleave", () => { byId("tip").hidden = true; here = null; });
  stage.addEventListener("wheel", (event) => {
    const isZoom = event.ctrlKey || event.metaKey, by = event.shiftKey ? event.deltaY : event.deltaX;
    if (!isZoom && !by) return;
    event.preventDefault();
    if (isZoom) zoom(Math.exp(event.deltaY / 300), toTime(event.clientX - stage.getBoundingClientRect().left));
    else { const t = by / width * (view.to - view.from); look(view.from + t, view.to + t); }
    ask();
  }, { passive: false });
  const onOverview = (event) => {
    if (!event.buttons) return;
    const span = view.to - view.from, t = (event.clientX - overview.getBoundingClientRect().left) / overview.clientWidth * length;
    look(t - span / 2, t + span / 2);
    if (span >= length - 1) goTo(t);
    ask();
  };
  overview.addEventListener("pointerdown", (event) => { overview.setPointerCapture(event.pointerId); onOverview(event); });
  overview.addEventListener("pointermove", onOverview);
}

function apart(fingers) {
  const [a, b] = [...fingers.values()];
  return fingers.size === 2 ? Math.abs(a - b) : 0;
}

function onClick(id, does) {
  byId(id).addEventListener("click", () => { does(); ask(); });
}

function begin() {
  showSummary();
  showBefore();
  showWords();
  showFacts();
  byId("keys").hidden = !isAnswered;
  if (!isAnswered) return;
  byId("line").hidden = false;
  stage.setAttribute("aria-valuemax", Math.round(ended / 1000));
  if (!hasSound) {
    byId("play").disabled = true;
    byId("play").textContent = "No sound";
    document.querySelectorAll(".voice, #tools label").forEach((it) => { it.hidden = true; it.style.display = "none"; });
  }
  for (const id of ["trouble-before", "trouble-after"]) byId(id).hidden = troubles.length === 0;
  readColours();
  layOut();
  fit();
  const again = () => { readColours(); fit(); draw(); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  matchMedia("print").addEventListener("change", again);
  new ResizeObserver(() => { fit(); draw(); }).observe(stage);
  document.addEventListener("keydown", onKey);
  handles();
  onClick("play", () => { state.isPlaying ? pause() : play(); });
  onClick("closer", () => zoom(1 / 1.6, state.at >= view.from && state.at <= view.to ? state.at : (view.from + view.to) / 2));
  onClick("wider", () => zoom(1.6, (view.from + view.to) / 2));
  onClick("whole", () => look(0, length));
  onClick("trouble-before", () => jump(troubles, false));
  onClick("trouble-after", () => jump(troubles, true));
  byId("speed").addEventListener("change", () => voices.forEach((audio) => { audio.playbackRate = Number(byId("speed").value); }));
  document.addEventListener("click", (event) => {
    const at = event.target.closest?.("[data-at]")?.dataset.at;
    if (at === undefined) return;
    goTo(Number(at));
    const fact = onTheLine.find((it) => Math.abs(it.t - at) < 1);
    tell(fact ? inWords(fact) : momentInWords(Number(at)));
    stage.scrollIntoView({ block: "nearest" });
  });
  ask();
}
begin();
