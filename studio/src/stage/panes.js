// Where several figures are shown beside each other.

const SHAPE = 0.75; // width by height that suits a standing person
const GAP = 1; // pixels between panes

/** Rectangles `{x, y, width, height}` of `count` panes that fill a stage as people stand best. */
export function grid(count, width, height) {
  if (count === 0) return [];
  const fits = Array.from({ length: count }, (_, i) => {
    const columns = i + 1;
    const rows = Math.ceil(count / columns);
    const empty = columns * rows - count;
    const shape = width / columns / (height / rows);
    return { columns, rows, badness: Math.abs(Math.log(shape / SHAPE)) + empty };
  });
  const { columns, rows } = fits.reduce((a, b) => (b.badness < a.badness ? b : a));
  const [w, h] = [width / columns, height / rows];
  return Array.from({ length: count }, (_, i) => ({
    x: Math.round((i % columns) * w) + (i % columns ? GAP : 0),
    y: Math.round(Math.floor(i / columns) * h) + (i >= columns ? GAP : 0),
    width: Math.round(w) - (i % columns ? GAP : 0),
    height: Math.round(h) - (i >= columns ? GAP : 0),
  }));
}
