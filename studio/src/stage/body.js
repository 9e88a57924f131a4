// The mannequin: which limbs a person has, around the joints of either skeleton. The shapes and
// colours are those of the project's pictures: left blue, right orange.

import { facing } from "../clip.js";

const ADULT = 1.7;
const SOLE = 0.03;
const CLOTH = 0x68748a;
const LEFT = 0x2d72d2;
const RIGHT = 0xf0821e;
const SKIN = 0xdec8b6;

const add = (a, b, share = 1) => a.map((value, i) => value + share * b[i]);
const mix = (a, b, share) => a.map((value, i) => value + share * (b[i] - value));
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

function unit(vector) {
  const length = Math.hypot(...vector);
  return length > 1e-6 ? vector.map((value) => value / length) : [0, 1, 0];
}

const towards = (from, to) => unit(add(to, from, -1));

/** Radii (metres, of an adult) and colours, in the order of `limbsOf`. */
const TRUNK = [
  [0.1, 0.1, CLOTH], // pelvis
  [0.112, 0.116, CLOTH], // belly
  [0.056, 0.056, CLOTH], // shoulders
  [0.112, 0.09, CLOTH], // chest
  [0.046, 0.046, SKIN], // neck
  [0.108, 0.076, SKIN], // head
  [0.012, 0.02, SKIN], // nose
  [0.1, 0.083, CLOTH], // left side of the chest
  [0.1, 0.083, CLOTH],
];
const SIDE = [
  [0.053, 0.043], // upper arm
  [0.043, 0.031], // forearm
  [0.034, 0.03], // hand
  [0.083, 0.058], // thigh
  [0.056, 0.038], // shin
  [0.036, SOLE], // sole
  [0.038, SOLE], // instep
];

/** What the limbs of a person of this stature look like. */
export function kindsOf(stature) {
  const sides = [LEFT, RIGHT].flatMap((colour) => SIDE.map((radii) => [...radii, colour]));
  return [...TRUNK, ...sides].map(([start, end, colour]) => ({
    radii: [start, end].map((radius) => (radius * stature) / ADULT),
    colour,
  }));
}

/**
 * Start and end of each limb.
 * @param {Float32Array} pose joints x 3, metres
 * @param {string[]} joints their names
 */
export function limbsOf(pose, joints, stature) {
  const at = (name) => {
    const first = 3 * joints.indexOf(name);
    return [pose[first], pose[first + 1], pose[first + 2]];
  };
  const size = stature / ADULT;
  return [
    ...trunk(at, joints, pose, size),
    ...side(at, joints, "left", size),
    ...side(at, joints, "right", size),
  ];
}

function trunk(at, joints, pose, size) {
  const [neck, leftHip, rightHip] = ["neck", "left_hip", "right_hip"].map(at);
  const root = mix(leftHip, rightHip, 0.5);
  const middle = at(joints.includes("spine3") ? "spine2" : "spine1");
  const short = joints.includes("left_toe"); // KIT-ML's head is the top of the neck
  let head = at("head");
  const up = short ? towards(middle, head) : towards(neck, head);
  if (short) head = add(head, up, 2 * Math.hypot(...add(head, neck, -1)));
  const skull = add(head, up, 0.055 * size);
  const ahead = facing(pose, joints.indexOf("left_hip"), joints.indexOf("right_hip"));
  const face = unit(add(ahead, up, -dot(ahead, up)));
  const nose = add(add(skull, face, 0.104 * size), up, -0.018 * size);
  // Raised shoulders take the chest with them.
  const collar = mix(neck, mix(at("left_shoulder"), at("right_shoulder"), 0.5), 0.6);
  const chests = ["left_shoulder", "right_shoulder"].map((name) => {
    const armpit = mix(at(name), neck, 0.34);
    return [mix(middle, armpit, 0.07), add(armpit, up, -0.03 * size)];
  });
  return [
    [mix(leftHip, rightHip, 0.3), mix(leftHip, rightHip, 0.7)],
    [add(root, towards(root, middle), 0.03 * size), middle],
    [at("left_shoulder"), at("right_shoulder")],
    [middle, add(collar, up, -0.05 * size)],
    [collar, head],
    [skull, add(add(skull, face, 0.028 * size), up, -0.048 * size)],
    [add(nose, up, 0.022 * size), nose],
    ...chests,
  ];
}

function side(at, joints, name, size) {
  const joint = (part) => at(`${name}_${part}`);
  const [shoulder, elbow, wrist] = ["shoulder", "elbow", "wrist"].map(joint);
  const [hip, knee, ankle] = ["hip", "knee", "ankle"].map(joint);
  const toe = joint(joints.includes(`${name}_toe`) ? "toe" : "foot");
  const fore = towards(elbow, wrist);
  const heel = add(
    add(ankle, towards(knee, ankle), 0.04 * size),
    towards(ankle, toe),
    -0.035 * size,
  );
  const tip = add(toe, towards(heel, toe), 0.035 * size);
  return [
    [shoulder, elbow],
    [elbow, wrist],
    [add(wrist, fore, 0.01 * size), add(wrist, fore, 0.085 * size)],
    [hip, knee],
    [knee, ankle],
    [heel, tip],
    [ankle, toe],
  ];
}
