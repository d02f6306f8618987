// Both voices as they were recorded, played in step: two elements, the callee's the leader.
const voices = [];
/** Farther apart one hears it. */
const APART_S = 0.05;

function voice(id) {
  const text = byId(id).textContent.trim();
  if (!text) return null;
  const bytes = atob(text), opus = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at++) opus[at] = bytes.charCodeAt(at);
  const audio = new Audio(URL.createObjectURL(new Blob([opus], { type: "audio/ogg; codecs=opus" })));
  audio.preload = "auto";
  return audio;
}

/** Only once somebody wants to listen: an hour is thirty megabytes. */
function openSound() {
  if (voices.length) return;
  for (const [id, box] of [["callee-opus", "hear-callee"], ["agent-opus", "hear-agent"]]) {
    const audio = voice(id);
    audio.muted = !byId(box).checked;
    byId(box).addEventListener("change", () => { audio.muted = !byId(box).checked; });
    voices.push(audio);
  }
  voices[0].addEventListener("ended", pause);
}

const hasSound = Boolean(recording) && byId("callee-opus").textContent.trim() !== "" && byId("agent-opus").textContent.trim() !== "";
const toSound = (t) => Math.max(0, (t - offset) / 1000);

async function play() {
  if (!hasSound || state.isPlaying) return;
  openSound();
  if (state.at >= ended - 50) state.at = 0;
  state.isPlaying = true;
  byId("play").textContent = "Pause";
  for (const audio of voices) {
    audio.playbackRate = Number(byId("speed").value);
    audio.currentTime = toSound(state.at);
  }
  try {
    await Promise.all(voices.map((audio) => audio.play()));
  } catch (error) {
    pause();
    tell(`<span class="trouble">This browser does not play it: ${escaped(error.message)}. Ogg Opus files play in any player: ocg flight export has them.</span>`);
  }
}

function pause() {
  state.isPlaying = false;
  byId("play").textContent = "Play";
  voices.forEach((audio) => audio.pause());
}

/** Where the sound is; the other voice is brought into step. */
function hear() {
  const [leader, other] = voices;
  state.at = Math.min(ended, leader.currentTime * 1000 + offset);
  if (!other.seeking && Math.abs(other.currentTime - leader.currentTime) > APART_S && leader.currentTime < (other.duration || Infinity)) {
    other.currentTime = leader.currentTime;
  }
}

function seekSound(t) {
  voices.forEach((audio) => { audio.currentTime = toSound(t); });
}
