// Masks as COCO's run lengths, column by column: read, and drawn along the edges of pixels.

// The run lengths of text counts: five bits a character, each from the third on as its difference
// from the one before the last.
export function runsOf(counts) {
  const runs = [];
  for (let at = 0; at < counts.length;) {
    let value = 0;
    let shift = 0;
    let more = true;
    while (more) {
      const bits = counts.charCodeAt(at) - 48;
      value |= (bits & 31) << shift;
      more = Boolean(bits & 32);
      at += 1;
      shift += 5;
      if (!more && bits & 16) value |= -1 << shift;
    }
    runs.push(runs.length > 2 ? value + runs[runs.length - 2] : value);
  }
  return runs;
}

// The pixels of a mask in its own box [x, y, width, height]: one byte each, row by row.
export function pixelsOf(counts, box, imageHeight) {
  const [left, top, width, height] = box;
  const pixels = new Uint8Array(width * height);
  let place = 0;
  runsOf(counts).forEach((run, i) => {
    for (let end = place + run; i % 2 && place < end;) {
      const x = Math.floor(place / imageHeight);
      const y = place - x * imageHeight;
      const stop = Math.min(end - place, imageHeight - y);
      for (let k = 0; k < stop; k += 1) pixels[(y + k - top) * width + x - left] = 1;
      place += stop;
    }
    if (i % 2 === 0) place += run;
  });
  return pixels;
}

// The borders of a mask, holes too, as a path in pixels of the image.
export function borders(pixels, box) {
  const [left, top, width, height] = box;
  const path = new Path2D();
  const at = (x, y) => x >= 0 && y >= 0 && x < width && y < height && pixels[y * width + x];
  for (let y = 0; y <= height; y += 1) {
    for (let x = 0, start = -1; x <= width; x += 1) {
      const edge = x < width && Boolean(at(x, y)) !== Boolean(at(x, y - 1));
      if (edge && start < 0) start = x;
      if (!edge && start >= 0) {
        path.moveTo(left + start, top + y);
        path.lineTo(left + x, top + y);
        start = -1;
      }
    }
  }
  for (let x = 0; x <= width; x += 1) {
    for (let y = 0, start = -1; y <= height; y += 1) {
      const edge = y < height && Boolean(at(x, y)) !== Boolean(at(x - 1, y));
      if (edge && start < 0) start = y;
      if (!edge && start >= 0) {
        path.moveTo(left + x, top + start);
        path.lineTo(left + x, top + y);
        start = -1;
      }
    }
  }
  return path;
}

// What is drawn of a box's mask, made when it is first asked for.
export function shapeOf(box, imageHeight) {
  if (!box.counts) return null;
  if (!box.shape) {
    const pixels = pixelsOf(box.counts, box.bbox, imageHeight);
    box.shape = { pixels, path: borders(pixels, box.bbox) };
  }
  return box.shape;
}

export function covers(box, x, y, imageHeight) {
  if (!box.bbox) return false;
  const [left, top, width, height] = box.bbox;
  const [column, row] = [Math.floor(x) - left, Math.floor(y) - top];
  if (column < 0 || row < 0 || column >= width || row >= height) return false;
  return Boolean(shapeOf(box, imageHeight).pixels[row * width + column]);
}
