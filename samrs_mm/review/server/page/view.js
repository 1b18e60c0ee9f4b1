// The picture: pieces of it at any zoom on a canvas, moved and zoomed by mouse, wheel and fingers.

import { piece } from './api.js';

const HELD = 300;
const MOST_ZOOM = 32;
const STILL = 4; // pixels that a pointer may move in a click

export class View {
  // `paint(context, view)` draws over the picture, in its pixels; `pointer(kind, event, x, y)` gets
  // down, move, up and click in pixels of the picture, and says by true that it took them.
  constructor(canvas, side, paint, pointer) {
    Object.assign(this, { canvas, side, paint, pointer, image: null, scale: 1, x: 0, y: 0 });
    this.pieces = new Map();
    this.pointers = new Map();
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    canvas.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
    for (const kind of ['down', 'move', 'up', 'cancel']) {
      canvas.addEventListener(`pointer${kind}`, (event) => this[`on_${kind}`](event));
    }
    canvas.addEventListener('contextmenu', (event) => event.preventDefault());
    this.resize();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement;
    const [dx, dy] = [width - (this.width ?? width), height - (this.height ?? height)];
    this.ratio = window.devicePixelRatio || 1;
    Object.assign(this, { width, height });
    this.canvas.width = Math.round(width * this.ratio);
    this.canvas.height = Math.round(height * this.ratio);
    this.x -= dx / 2 / this.scale; // what was in the middle stays there
    this.y -= dy / 2 / this.scale;
    this.draw();
  }

  show(image) {
    this.image = image;
    this.draw();
  }

  // Shows a part of the picture, [x, y, width, height], as large as it gets.
  fit([x, y, width, height]) {
    this.scale = Math.min(this.width / width, this.height / height, MOST_ZOOM);
    this.x = x + width / 2 - this.width / this.scale / 2;
    this.y = y + height / 2 - this.height / this.scale / 2;
    this.draw();
  }

  zoom(factor, left = this.width / 2, top = this.height / 2) {
    if (!this.image) return;
    const least = Math.min(this.width / this.image.width, this.height / this.image.height, 1) / 2;
    const scale = Math.min(Math.max(this.scale * factor, least), MOST_ZOOM);
    this.x += left / this.scale - left / scale;
    this.y += top / this.scale - top / scale;
    this.scale = scale;
    this.draw();
  }

  place(event) {
    const frame = this.canvas.getBoundingClientRect();
    return [this.x + (event.clientX - frame.left) / this.scale, this.y + (event.clientY - frame.top) / this.scale];
  }

  draw() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.drawNow();
    });
  }

  drawNow() {
    const context = this.canvas.getContext('2d');
    const factor = this.scale * this.ratio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.image) return;
    context.setTransform(factor, 0, 0, factor, -this.x * factor, -this.y * factor);
    context.imageSmoothingEnabled = factor < 2; // from there on pixels are to be seen
    const level = Math.max(0, Math.floor(Math.log2(1 / factor)));
    this.drawPieces(context, level + 2, false); // coarse ones, where they are there
    this.drawPieces(context, level, true);
    this.paint(context, this);
  }

  // The pieces of a level that a part of a picture needs, as [column, row].
  needed(image, level, x, y, width, height) {
    const side = this.side * 2 ** level;
    const found = [];
    const last = (from, length, whole) => Math.ceil(Math.min(from + length, whole) / side) - 1;
    for (let row = Math.max(0, Math.floor(y / side)); row <= last(y, height, image.height); row += 1) {
      for (let column = Math.max(0, Math.floor(x / side)); column <= last(x, width, image.width); column += 1) {
        found.push([column, row]);
      }
    }
    return found;
  }

  drawPieces(context, level, load) {
    const { image, x, y } = this;
    const side = this.side * 2 ** level;
    for (const [column, row] of this.needed(image, level, x, y, this.width / this.scale, this.height / this.scale)) {
      const found = this.piece(image.stem, level, column, row, load);
      if (found) {
        const [left, top] = [column * side, row * side];
        context.drawImage(found, left, top, Math.min(side, image.width - left), Math.min(side, image.height - top));
      }
    }
  }

  piece(stem, level, column, row, load = true) {
    const key = `${level} ${column} ${row} ${stem}`;
    const found = this.pieces.get(key);
    if (found) {
      this.pieces.delete(key); // the last one used is the last one to go
      this.pieces.set(key, found);
      return found.bitmap;
    }
    if (!load) return null;
    const made = { bitmap: null };
    this.pieces.set(key, made);
    piece({ stem, level, column, row }).then((bitmap) => {
      made.bitmap = bitmap;
      if (this.image?.stem === stem) this.draw();
    }).catch((error) => {
      this.pieces.delete(key);
      this.onerror?.(error);
    });
    while (this.pieces.size > HELD) this.pieces.delete(this.pieces.keys().next().value);
    return null;
  }

  // Loads what `fit` of a part of another picture is going to show.
  prepare(image, [x, y, width, height]) {
    const scale = Math.min(this.width / width, this.height / height, MOST_ZOOM);
    const level = Math.max(0, Math.floor(Math.log2(1 / scale / this.ratio)));
    const [across, down] = [this.width / scale, this.height / scale];
    const [left, top] = [x + (width - across) / 2, y + (height - down) / 2];
    for (const [column, row] of this.needed(image, level, left, top, across, down)) {
      this.piece(image.stem, level, column, row);
    }
  }

  wheel(event) {
    event.preventDefault();
    const frame = this.canvas.getBoundingClientRect();
    this.zoom(2 ** (-event.deltaY / 300), event.clientX - frame.left, event.clientY - frame.top);
  }

  on_down(event) {
    this.canvas.setPointerCapture?.(event.pointerId);
    this.pointers.set(event.pointerId, event);
    this.still = this.pointers.size === 1;
    this.taken = this.still && event.button !== 1 && this.pointer('down', event, ...this.place(event));
    if (this.pointers.size === 2 && this.drawing) this.pointer('cancel', event, 0, 0);
    this.drawing = this.taken;
  }

  on_move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      this.pointer('hover', event, ...this.place(event));
      return;
    }
    const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
    if (this.still && !this.taken && Math.hypot(dx, dy) < STILL) return;
    this.still = false;
    if (this.pointers.size === 1 && this.taken) {
      this.pointer('move', event, ...this.place(event));
    } else if (this.pointers.size === 1) {
      this.x -= dx / this.scale;
      this.y -= dy / this.scale;
      this.draw();
    } else {
      this.pinch(event);
    }
    this.pointers.set(event.pointerId, event);
  }

  pinch(event) {
    const [other] = [...this.pointers.values()].filter((each) => each.pointerId !== event.pointerId);
    const before = this.pointers.get(event.pointerId);
    const apart = (a, b) => Math.max(Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY), 1);
    const frame = this.canvas.getBoundingClientRect();
    const middle = (a, b) => [(a.clientX + b.clientX) / 2 - frame.left, (a.clientY + b.clientY) / 2 - frame.top];
    const [[oldX, oldY], [newX, newY]] = [middle(before, other), middle(event, other)];
    this.x -= (newX - oldX) / this.scale;
    this.y -= (newY - oldY) / this.scale;
    this.zoom(apart(event, other) / apart(before, other), newX, newY);
  }

  on_up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.taken) this.pointer('up', event, ...this.place(event));
    else if (this.still) this.pointer('click', event, ...this.place(event));
    this.taken = this.drawing = false;
  }

  on_cancel(event) {
    this.pointers.delete(event.pointerId);
    if (this.taken) this.pointer('cancel', event, 0, 0);
    this.taken = this.drawing = false;
  }
}
