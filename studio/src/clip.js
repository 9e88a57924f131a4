// A motion that is here to be looked at: what is known of it, and where its joints are.

const ADULT = 1.7;
const STANDING_STILL = 0.35; // metres within which a path is none

/** Joints over time. */
export class Clip {
  #energy = null;

  /**
   * @param {object} facts as the server tells them
   * @param {Float32Array} data frames x joints x 3, metres
   * @param {{joints: string[], parents: number[]}} skeleton
   */
  constructor(facts, data, skeleton) {
    Object.assign(this, { facts, skeleton, count: skeleton.joints.length });
    this.frames = facts.frames;
    this.fps = facts.fps;
    this.stature = stature(data, skeleton);
    const odd = this.stature < 0.6 || this.stature > 2.6; // then it is in no known unit
    this.data = onGround(data, this.count, odd && this.stature > 1e-6 ? ADULT / this.stature : 1);
    if (odd) this.stature = ADULT;
    this.path = smooth(this);
    const ahead = facing(this.pose(0), this.index("left_hip"), this.index("right_hip"));
    this.heading = Math.atan2(ahead[0], ahead[2]);
    this.turnsLeft = this.#turn(ahead) >= -1e-3;
    this.top = percentile(
      this.#each((pose) => highest(pose)),
      0.95,
    );
    const across = (axis) => extent(this.#each((pose) => pose[axis]));
    this.moves = Math.hypot(across(0), across(2)) > STANDING_STILL;
  }

  index(joint) {
    return this.skeleton.joints.indexOf(joint);
  }

  get seconds() {
    return this.frames / this.fps;
  }

  /** Joints (joints x 3) at a frame, which may lie between two; the last one is held. */
  pose(frame) {
    const size = this.count * 3;
    const at = Math.min(Math.max(frame, 0), this.frames - 1);
    const before = Math.floor(at);
    const share = at - before;
    const pose = this.data.slice(before * size, (before + 1) * size);
    if (share === 0) return pose;
    const next = (before + 1) * size;
    for (let i = 0; i < size; i += 1) pose[i] += share * (this.data[next + i] - pose[i]);
    return pose;
  }

  /** x and z of what a camera follows, at a frame. */
  centre(frame) {
    const at = Math.min(Math.max(frame, 0), this.frames - 1);
    const before = Math.floor(at);
    const after = Math.min(before + 1, this.frames - 1);
    return this.path[before].map((v, i) => v + (at - before) * (this.path[after][i] - v));
  }

  /** How much each frame moves: metres per second, mean over the joints. */
  get energy() {
    this.#energy ??= this.#moved();
    return this.#energy;
  }

  #moved() {
    const size = this.count * 3;
    return Array.from({ length: this.frames }, (_, frame) => {
      const a = Math.max(frame - 1, 0) * size;
      let sum = 0;
      for (let i = 0; i < size; i += 3) {
        const b = frame * size + i;
        sum += Math.hypot(...[0, 1, 2].map((k) => this.data[b + k] - this.data[a + i + k]));
      }
      return (sum / this.count) * this.fps;
    });
  }

  /** How far to the left of where they first look they look on average, -1 to 1. */
  #turn([x, , z]) {
    const [left, right] = ["left_hip", "right_hip"].map((name) => this.index(name));
    const turns = this.#each((pose) => {
      const ahead = facing(pose, left, right);
      return ahead[0] * z - ahead[2] * x;
    });
    return turns.reduce((sum, turn) => sum + turn, 0) / this.frames;
  }

  #each(value) {
    return Array.from({ length: this.frames }, (_, frame) => value(this.pose(frame)));
  }
}

/** Horizontal unit vector from the hips' line: where a body looks. */
export function facing(pose, left, right) {
  const [x, z] = [0, 2].map((axis) => pose[3 * left + axis] - pose[3 * right + axis]);
  const length = Math.hypot(x, z);
  return length > 1e-6 ? [-z / length, 0, x / length] : [0, 0, 1];
}

function stature(data, { joints, parents }) {
  const bone = (child) => {
    const [a, b] = [3 * child, 3 * parents[child]];
    return Math.hypot(...[0, 1, 2].map((axis) => data[a + axis] - data[b + axis]));
  };
  const chain = (tip) => {
    const bones = [];
    for (let at = joints.indexOf(tip); parents[at] >= 0; at = parents[at]) bones.push(bone(at));
    return bones;
  };
  const total = [...chain("left_ankle"), ...chain("head")].reduce((sum, length) => sum + length, 0);
  return 1.14 * total;
}

/** Scaled, with the floor (where most frames stand) at height zero and the start at the centre. */
function onGround(data, count, scale) {
  const size = count * 3;
  const lowest = [];
  for (let at = 0; at < data.length; at += size) {
    let low = Infinity;
    for (let i = 1; i < size; i += 3) low = Math.min(low, data[at + i]);
    lowest.push(low);
  }
  const from = [data[0], percentile(lowest, 0.05), data[2]];
  return data.map((value, i) => scale * (value - from[i % 3]) + (i % 3 === 1 ? 0.03 : 0));
}

/** The root's path without its sway; one point for a person who stays in place. */
function smooth(clip) {
  const root = Array.from({ length: clip.frames }, (_, frame) => {
    const at = frame * clip.count * 3;
    return [clip.data[at], clip.data[at + 2]];
  });
  const [x, z] = [0, 1].map((axis) => root.map((point) => point[axis]));
  if (Math.hypot(extent(x), extent(z)) < STANDING_STILL) {
    const middle = [x, z].map((axis) => (Math.min(...axis) + Math.max(...axis)) / 2);
    return root.map(() => middle);
  }
  const reach = Math.max(1, Math.round(0.4 * clip.fps));
  return root.map((_, frame) => {
    const near = Math.min(reach, frame, clip.frames - 1 - frame); // the ends stay where they are
    const part = root.slice(frame - near, frame + near + 1);
    return [0, 1].map((axis) => part.reduce((sum, p) => sum + p[axis], 0) / part.length);
  });
}

function highest(pose) {
  let top = -Infinity;
  for (let i = 1; i < pose.length; i += 3) top = Math.max(top, pose[i]);
  return top;
}

function extent(values) {
  return values.reduce((a, b) => Math.max(a, b)) - values.reduce((a, b) => Math.min(a, b));
}

function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.round(share * (sorted.length - 1))];
}
