// `window.studio`: what is on stage, to be read by tests and by the curious; it changes nothing.

/** A frozen object whose values are always those of now. */
export function view({ bench, player, selection, history, work, stage }) {
  const place = (joint, frame = player.frame, pane = 0) => {
    const { clip } = stage.figures[pane];
    const at = 3 * clip.index(joint);
    return at < 0 ? null : Array.from(clip.pose(frame).slice(at, at + 3));
  };
  const values = {
    motions: () => structuredClone(bench.motions),
    picked: () => bench.picked,
    frame: () => player.frame,
    frames: () => player.frames,
    fps: () => player.fps,
    playing: () => player.playing,
    selection: () => selection.part && [...selection.part],
    history: () => structuredClone(history.entries),
    busy: () => work.busy,
    figures: () => stage.figures.length,
    /** Pictures that were drawn so far. */
    drawn: () => stage.drawn,
    /** Pixels that are drawn for each pixel of the page while something moves. */
    ratio: () => stage.ratio,
  };
  const view = { joint: place };
  for (const [name, get] of Object.entries(values))
    Object.defineProperty(view, name, { get, enumerable: true });
  return Object.freeze(view);
}
