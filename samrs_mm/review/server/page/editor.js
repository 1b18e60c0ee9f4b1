// Masks made anew: by a box, by clicks on the object and beside it, by brush and eraser.

import { post } from './api.js';
import { Draft } from './draft.js';

export const TOOLS = ['move', 'box', 'plus', 'minus', 'brush', 'eraser'];
const LEAST_BOX = 2;

const byId = (id) => document.getElementById(id);

export class Editor {
  // `desk` has image and box, `redraw()`, `tell(error)` and `look()`, called when a draft begins
  // or ends.
  constructor(desk) {
    Object.assign(this, { desk, tool: 'move', draft: null, radius: 6, asking: false, again: false });
    this.rubber = null; // the box that is being drawn: two corners
    this.place = null; // of the pointer, for the brush's circle
    byId('radius').addEventListener('input', (event) => this.resize(Number(event.target.value)));
  }

  choose(tool) {
    this.tool = tool;
    for (const name of TOOLS) {
      document.querySelector(`[data-do=${name}]`).setAttribute('aria-pressed', String(name === tool));
    }
    byId('stage').dataset.tool = tool;
    byId('size').hidden = tool !== 'brush' && tool !== 'eraser';
    this.desk.redraw();
  }

  resize(radius) {
    this.radius = Math.min(Math.max(Math.round(radius), 1), 100);
    byId('radius').value = this.radius;
    this.desk.redraw();
  }

  begin(box) {
    this.draft = new Draft(this.desk.image, box);
    this.say(box ? 'correcting the mask' : 'a new object');
    this.desk.look();
  }

  drop() {
    Object.assign(this, { draft: null, rubber: null, again: false });
    this.say('');
    this.desk.look();
  }

  back() {
    if (!this.draft.back()) this.drop();
    this.desk.redraw();
  }

  say(text) {
    byId('draft').textContent = text;
  }

  // What the pointer does with a tool other than move; true where it took it.
  pointer(kind, event, x, y) {
    if (!this.desk.image) return false;
    this.place = kind === 'cancel' ? null : [x, y];
    const painting = this.tool === 'brush' || this.tool === 'eraser';
    if (kind === 'hover') {
      if (painting) this.desk.redraw();
      return false;
    }
    if (this.tool === 'box') return this.dragBox(kind, x, y);
    if (painting) return this.brush(kind, x, y);
    if (kind === 'click' && this.tool !== 'move') {
      const other = event.button === 2 || event.shiftKey;
      this.click(x, y, (this.tool === 'plus') !== other);
      return true;
    }
    return false;
  }

  dragBox(kind, x, y) {
    const { width, height } = this.desk.image;
    const corner = [Math.min(Math.max(x, 0), width), Math.min(Math.max(y, 0), height)];
    if (kind === 'down') this.rubber = [corner, corner];
    else if (kind === 'move' && this.rubber) this.rubber = [this.rubber[0], corner];
    else if (kind === 'up' && this.rubber) this.endBox(this.rubber);
    else if (kind === 'cancel') this.rubber = null;
    this.desk.redraw();
    return true;
  }

  endBox([[ax, ay], [bx, by]]) {
    this.rubber = null;
    const box = [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
    if (box[2] - box[0] < LEAST_BOX || box[3] - box[1] < LEAST_BOX) return;
    if (!this.draft) this.begin(null);
    this.draft.keep();
    Object.assign(this.draft, { box, clicks: [], answer: null, drawn: false });
    this.choose('plus'); // what comes next are clicks
    this.ask();
  }

  click(x, y, on) {
    const { width, height } = this.desk.image;
    if (x < 0 || y < 0 || x > width || y > height) return;
    if (!this.draft) this.begin(this.desk.box);
    this.draft.keep();
    this.draft.clicks.push([Math.round(x * 100) / 100, Math.round(y * 100) / 100, on ? 1 : 0]);
    this.ask();
  }

  brush(kind, x, y) {
    if (kind === 'down') {
      if (!this.draft) this.begin(this.desk.box);
      this.draft.keep();
      this.from = [x, y];
    }
    if ((kind === 'down' || kind === 'move') && this.draft) {
      this.draft.stroke(this.from, [x, y], this.radius, this.tool === 'brush' ? 1 : 0);
      this.from = [x, y];
    }
    if (kind === 'cancel') this.draft?.back();
    this.desk.redraw();
    return true;
  }

  // Asks the segmentor; what is clicked meanwhile is asked next, all at once.
  async ask() {
    this.desk.redraw();
    if (this.asking) {
      this.again = true;
      return;
    }
    [this.asking, this.again] = [true, false];
    const { draft } = this;
    const start = performance.now();
    try {
      const asked = { stem: draft.image.stem, clicks: draft.clicks, box: draft.box, answer: draft.answer };
      if (draft.drawn && draft.area) asked.runs = draft.runs();
      const found = await post('prompt', asked);
      if (this.draft === draft && !this.again) {
        draft.take(found);
        const score = found.score === null ? '' : `, score ${found.score.toFixed(2)}`;
        this.say(`mask in ${Math.round(performance.now() - start)} ms${score}`);
        this.desk.tell(null);
      }
    } catch (error) {
      this.desk.tell(error);
    } finally {
      this.asking = false;
      if (this.again && this.draft === draft) this.ask();
      this.desk.redraw();
    }
  }

  paint(context, scale) {
    this.draft?.paint(context, scale);
    context.setLineDash([6 / scale, 5 / scale]);
    context.lineWidth = 1.5 / scale;
    context.strokeStyle = '#ff5cff';
    if (this.draft?.box) {
      const [x0, y0, x1, y1] = this.draft.box;
      context.strokeRect(x0, y0, x1 - x0, y1 - y0);
    }
    if (this.rubber) {
      const [[ax, ay], [bx, by]] = this.rubber;
      context.strokeRect(ax, ay, bx - ax, by - ay);
    }
    if (this.place && (this.tool === 'brush' || this.tool === 'eraser')) {
      context.setLineDash([]);
      context.strokeStyle = this.tool === 'brush' ? '#aaff50' : '#ff4040';
      context.beginPath();
      context.arc(...this.place, this.radius, 0, 7);
      context.stroke();
    }
  }
}
