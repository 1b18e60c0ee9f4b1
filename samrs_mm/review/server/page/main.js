// The review page: which mask is looked at, and what is decided about it.

import { get, keepToken, post } from './api.js';
import { covers, shapeOf } from './mask.js';
import { chooseClass } from './classes.js';
import { Editor, TOOLS } from './editor.js';
import { View } from './view.js';

const PAGE = 200;
const AHEAD = 20;
const MARGIN = 0.6; // around a mask, of its longer side
const KEPT_IMAGES = 8;

const byId = (id) => document.getElementById(id);
const choose = byId('choose');
const images = new Map(); // by name; promises
const timer = { since: 0, spent: 0 };
const history = []; // what was done here, for undo
let folder = null;
let items = []; // of the queue, as far as they came
let further = 0; // where the queue goes on; null at its end
let place = 0;
let image = null;
let box = null; // the one that is looked at
let outlines = true;
let busy = false;

const editor = new Editor({
  get image() { return image; },
  get box() { return box; },
  redraw: () => view.draw(),
  tell: (error) => tell(error),
  look: () => describe(),
});
const view = new View(byId('canvas'), 512, paint, pointer);
view.onerror = tell;

function tell(error) {
  const message = byId('message');
  message.textContent = error?.message ?? error ?? '';
  message.hidden = !error;
}

// ---- the queue

async function more() {
  const asked = Object.fromEntries(new FormData(choose));
  const found = await get('queue', { ...asked, start: further, limit: PAGE });
  items.push(...found.items);
  further = found.next;
}

async function begin() {
  if (editor.draft) editor.drop();
  [items, further, place] = [[], 0, 0];
  await more();
  await show(0);
}

async function image_of(stem) {
  if (!images.has(stem)) images.set(stem, get('image', { stem }));
  while (images.size > KEPT_IMAGES) images.delete(images.keys().next().value);
  try {
    return await images.get(stem);
  } catch (error) {
    images.delete(stem);
    throw error;
  }
}

async function show(index) {
  if (index >= items.length - AHEAD && further !== null) await more();
  const item = items[index];
  byId('end').hidden = Boolean(item);
  if (!item) {
    [image, box] = [null, null];
    view.show(null);
    describe();
    return;
  }
  place = index;
  await lookAt(item.stem, item.box_id);
  const next = items[index + 1];
  if (next) image_of(next.stem).then((found) => view.prepare(found, around(boxIn(found, next.box_id), found))).catch(() => {});
}

const boxIn = (found, id) => found.boxes.find((each) => each.box_id === id);

async function lookAt(stem, id, move = true) {
  const found = await image_of(stem);
  [image, box] = [found, boxIn(found, id) ?? null];
  view.show(image);
  if (move) view.fit(around(box, image));
  [timer.since, timer.spent] = [Date.now(), 0];
  describe();
}

// The part of the picture that shows a box with its surroundings.
function around(about, { width, height }) {
  if (!about) return [0, 0, width, height];
  const points = about.polygon.filter(([x, y]) => x !== null && y !== null);
  if (about.bbox) {
    const [x, y, w, h] = about.bbox;
    points.push([x, y], [x + w, y + h]);
  }
  const xs = points.map(([x]) => Math.min(Math.max(x, 0), width));
  const ys = points.map(([, y]) => Math.min(Math.max(y, 0), height));
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const [across, down] = [Math.max(...xs) - left, Math.max(...ys) - top];
  const margin = Math.max(MARGIN * Math.max(across, down), 16);
  return [left - margin, top - margin, across + 2 * margin, down + 2 * margin];
}

function step(by) {
  if (drafting()) return null;
  if (place + by >= 0) return show(place + by);
  return null;
}

function nextOpen() {
  const from = items.findIndex((item, i) => i >= place && !item.edited);
  return show(from < 0 ? items.length : from);
}

// ---- decisions

function seconds() {
  const running = document.hidden ? 0 : Date.now() - timer.since;
  return Math.round((timer.spent + running) / 100) / 10;
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) timer.spent += Date.now() - timer.since;
  else timer.since = Date.now();
});

// Sends something that changes an image, and takes over what the image is then.
async function send(what, asked) {
  if (busy) return null;
  busy = true;
  try {
    const found = await post(what, { seconds: seconds(), ...asked });
    images.set(found.stem, Promise.resolve(found));
    for (const item of items) {
      const now = item.stem === found.stem ? boxIn(found, item.box_id) : null;
      if (now) Object.assign(item, { category: now.category, status: now.status, edited: now.edited.length > 0 });
    }
    tell(null);
    progress(found.progress);
    return found;
  } catch (error) {
    if (error.status === 409) {
      images.delete(asked.stem);
      await lookAt(asked.stem, asked.box_id, false);
      if (editor.draft?.target) editor.draft.target = box;
    }
    tell(error);
    return null;
  } finally {
    busy = false;
  }
}

async function decide(action, value = null) {
  if (!box || drafting()) return;
  const asked = { stem: image.stem, box_id: box.box_id };
  if (await send('decide', { ...asked, action, value, mask: box.mask })) {
    history.push(asked);
    await nextOpen();
  }
}

function drafting() {
  if (editor.draft) tell('a mask is being drawn: Enter saves it, Escape drops it');
  return editor.draft;
}

// Saves what was drawn: the mask of a box, or a new object.
async function save() {
  const { draft } = editor;
  if (!draft || editor.asking) return;
  if (!draft.area) {
    tell('the mask has no pixel; Escape drops it');
    return;
  }
  const { target } = draft;
  const asked = { stem: image.stem, runs: draft.runs() };
  let found = null;
  if (target) {
    found = await send('mask', { ...asked, box_id: target.box_id, mask: target.mask });
  } else {
    const category = await chooseClass(folder.classes, null);
    found = category && (await send('add', { ...asked, category }));
  }
  if (!found) return;
  editor.drop();
  history.push({ stem: found.stem, box_id: target?.box_id ?? found.added });
  if (target) await nextOpen();
  else await lookAt(found.stem, found.added, false);
}

async function undo() {
  if (editor.draft) {
    editor.back();
    return;
  }
  const own = box?.edited.length ? { stem: image.stem, box_id: box.box_id } : null;
  const asked = own ?? history.pop();
  if (!asked) {
    tell('nothing was decided here, so there is nothing to take back');
    return;
  }
  if (own) {
    const at = history.findLastIndex((each) => each.stem === own.stem && each.box_id === own.box_id);
    if (at >= 0) history.splice(at, 1);
  }
  if (await send('undo', asked)) {
    const at = items.findIndex((item) => item.stem === asked.stem && item.box_id === asked.box_id);
    if (at >= 0) await show(at);
    else await show(place); // an object that was added is gone
  }
}

async function askClass() {
  if (!box || drafting()) return;
  const name = await chooseClass(folder.classes, box.category);
  if (name && name !== box.category) await decide('class', name);
}

// ---- what is shown

function describe() {
  const text = (id, value) => { byId(id).textContent = value ?? ''; };
  byId('facts').hidden = !box;
  byId('drafting').hidden = !editor.draft;
  view.draw();
  for (const button of document.querySelectorAll('#decide button')) {
    button.disabled = !box && button.dataset.do !== 'undo';
  }
  if (!box) return;
  text('class', box.category);
  text('status', box.status);
  text('edited', box.edited.join(' '));
  const shares = ['doubt', 'score', 'stability', 'coverage', 'leakage'].filter((key) => box[key] !== null);
  const measures = shares.map((key) => `${key} ${box[key].toFixed(2)}`);
  if (box.components) measures.push(`${box.components} ${box.components === 1 ? 'part' : 'parts'}`);
  measures.push(`${box.area.toLocaleString('en')} px`);
  text('measures', measures.join(', '));
  text('reason', box.reason);
  text('place', `${image.path} · ${box.box_id}`);
}

function progress({ total, decided, seconds_per_mask: mean }) {
  Object.assign(byId('bar'), { max: Math.max(total, 1), value: decided });
  const speed = mean === null ? '' : ` · ${mean.toFixed(1)} s a mask`;
  byId('progress').textContent = `${decided.toLocaleString('en')} of ${total.toLocaleString('en')} decided${speed}`;
}

const colourOf = (name) => folder.classes.find((each) => each.name === name)?.colour ?? '#fff';

function paint(context, { scale }) {
  if (outlines) paintOutlines(context, scale);
  editor.paint(context, scale);
}

function paintOutlines(context, scale) {
  const line = (path, colour, width, dash = []) => {
    context.setLineDash(dash.map((length) => length / scale));
    context.lineWidth = width / scale;
    context.strokeStyle = colour;
    context.stroke(path);
  };
  for (const each of image.boxes) {
    if (each !== box && each.counts && each.status !== 'rejected') line(shapeOf(each, image.height).path, colourOf(each.category), 1);
  }
  if (!box) return;
  const label = new Path2D();
  box.polygon.forEach(([x, y], i) => label[i ? 'lineTo' : 'moveTo'](x, y));
  label.closePath();
  if (!box.is_added) line(label, '#2be0ff', 1.5);
  if (box.prompt_box) {
    const [x0, y0, x1, y1] = box.prompt_box;
    const prompt = new Path2D();
    prompt.rect(x0, y0, x1 - x0, y1 - y0);
    line(prompt, '#ff5cff', 1.5, [6, 5]);
  }
  const shape = shapeOf(box, image.height);
  if (shape && editor.draft?.target !== box) {
    context.lineCap = 'square';
    line(shape.path, '#0008', 4);
    line(shape.path, box.status === 'rejected' ? '#ff3c3c' : '#ffd500', 2);
  }
}

function pointer(kind, event, x, y) {
  if (editor.pointer(kind, event, x, y)) return true;
  if (kind !== 'click' || !image || editor.draft || editor.tool !== 'move') return false;
  const hit = image.boxes.filter((each) => covers(each, x, y, image.height)).sort((a, b) => a.area - b.area);
  const next = hit[(hit.indexOf(box) + 1) % hit.length]; // again: the one below
  if (next) lookAt(image.stem, next.box_id, false);
  return false;
}

// ---- keys and buttons

const ACTIONS = {
  accept: () => decide('accept'),
  reject: () => decide('reject'),
  class: askClass,
  undo,
  next: () => step(1),
  previous: () => step(-1),
  mask: () => image && view.fit(around(box, image)),
  whole: () => image && view.fit([0, 0, image.width, image.height]),
  outlines: () => { outlines = !outlines; view.draw(); },
  closer: () => view.zoom(1.5),
  farther: () => view.zoom(1 / 1.5),
  help: () => byId('help').showModal(),
  save,
  drop: () => (editor.draft ? editor.drop() : editor.choose('move')),
  fresh: () => {
    if (drafting() || !image) return;
    editor.begin(null);
    editor.choose('plus');
  },
  larger: () => editor.resize(editor.radius * 1.25 + 1),
  smaller: () => editor.resize(editor.radius / 1.25 - 1),
  ...Object.fromEntries(TOOLS.map((name) => [name, () => image && editor.choose(name)])),
};
const KEYS = [
  ['a', 'accept', 'accept the mask'], ['r', 'reject', 'reject it: there is no such object'],
  ['c', 'class', 'give it another class'], ['u', 'undo', 'take back what was done last'],
  ['ArrowRight', 'next', 'next mask'], ['ArrowLeft', 'previous', 'the one before'],
  ['z', 'mask', 'show the mask'], ['x', 'whole', 'show the whole picture'],
  ['b', 'box', 'draw a box around a new object'], ['f', 'plus', 'click on the object (right button, or with shift: beside it)'],
  ['g', 'minus', 'click beside the object'], ['n', 'fresh', 'a new object, by clicks or brush'],
  ['d', 'brush', 'brush'], ['e', 'eraser', 'eraser'], [']', 'larger', 'larger brush'], ['[', 'smaller', 'smaller brush'],
  ['v', 'move', 'choose masks by clicks'], ['Enter', 'save', 'save what was drawn'], ['Escape', 'drop', 'drop it'],
  ['o', 'outlines', 'hide or show outlines'], ['+', 'closer', 'closer'], ['-', 'farther', 'farther'],
  ['?', 'help', 'these keys'],
];

function act(name) {
  Promise.resolve(ACTIONS[name]()).catch(tell);
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
  if (event.target.matches('input, select, textarea')) return;
  if (event.target.matches('button') && (event.key === 'Enter' || event.key === ' ')) return;
  const found = KEYS.find(([key]) => key === event.key);
  if (!found) return;
  event.preventDefault();
  act(found[1]);
});

document.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!(button?.dataset.do in ACTIONS)) return;
  if (event.detail) button.blur(); // chosen by the mouse: the next key is none for the button
  act(button.dataset.do);
});

choose.addEventListener('change', () => begin().catch(tell));

async function start() {
  keepToken();
  folder = await get('folder');
  document.title = `Review: ${folder.name}`;
  byId('folder').textContent = folder.name;
  view.side = folder.side;
  const options = (name, values) => choose.elements[name].append(...values.map((value) => new Option(value)));
  options('category', folder.classes.map((each) => each.name));
  options('status', folder.statuses);
  const rows = byId('keys').tBodies[0];
  for (const [key, , words] of KEYS) {
    const row = rows.insertRow();
    const name = document.createElement('kbd');
    name.textContent = { ArrowRight: '→', ArrowLeft: '←' }[key] ?? key;
    row.insertCell().append(name);
    row.insertCell().textContent = words;
  }
  progress(folder.progress);
  await begin();
}

start().catch(tell);
