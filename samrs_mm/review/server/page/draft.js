// A mask being drawn: pixels in a window of the image that grows as they need it.

import { borders, pixelsOf } from './mask.js';

const STEPS = 30;

export class Draft {
  // `image` has width and height; `box` is what the draft corrects, or null for a new object.
  constructor(image, box = null) {
    Object.assign(this, { image, target: box, window: [0, 0, 0, 0], pixels: new Uint8Array(0) });
    // `drawn`: whether the mask is another than the one that the segmentor answered last.
    Object.assign(this, { clicks: [], box: null, answer: null, drawn: false, steps: [] });
    if (box?.counts) {
      this.window = [...box.bbox];
      this.pixels = pixelsOf(box.counts, box.bbox, image.height);
      this.drawn = true;
    }
  }

  // Remembers how it is, for `back`.
  keep() {
    const { window, pixels, clicks, box, answer, drawn } = this;
    this.steps.push({ window, pixels: pixels.slice(), clicks: [...clicks], box, answer, drawn });
    if (this.steps.length > STEPS) this.steps.shift();
  }

  // Goes one step back; false where there is none.
  back() {
    const before = this.steps.pop();
    if (!before) return false;
    Object.assign(this, before, { path: null, overlay: null });
    return true;
  }

  // Takes over a mask that the segmentor made.
  take({ counts, bbox, answer }) {
    this.window = bbox;
    this.pixels = pixelsOf(counts, bbox, this.image.height);
    Object.assign(this, { answer, drawn: false, path: null, overlay: null });
  }

  grow(left, top, right, bottom) {
    const [x, y, width, height] = this.window;
    const empty = !width || !height;
    const x0 = Math.max(0, Math.floor(empty ? left : Math.min(x, left)));
    const y0 = Math.max(0, Math.floor(empty ? top : Math.min(y, top)));
    const x1 = Math.min(this.image.width, Math.ceil(empty ? right : Math.max(x + width, right)));
    const y1 = Math.min(this.image.height, Math.ceil(empty ? bottom : Math.max(y + height, bottom)));
    if (!empty && x0 === x && y0 === y && x1 === x + width && y1 === y + height) return;
    const pixels = new Uint8Array(Math.max(0, x1 - x0) * Math.max(0, y1 - y0));
    for (let row = 0; row < height; row += 1) {
      const from = this.pixels.subarray(row * width, (row + 1) * width);
      pixels.set(from, (y + row - y0) * (x1 - x0) + x - x0);
    }
    Object.assign(this, { window: [x0, y0, Math.max(0, x1 - x0), Math.max(0, y1 - y0)], pixels });
  }

  // Draws a stroke from one place to another: pixels whose middle is at most a radius away.
  stroke([ax, ay], [bx, by], radius, value) {
    const low = [Math.min(ax, bx) - radius, Math.min(ay, by) - radius];
    const high = [Math.max(ax, bx) + radius, Math.max(ay, by) + radius];
    if (value) this.grow(...low, ...high);
    const [x, y, width, height] = this.window;
    const [dx, dy] = [bx - ax, by - ay];
    const length = dx * dx + dy * dy;
    for (let row = Math.max(y, Math.floor(low[1])); row < Math.min(y + height, Math.ceil(high[1])); row += 1) {
      for (let column = Math.max(x, Math.floor(low[0])); column < Math.min(x + width, Math.ceil(high[0])); column += 1) {
        const [px, py] = [column + 0.5 - ax, row + 0.5 - ay];
        const along = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
        if (Math.hypot(px - along * dx, py - along * dy) <= radius) this.pixels[(row - y) * width + column - x] = value;
      }
    }
    Object.assign(this, { drawn: true, path: null, overlay: null });
  }

  get area() {
    return this.pixels.reduce((sum, value) => sum + value, 0);
  }

  // Run lengths of the whole image, column by column, beginning with what is not the object.
  runs() {
    const [left, top, width, height] = this.window;
    const runs = [];
    let value = 0;
    let run = 0;
    const add = (count, next) => {
      if (!count) return;
      if (next !== value) {
        runs.push(run);
        [value, run] = [next, 0];
      }
      run += count;
    };
    add(left * this.image.height, 0);
    for (let column = 0; column < width; column += 1) {
      add(top, 0);
      for (let row = 0; row < height; row += 1) add(1, this.pixels[row * width + column]);
      add(this.image.height - top - height, 0);
    }
    add((this.image.width - left - width) * this.image.height, 0);
    runs.push(run);
    return runs;
  }

  paint(context, scale) {
    const [left, top, width, height] = this.window;
    if (width && height) {
      this.path ??= borders(this.pixels, this.window);
      this.overlay ??= this.filled();
      context.drawImage(this.overlay, left, top);
      context.setLineDash([]);
      for (const [colour, thick] of [['#0008', 4], ['#aaff50', 2]]) {
        context.strokeStyle = colour;
        context.lineWidth = thick / scale;
        context.stroke(this.path);
      }
    }
    for (const [x, y, on] of this.clicks) {
      context.beginPath();
      context.arc(x, y, 5 / scale, 0, 7);
      context.fillStyle = on ? '#2fd05f' : '#ff4040';
      context.fill();
      context.lineWidth = 1.5 / scale;
      context.strokeStyle = '#fff';
      context.stroke();
    }
  }

  filled() {
    const [, , width, height] = this.window;
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d');
    const data = context.createImageData(width, height);
    const words = new Uint32Array(data.data.buffer);
    this.pixels.forEach((value, i) => { words[i] = value ? 0x4050ffaa : 0; }); // ABGR
    context.putImageData(data, 0, 0);
    return canvas;
  }
}
