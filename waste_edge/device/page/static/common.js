// Parts that the pages share: elements, requests, the live view. All text goes into the document as text, never as HTML.
export const $ = (id) => document.getElementById(id);
export const SCENES = {
  learning: "Learning the empty scene", empty: "Nothing there", arriving: "Something arrives",
  settled: "Looking at it", decided: "Decided", cleared: "Taken away",
};
let liveNumber = 0;

export function make(tag, fields = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(fields)) {
    if (name === "text") element.textContent = value;
    else if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter(Boolean));
  return element;
}

export const percent = (share) => `${Math.round(share * 100)} %`;
export const put = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };

export function fill(id, values, row) {
  const key = JSON.stringify(values);
  const list = $(id);
  if (list.dataset.key === key) return; // nothing new: what a screen reader or a finger is at stays
  list.dataset.key = key;
  list.replaceChildren(...values.map(row));
}

export async function ask(path, options = {}) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(10000), ...options });
  if (answer.status === 401) location.replace("/login");
  return answer;
}

export function nothing(text) {
  put("nothing-text", text);
  $("nothing").hidden = false;
  $("picture").hidden = $("box").hidden = true;
  put("scene", "");
}

// Show the next live picture, if it is still wanted when it is there; returns milliseconds until the one after it.
export async function look(isWanted, words = SCENES) {
  const answer = await ask(`/live.jpg?after=${liveNumber}`);
  if (answer.status !== 200) return answer.status === 204 ? 50 : 2000;
  const about = JSON.parse(answer.headers.get("X-Live"));
  const blob = await answer.blob();
  if (!isWanted()) return 400;
  liveNumber = Number(answer.headers.get("X-Number"));
  const picture = $("picture"), old = picture.src, url = URL.createObjectURL(blob);
  picture.src = url;
  await picture.decode().catch(() => {});
  if (old.startsWith("blob:")) URL.revokeObjectURL(old);
  picture.alt = `What the camera sees: ${(words[about.scene] || about.scene).toLowerCase()}`;
  $("stage").style.aspectRatio = `${about.width_px} / ${about.height_px}`;
  picture.hidden = false;
  $("nothing").hidden = true;
  drawBox(about);
  put("scene", about.fault ? "Not classifying" : words[about.scene] || about.scene);
  return 60;
}

function drawBox(about) {
  const box = $("box"), where = about.item_box;
  box.hidden = !where;
  if (!where) return;
  for (const side of ["left", "top"]) box.style[side] = `${where[side] * 100}%`;
  box.style.width = `${(where.right - where.left) * 100}%`;
  box.style.height = `${(where.bottom - where.top) * 100}%`;
  box.classList.toggle("low", where.top < 0.12);
  put("box-text", about.label ? `${about.label} ${percent(about.confidence)}` : "");
}
