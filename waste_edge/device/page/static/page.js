// The page of a station. It asks the station's page process for its state once a second, and for live pictures while it
// is looked at. All text goes into the document as text, never as HTML.
import { $, ask, fill, look, make, nothing, percent, put } from "./common.js";

const EVERY_MS = 1000, SLOWEST_MS = 8000, MOST_ITEMS = 60, FEW_ITEMS = 8;
const COLOURS = {
  blue: "#2f6fd6", green: "#2f8f4e", yellow: "#d9a514", brown: "#7a5230", black: "#2a2d2c", grey: "#8a918d",
  gray: "#8a918d", red: "#c93a32", orange: "#d9731a", white: "#f2f2ee", purple: "#7d4fc4",
};
const PALETTE = ["#2f7fc4", "#2f9f6a", "#d49a1c", "#b0508f", "#c9543a", "#5f6ad4", "#3a9aa0", "#8a7a3a", "#a0527a"];

let places = [], state = null, after = 0, started = "", newest = "", paused = false;
let chosenDay = "", pollMs = EVERY_MS, lostSince = 0, showsAll = false;
const items = new Map(); // by id, oldest first

function colour(stream) {
  const name = (stream || "").toLowerCase();
  if (COLOURS[name]) return COLOURS[name];
  if (name === "ask") return "#d98a14";
  if (["residual", "rest", "trash", "unknown"].includes(name)) return "#77827c";
  const place = places.indexOf(stream);
  return PALETTE[(place < 0 ? 0 : place) % PALETTE.length];
}

function chip(stream) {
  const element = make("span", { class: "chip", "aria-hidden": "true" });
  element.style.setProperty("--stream", colour(stream));
  return element;
}

const number = (value, digits = 0) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

function ago(iso) {
  const seconds = Math.max(0, (Date.parse(state ? state.time_utc : new Date().toISOString()) - Date.parse(iso)) / 1000);
  if (seconds < 10) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(iso).toLocaleDateString();
}

const nameOf = (decision) => (decision.action === "ask" ? "Ask a person" : decision.stream);
const isAnswered = (item) => Boolean(item.review && item.review.source);
const streamOf = (item) => (isAnswered(item) ? item.review.stream : item.decision.stream);
const titleOf = (item) => (isAnswered(item) ? item.review.stream : nameOf(item.decision));

// --- state -------------------------------------------------------------------------------------------------------

async function poll() {
  try {
    const answer = await ask(`/api/state?after=${after}`);
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const found = await answer.json();
    pollMs = EVERY_MS;
    lostSince = 0;
    if (found.state === null) lost("The station is starting.");
    else if (found.stale_s > 8) lost(`The station has said nothing for ${Math.round(found.stale_s)} s; it may have been stopped.`);
    else lost("");
    if (found.state) show(found);
  } catch {
    lostSince = lostSince || Date.now();
    pollMs = Math.min(SLOWEST_MS, pollMs * 1.6);
    if (Date.now() - lostSince > 1500) lost("No contact with the station: it is off, or this device is not in its network.");
  }
}

function lost(text) {
  put("offline", text);
  $("offline").hidden = !text;
  if (text) {
    $("verdict").className = "pill";
    put("verdict-text", "no contact");
  }
  $("stage").classList.toggle("stale", Boolean(text));
}

function show(found) {
  const before = state;
  state = found.state;
  if (started && started !== state.started_utc) {
    forgetItems();
    started = state.started_utc;
    return; // the items of a station that was started again count anew
  }
  started = state.started_utc;
  if (!before || before.places.join() !== state.places.join()) places = [...state.places];
  document.title = `${state.station} · waste-edge`;
  put("station", state.station);
  put("where", `${state.run.site} · ${state.camera.title || state.run.source}`);
  put("about", `${state.run.bundle} on ${state.run.engine} · waste-edge ${state.version} · started ${new Date(state.started_utc).toLocaleString()}`);
  $("try").hidden = !found.takes_pictures;
  $("logout").hidden = !found.locked;
  for (const item of found.items) take(item);
  if (found.items.length) showItems(found.items);
  showAsks();
  showHealth();
  showCounts();
  showFacts();
  showCamera();
  showTimes();
}

function showHealth() {
  const unwell = state.health.filter((one) => one.level !== "ok");
  if (state.speed.silence_s > 10) {
    unwell.unshift({ part: "loop", level: "bad", text: `has not gone round for ${Math.round(state.speed.silence_s)} s; the watchdog restarts the service` });
  }
  if (state.run.warning && !unwell.some((one) => one.part === "bundle")) {
    unwell.push({ part: "bundle", level: "warn", text: state.run.warning });
  }
  const level = unwell.some((one) => one.level === "bad") ? "bad" : unwell.length ? "warn" : "ok";
  const words = { ok: "All well", warn: unwell.length === 1 ? "1 warning" : `${unwell.length} warnings`, bad: "Needs help" };
  $("verdict").className = `pill ${level}`;
  put("verdict-text", words[level]);
  $("health").classList.toggle("unwell", unwell.length > 0);
  const well = state.health.filter((one) => one.level === "ok");
  fill("unwell", unwell, condition);
  fill("well", well, condition);
  put("well-summary", unwell.length ? `Well: ${well.length} other ${well.length === 1 ? "part" : "parts"}` : `All ${well.length} parts are well`);
}

function condition(one) {
  const words = { ok: "well", warn: "warning", bad: "bad" };
  return make("li", { class: one.level }, make("b", { text: `${one.part}: ${words[one.level]}` }), make("span", { text: one.text }));
}

function showCounts() {
  const days = state.days;
  const today = days.length ? days[0].day : "";
  const chosen = days.find((one) => one.day === chosenDay) || days[0];
  const select = $("day"), key = days.map((one) => one.day).join();
  if (select.dataset.key !== key) {
    select.dataset.key = key;
    select.replaceChildren(...days.map((one) => make("option", { value: one.day, text: dayName(one.day, today) })));
    select.value = chosen ? chosen.day : "";
  }
  if (!chosen) return;
  put("total", number(chosen.items));
  const asked = chosen.actions.ask || 0, residual = chosen.actions.residual || 0;
  const parts = [chosen.items === 1 ? "item" : "items"];
  if (asked) parts.push(`${asked} asked`);
  if (residual) parts.push(`${residual} unsure`);
  if (state.open_questions && chosen.day === today) parts.push(`${state.open_questions} waiting`);
  put("total-text", parts.join(" · "));
  const names = [...new Set([...Object.keys(chosen.streams), ...places])];
  const most = Math.max(1, ...Object.values(chosen.streams));
  const rows = names.map((name) => [name, chosen.streams[name] || 0]).sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
  fill("streams", rows.map(([name, count]) => [name, count, count / most]), bar);
}

function bar([name, count, share]) {
  const fillBar = make("i");
  fillBar.style.width = `${share * 100}%`;
  const track = make("span", { class: "track", "aria-hidden": "true" }, count ? fillBar : null);
  track.style.setProperty("--stream", colour(name));
  const label = name === "ask" ? "asked" : name;
  return make("li", {}, make("span", { class: "name" }, chip(name), make("span", { text: label })), track, make("span", { class: "count", text: number(count) }));
}

function dayName(day, today) {
  if (day === today) return "Today";
  const date = new Date(`${day}T12:00:00`), now = new Date(`${today}T12:00:00`);
  if (now - date < 1.5 * 86400e3) return "Yesterday";
  return date.toLocaleDateString(undefined, { weekday: "short", day: "numeric", month: "short" });
}

function showFacts() {
  const speed = state.speed, board = state.board, facts = [];
  facts.push(["Frames", `${number(speed.fps, 1)} / s`]);
  if (speed.answers) {
    facts.push(["Network, median", `${number(speed.latency_p50_ms, 1)} ms`]);
    facts.push(["Network, 95 %", `${number(speed.latency_p95_ms, 1)} ms`]);
  }
  if (speed.frame_age_p50_ms) facts.push(["Frame's age, median", `${number(speed.frame_age_p50_ms)} ms`]);
  facts.push(["Frames judged", number(speed.frames)]);
  if (speed.dropped_frames) facts.push(["Frames passed over", number(speed.dropped_frames)]);
  if (speed.untrusted_frames) facts.push(["Frames not trusted", number(speed.untrusted_frames)]);
  if (speed.shed_frames) facts.push(["Frames spared", number(speed.shed_frames)]);
  if (board.temperature_c !== null) facts.push(["Temperature", `${number(board.temperature_c, 1)} °C`]);
  if (board.throttled) {
    const now = Object.keys(board.throttled).filter((name) => board.throttled[name]);
    facts.push(["Throttling", now.length ? now.join(", ").replaceAll("_", " ") : "none"]);
  }
  if (board.available_mb !== null) facts.push(["Memory available", megabytes(board.available_mb)]);
  if (board.disk_free_mb !== null) facts.push(["Disk free", megabytes(board.disk_free_mb)]);
  for (const [sink, waiting] of Object.entries(state.sinks)) facts.push([`Waiting for ${sink}`, waiting === 1 ? "1 event" : `${number(waiting)} events`]);
  fill("facts", facts, ([name, value]) => make("div", {}, make("dt", { text: name }), make("dd", { text: value })));
}

const megabytes = (value) => (value >= 1000 ? `${number(value / 1000, 1)} GB` : `${number(value)} MB`);

// --- items -------------------------------------------------------------------------------------------------------

function forgetItems() {
  after = 0;
  newest = "";
  items.clear();
  $("list").replaceChildren();
  $("others").replaceChildren();
  $("no-items").hidden = false;
  showAsks();
}

function take(item) {
  after = Math.max(after, item.number);
  if (!items.has(item.id)) newest = item.id;
  items.set(item.id, item); // an item that is known keeps its place
  if (items.size > MOST_ITEMS) items.delete(items.keys().next().value);
}

function showItems(changed) {
  const list = $("list"), isFirst = !list.children.length;
  for (const item of changed) {
    const old = list.querySelector(`[data-id="${CSS.escape(item.id)}"]`), row = itemRow(item);
    if (old) {
      const hadFocus = old.contains(document.activeElement);
      old.replaceWith(row);
      if (hadFocus) row.querySelector("button")?.focus();
    } else {
      if (!isFirst) row.classList.add("fresh");
      list.prepend(row);
    }
  }
  while (list.children.length > MOST_ITEMS) list.lastElementChild.remove();
  $("no-items").hidden = true;
  $("more").hidden = list.children.length <= FEW_ITEMS;
  if (changed.some((item) => item.id === newest)) showDecision(items.get(newest));
}

function crop(item, size) {
  const image = make("img", { class: "thumb", src: `/crops/${item.id}.jpg`, alt: `The item: ${titleOf(item)}`, width: size, height: size, loading: "lazy" });
  image.addEventListener("error", () => { image.src = "/static/icon.svg"; }, { once: true });
  return image;
}

function tag(item) {
  const review = item.review, by = review && review.source;
  if (review && review.open) return make("span", { class: "tag open", text: "waits for an answer" });
  if (by === "timeout") return make("span", { class: "tag", text: "not answered" });
  if (by) return make("span", { class: "tag done", text: item.decision.action === "ask" ? "answered" : streamOf(item) === item.decision.stream ? "confirmed" : "corrected" });
  return item.decision.action === "residual" ? make("span", { class: "tag", text: "unsure" }) : null;
}

function itemRow(item) {
  const decision = item.decision, stream = streamOf(item);
  const label = isAnswered(item) ? item.review.label : decision.label;
  const words = [label && label !== stream ? label : "", isAnswered(item) ? "" : percent(decision.confidence)].filter(Boolean).join(" · ");
  const head = make("p", { class: "item-title" }, chip(stream), make("span", { text: titleOf(item) }),
    words ? make("span", { class: "quiet", text: words }) : null, tag(item),
    make("time", { class: "quiet", datetime: item.time_utc, title: new Date(item.time_utc).toLocaleString(), text: ago(item.time_utc) }));
  const reason = make("p", { class: "quiet reason", text: isAnswered(item) && item.review.by_person ? `decided ${nameOf(decision)}: ${decision.reason}` : decision.reason });
  const correct = state.takes_answers ? make("button", { class: "small", type: "button", text: item.review && item.review.open ? "Answer" : "Correct",
    "aria-label": `${item.review && item.review.open ? "Answer" : "Correct"}: ${titleOf(item)}, ${ago(item.time_utc)}`, onclick: () => openCorrect(item.id) }) : null;
  return make("li", { "data-id": item.id }, crop(item, 64), make("div", {}, head, reason), correct);
}

function showDecision(item) {
  const decision = item.decision, stream = streamOf(item);
  const label = decision.label === stream ? "" : `${decision.label}, `;
  const said = isAnswered(item) ? (item.review.by_person ? "as a person said" : "not answered in time") : `${label}${percent(decision.confidence)} sure`;
  const others = places.filter((place) => place !== stream);
  const wrong = state.takes_answers && !(item.review && item.review.open) && others.length <= 6
    ? make("div", { class: "others", role: "group", "aria-label": "Correct the last item" }, make("span", { class: "quiet", text: "Wrong? It is" }),
      ...others.map((place) => make("button", { class: "small", type: "button", onclick: (event) => sendAnswer(item.id, place, event.currentTarget) }, chip(place), make("span", { text: place }))))
    : null;
  $("decision").replaceChildren(
    make("p", { class: "big" }, chip(stream), make("span", { text: titleOf(item) }), make("span", { class: "quiet", text: said })),
    make("p", { class: "quiet reason", text: decision.reason }));
  $("others").replaceChildren(...[wrong].filter(Boolean));
}

// --- answers -----------------------------------------------------------------------------------------------------

function showAsks() {
  const open = [...items.values()].filter((item) => item.review && item.review.open).reverse();
  $("asks-card").hidden = !open.length;
  fill("asks", open.map((item) => [item.id, item.number]), ([id]) => askRow(items.get(id)));
  for (const element of document.querySelectorAll("[data-closes]")) {
    const left = Math.max(0, Math.round((Date.parse(element.dataset.closes) - Date.parse(state.time_utc)) / 1000));
    const text = `${element.dataset.audit ? "a random check, closes" : `goes to ${state.run.residual}`} in ${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    if (element.textContent !== text) element.textContent = text;
  }
}

function askRow(item) {
  const closes = make("p", { class: "quiet", "data-closes": item.review.closes_utc, "data-audit": item.review.audit ? "1" : null });
  const buttons = make("div", { class: "answers", role: "group", "aria-label": "Where the item goes" }, ...choices(item).map((choice) => choiceButton(item.id, choice)),
    make("button", { class: "button", type: "button", text: "Something else", onclick: () => openCorrect(item.id) }));
  return make("div", { class: "question" }, crop(item, 88), make("div", {}, make("p", { class: "reason", text: item.decision.reason }), closes), buttons);
}

// The likeliest labels; without any, the streams.
function choices(item) {
  const candidates = (item.candidates || []).slice(0, 3);
  return candidates.length ? candidates : places.map((place) => ({ label: place, stream: place }));
}

function choiceButton(id, choice) {
  const text = choice.label === choice.stream ? choice.label : `${choice.label} (${choice.stream})`;
  return make("button", { class: "button", type: "button", onclick: (event) => sendAnswer(id, choice.label, event.currentTarget) },
    chip(choice.stream), make("span", { text }), choice.probability === undefined ? null : make("span", { class: "quiet", text: percent(choice.probability) }));
}

function openCorrect(id) {
  const item = items.get(id);
  if (!item) return;
  const candidates = item.candidates || [], known = new Set(candidates.map((one) => one.label));
  put("correct-text", `${isAnswered(item) ? "It was put into" : "The station said"} ${titleOf(item)}. ${item.decision.reason}`);
  put("correct-wrong", "");
  const rest = places.filter((place) => !known.has(place)).map((place) => ({ label: place, stream: place }));
  $("correct-streams").replaceChildren(...[...candidates, ...rest].map((choice) => choiceButton(id, choice)));
  $("correct").showModal();
}

async function sendAnswer(id, word, button) {
  button.disabled = true;
  let wrong = "";
  try {
    const answer = await ask("/api/answer", { method: "POST", body: JSON.stringify({ id, answer: word }), headers: { "Content-Type": "application/json" } });
    const found = await answer.json();
    wrong = found.wrong || found.error || "";
  } catch {
    wrong = "No contact with the station; the answer may not have arrived.";
  }
  button.disabled = false;
  if ($("correct").open) {
    put("correct-wrong", wrong);
    if (!wrong) $("correct").close();
  } else {
    put("said", wrong ? `Not taken: ${wrong}` : `Taken: ${word}`);
    $("said").hidden = false;
    setTimeout(() => { $("said").hidden = true; }, 4000);
  }
  if (!wrong) poll();
}

function showTimes() {
  for (const time of document.querySelectorAll(".items time")) {
    const text = ago(time.dateTime);
    if (time.textContent !== text) time.textContent = text;
  }
}

// --- live view ---------------------------------------------------------------------------------------------------

function showCamera() {
  const camera = state.camera;
  if (camera.state === "absent") nothing(`No camera. ${camera.reason}`);
  else if (camera.state === "waiting") nothing("Waiting for the first picture.");
  else if (camera.state === "fault" && $("picture").hidden) nothing(camera.reason);
}

async function live() {
  const isWanted = () => !paused && !document.hidden && state && state.camera.state !== "absent";
  return isWanted() ? look(isWanted) : 400;
}

// --- a picture of one's own --------------------------------------------------------------------------------------

async function tryPicture(file) {
  if (!file) return;
  const result = $("result");
  const image = make("img", { src: URL.createObjectURL(file), alt: "Your picture" });
  result.replaceChildren(make("div", { class: "answer" }, image, make("p", { class: "busy", text: "Looking at it" })));
  let found;
  try {
    const answer = await fetch("/classify", { method: "POST", body: file, headers: { "Content-Type": file.type || "application/octet-stream" } });
    found = await answer.json();
  } catch {
    found = { error: "The picture could not be sent: it is too large, or there is no contact with the station." };
  }
  result.replaceChildren(make("div", { class: "answer" }, image, found.error ? make("p", { class: "wrong", text: found.error }) : thought(found)));
}

function thought(found) {
  const decision = found.decision;
  const rows = Object.entries(found.probabilities).sort((a, b) => b[1] - a[1]).map(([label, share], place) => {
    const fillBar = make("i");
    fillBar.style.width = `${share * 100}%`;
    return make("li", {}, make("span", { class: place ? "name" : "name lead", text: label }),
      make("span", { class: "track", "aria-hidden": "true" }, fillBar), make("span", { class: "count", text: percent(share) }));
  });
  return make("div", {},
    make("div", { class: "decision" },
      make("p", { class: "big" }, chip(decision.stream), make("span", { text: nameOf(decision) }), make("span", { class: "quiet", text: found.label })),
      make("p", { class: "quiet reason", text: decision.reason })),
    make("ul", { class: "bars wide" }, ...rows),
    make("p", { class: "quiet reason", text: `Known score ${number(found.known_score, 2)}; below ${number(found.min_known_score, 2)} it counts as like none of the labels. ${number(found.latency_ms, 1)} ms.` }));
}

// --- start -------------------------------------------------------------------------------------------------------

for (const id of ["camera", "file"]) {
  $(id).addEventListener("change", (event) => { tryPicture(event.target.files[0]); event.target.value = ""; });
}
$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
});
$("correct-close").addEventListener("click", () => $("correct").close());
$("more").addEventListener("click", () => {
  showsAll = !showsAll;
  $("list").classList.toggle("few", !showsAll);
  put("more", showsAll ? "Show fewer" : "Show all");
  $("more").setAttribute("aria-expanded", String(showsAll));
});
$("day").addEventListener("change", (event) => { chosenDay = event.target.value; showCounts(); });

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
async function keepPolling() {
  for (;;) {
    if (!document.hidden) await poll();
    await wait(document.hidden ? 500 : pollMs);
  }
}
async function keepLooking() {
  for (;;) {
    let pauseMs = 2000;
    try { pauseMs = await live(); } catch { /* `poll` says it */ }
    await wait(pauseMs);
  }
}
keepPolling();
keepLooking();
