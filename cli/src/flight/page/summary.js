// What can be read: the summary, what was before the answer, what was said, every fact. Built once.
const EACH = 50, ROW_PX = 26;

/** Many in pieces that the browser lays out only when somebody looks at them. */
function inChunks(rows) {
  if (rows.length < 4 * EACH) return rows.join("");
  const chunks = [];
  for (let at = 0; at < rows.length; at += EACH) {
    const some = rows.slice(at, at + EACH);
    chunks.push(`<div class="chunk" style="contain-intrinsic-height:auto ${some.length * ROW_PX}px">${some.join("")}</div>`);
  }
  return chunks.join("");
}

/** A time that one can go to, if it is on the line. */
function timeButton(t) {
  const words = since(t);
  const onLine = isAnswered && t >= answered;
  return onLine ? `<button type="button" class="time" data-at="${t - answered}" title="${clock(t)} UTC">${words}</button>`
    : `<span title="${clock(t)} UTC">${words}</span>`;
}

function factRow(it) {
  return `<div class="row ${it.bearing}"><span>${clock(it.t)}</span><span>${timeButton(it.t)}</span><span>${lanes[it.lane]}</span>` +
    `<span>${escaped(it.title)}</span><span>${escaped(it.detail)}</span></div>`;
}

function showSummary() {
  const { findings, call } = data;
  byId("verdict").textContent = findings.verdict;
  byId("verdict").className = findings.tone;
  const about = [
    call.callId, call.number, call.country, call.campaign && `campaign ${call.campaign}`, call.customer && `customer ${call.customer}`,
    `${new Date(data.began).toISOString().slice(0, 19).replace("T", " ")} UTC`, `key ${data.key}`,
  ];
  byId("about").textContent = about.filter(Boolean).join(" · ");
  const wrong = findings.wrong.map((it) => {
    const until = it.until === null ? "" : ` (over after ${((it.until - it.t) / 1000).toFixed(1)} s)`;
    const times = it.times > 1 ? ` (${it.times} times, this the first)` : "";
    const attempt = newestAttempt > 1 ? `attempt ${it.attempt}, ` : "";
    return `<li>${attempt}${timeButton(it.t)} <b>${escaped(it.what)}</b>${times}${it.detail ? `: ${escaped(it.detail)}` : ""}${until}` +
      `<small>${escaped(it.toDo)}</small></li>`;
  });
  byId("questions").innerHTML =
    `<dt>Why did it end?</dt><dd>${escaped(findings.whyItEnded)}</dd>` +
    `<dt>Were both sides heard?</dt><dd>${escaped(findings.bothHeard)}</dd>` +
    `<dt>What went wrong?</dt><dd>${wrong.length ? `<ol id="wrong">${wrong.join("")}</ol>` : "Nothing."}</dd>`;
  byId("figures").innerHTML = findings.figures
    .map((it) => `<div><dt>${escaped(it.name)}</dt><dd>${escaped(it.value)}</dd></div>`).join("");
  const made = [
    call.room && `room ${call.room}`, call.agentCallId && `agent call ${call.agentCallId}`, call.version && `bridge-task ${call.version}`,
    data.notUnderstood && `${data.notUnderstood} facts of a newer version are left out`,
    recording && recording.damaged.length && `a recording is damaged: ${recording.damaged.join("; ")}`,
  ];
  byId("made").textContent = made.filter(Boolean).join(" · ");
}

/** A second is so wide as it is long, within what can be read. */
function wait(it, longest) {
  const isPhone = it.name === "dial" || it.name === "ringing";
  const names = [isPhone && "phone", it === longest && "longest"].filter(Boolean).join(" ");
  const took = it.seconds < 100 ? `${it.seconds.toFixed(it.seconds < 10 ? 2 : 1)} s` : minutes(it.seconds * 1000, 0);
  return `<li class="${names}" style="flex-grow:${Math.max(1, it.seconds * 100)}"><b>${took}</b>${escaped(it.name)}</li>`;
}

function showBefore() {
  byId("before-title").textContent = isAnswered ? "Before the answer" : "How far it came";
  byId("attempts").innerHTML = data.phases.map(({ attempt, phases }) => {
    const longest = phases.length > 1 ? phases.reduce((a, b) => (b.seconds > a.seconds ? b : a)) : null;
    const own = facts.filter((it) => it.attempt === attempt && !(attempt === newestAttempt && isAnswered && it.t > answered));
    const title = newestAttempt > 1 ? `<h3>attempt ${attempt}</h3>` : "";
    return `<div class="attempt">${title}<ol class="waits">${phases.map((it) => wait(it, longest)).join("")}</ol>` +
      `<div class="rows">${own.map(factRow).join("")}</div></div>`;
  }).join("");
}

function showWords() {
  byId("words").hidden = said.length === 0;
  byId("said").innerHTML = inChunks(said.map((it, nth) => {
    const by = it.by ? "agent" : "callee";
    return `<div class="said ${by}" data-nth="${nth}"><span>${timeButton(it.t + answered)}</span><span>${by}</span><span>${escaped(it.text)}${it.cut ? " <i>(cut short)</i>" : ""}</span></div>`;
  }));
}

function showFacts() {
  byId("count").textContent = `${facts.length}, in UTC`;
  const details = document.querySelector("#all details");
  const fill = () => { if (!byId("facts").firstChild) byId("facts").innerHTML = inChunks(facts.map(factRow)); };
  details.addEventListener("toggle", fill);
  window.addEventListener("beforeprint", () => { fill(); details.open = true; });
}
