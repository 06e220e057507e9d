// The page of a commissioning. It shows what the terminal's dialogue says; each button sends the line that could be
// typed there. All text goes into the document as text, never as HTML.
import { $, SCENES, ask, fill, look, make, nothing, percent, put } from "./common.js";

const EVERY_MS = 500, SLOWEST_MS = 8000;
const WORDS = { ...SCENES, decided: "Seen: take it out" };
const SPOKEN = ["shot", "place", "help", "camera", "state"]; // kinds of notes that are shown below the view
let state = null, pollMs = EVERY_MS, lostSince = 0, spoken = 0, bound = "";

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const colourOf = (well) => (well === null ? "" : well ? "ok" : "bad");

async function poll() {
  try {
    const answer = await ask("/api/state");
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const found = await answer.json();
    pollMs = EVERY_MS;
    lostSince = 0;
    lost(found.state === null ? "The station is starting." : found.stale_s > 8 ? "The station has said nothing for a while; it may have been stopped." : "");
    $("logout").hidden = !found.locked;
    if (found.state) show(found.state);
  } catch {
    lostSince = lostSince || Date.now();
    pollMs = Math.min(SLOWEST_MS, pollMs * 1.6);
    if (Date.now() - lostSince > 1500) lost("No contact: the commissioning has ended, or this device is not in the station's network.");
  }
}

function lost(text) {
  put("offline", text);
  $("offline").hidden = !text;
  $("stage").classList.toggle("stale", Boolean(text));
  if (text) for (const button of document.querySelectorAll("[data-typed]")) button.disabled = true;
}

function show(found) {
  state = found;
  document.title = `Commissioning ${state.station} · waste-edge`;
  put("station", `Commissioning ${state.station}`);
  put("where", [state.bundle, state.camera.title].filter(Boolean).join(" · "));
  put("about", `waste-edge ${state.version}. No picture is kept, neither here nor on the station.`);
  const total = state.labels.reduce((sum, one) => sum + one.items, 0);
  put("count", total === 1 ? "1 item" : `${total} items`);
  put("prompt", sentence(promptNow()));
  $("question").hidden = state.mode !== "question";
  $("answers").hidden = state.mode === "question" || state.mode === "ended";
  showLabels();
  showNotes();
  showWorth();
  showRegion();
  for (const button of document.querySelectorAll("[data-typed]")) {
    button.disabled = state.mode !== (button.closest("#question") ? "question" : "talk");
  }
  if (state.mode === "question") nothing("All was seen: the camera is no longer looked at.");
  else if (state.camera.state === "absent") nothing(`No camera. ${state.camera.reason}`);
}

function promptNow() {
  if (state.mode === "ended") return "This commissioning has ended.";
  return state.mode === "look" || !state.prompt ? "Please wait: nothing is asked at the moment." : state.prompt;
}

function showLabels() {
  $("press").hidden = state.mode !== "talk";
  const key = state.labels.map((one) => one.label).join("\n");
  if (bound !== key) { // once: a button that has the focus keeps it while the counts change
    bound = key;
    $("labels").replaceChildren(...state.labels.map(labelRow));
  }
  for (const [place, one] of state.labels.entries()) {
    const button = $("labels").children[place].firstElementChild;
    const [, track, count] = button.children, wanted = state.mode === "talk" && one.label === state.wanted;
    track.firstElementChild.style.width = `${Math.min(1, one.items / one.wanted) * 100}%`;
    const text = `${one.items} of ${one.wanted}`;
    if (count.textContent !== text) count.textContent = text;
    if (button.getAttribute("aria-current") !== String(wanted)) button.setAttribute("aria-current", String(wanted));
  }
}

function labelRow(one) {
  const name = one.label === "unknown" ? "none of these" : one.label;
  return make("li", {}, make("button", { type: "button", "data-typed": one.label, onclick: press },
    make("span", { text: name }), make("span", { class: "track", "aria-hidden": "true" }, make("i")), make("span", { class: "count" })));
}

function showNotes() {
  const notes = [...state.notes].reverse();
  fill("notes", notes, (note) => make("li", { class: colourOf(note.well) || null, text: sentence(note.text) }));
  const newest = notes.find((note) => SPOKEN.includes(note.kind) && !(note.kind === "place" && note.well === null));
  const text = state.ended || (newest ? newest.text : "");
  if (!text || (spoken === (newest && newest.number) && !state.ended)) return;
  spoken = newest ? newest.number : 0;
  $("verdict").replaceChildren(make("span", { text: sentence(text) })); // anew, so that the same words are read again
  $("verdict").className = `verdict ${state.ended ? "" : colourOf(newest.well)}`;
}

function showWorth() {
  const found = state.outcome;
  $("worth").hidden = !found;
  if (!found) return;
  put("worth-verdict", sentence(found.verdict));
  $("worth-verdict").classList.toggle("ok", found.better);
  const mean = { label: "mean of labels", items: found.items, accuracy: found.accuracy, shipped: found.shipped.value, taken_for: "" };
  fill("rows", [...found.labels, mean], (one) => worthRow(one, one === mean || one.label === mean.label));
  put("next", found.next.length ? `Most to gain from: ${found.next.slice(0, 3).join(", ")}` : "");
  fill("missing", state.missing, (text) => make("li", { class: "warn" }, make("span", { text: sentence(text) })));
}

function worthRow(one, isMean) {
  const range = one.accuracy && `${percent(one.accuracy.low)} to ${percent(one.accuracy.high)}`;
  const small = (text) => (text ? make("span", { class: "quiet", text }) : null);
  return make("tr", { class: isMean ? "mean" : null },
    make("th", { scope: "row" }, make("span", { text: one.label }), small(one.taken_for && `taken for ${one.taken_for}`)),
    make("td", { text: String(one.items) }),
    make("td", {}, one.accuracy ? make("b", { text: percent(one.accuracy.value) }) : make("span", { text: "not shown" }), small(range)),
    make("td", { text: one.shipped === null ? "–" : percent(one.shipped) }));
}

function showRegion() {
  const where = state.region, box = $("region"), lines = state.proposed;
  $("proposed").hidden = !lines.length;
  const turned = lines.some((line) => line.startsWith("rotate"));
  put("proposed-why", [turned && "You turned the view.", where && "All items came up in the dashed part of it."].filter(Boolean).join(" "));
  put("proposed-lines", lines.join("\n"));
  box.hidden = !where || $("picture").hidden;
  if (!where) return;
  for (const side of ["left", "top"]) box.style[side] = `${where[side] * 100}%`;
  box.style.width = `${(where.right - where.left) * 100}%`;
  box.style.height = `${(where.bottom - where.top) * 100}%`;
}

async function press(event) {
  const button = event.currentTarget;
  let wrong = "";
  button.disabled = true;
  try {
    const body = JSON.stringify({ typed: button.dataset.typed });
    const answer = await ask("/api/typed", { method: "POST", body, headers: { "Content-Type": "application/json" } });
    const found = await answer.json();
    wrong = found.wrong || found.error || "";
  } catch {
    wrong = "no contact with the station";
  }
  button.disabled = false;
  button.focus();
  if (wrong) {
    put("said", `Not taken: ${wrong}`);
    $("said").hidden = false;
    setTimeout(() => { $("said").hidden = true; }, 4000);
  }
  poll();
}

for (const button of document.querySelectorAll("[data-typed]")) button.addEventListener("click", press);

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const isWanted = () => !document.hidden && state && !["question", "ended"].includes(state.mode) && state.camera.state !== "absent";
async function keepPolling() {
  while (!state || state.mode !== "ended") {
    if (!document.hidden) await poll();
    await wait(document.hidden ? 500 : pollMs);
  }
  nothing("The camera is no longer looked at.");
  $("region").hidden = true;
}
async function keepLooking() {
  while (!state || state.mode !== "ended") {
    let pauseMs = 2000;
    try { pauseMs = isWanted() ? await look(isWanted, WORDS) : 400; } catch { /* `poll` says it */ }
    await wait(pauseMs);
  }
}
keepPolling();
keepLooking();
