// From where the stage is looked at: a direction, a distance and a shift that all panes share.

import { PerspectiveCamera, Spherical, Vector3 } from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";

const FIELD = 28; // degrees
const AWAY = 4; // what distance 1 is to the controls
const AROUND = 0.45; // radians beside where the person looks
const DOWN = 1.36; // radians from straight above
const UP = new Vector3(0, 1, 0);
const KEYS = {
  ArrowLeft: [-0.12, 0],
  ArrowRight: [0.12, 0],
  ArrowUp: [0, -0.08],
  ArrowDown: [0, 0.08],
};

/** Turned with the pointer, wheel, fingers, or the arrow keys. */
export class Orbit {
  /** @param {HTMLElement} element what is dragged @param {() => void} changed */
  constructor(element, changed) {
    this.rig = new PerspectiveCamera(FIELD, 1, 0.1, 100);
    this.controls = new OrbitControls(this.rig, element);
    Object.assign(this.controls, { minDistance: 1.2, maxDistance: 16, maxPolarAngle: 1.55 });
    this.camera = new PerspectiveCamera(FIELD, 1, 0.05, 80);
    this.reset();
    this.dragged = false;
    this.controls.addEventListener("change", changed);
    for (const [event, is] of [
      ["start", true],
      ["end", false],
    ]) {
      this.controls.addEventListener(event, () => {
        this.dragged = is;
        changed();
      });
    }
    element.addEventListener("keydown", (event) => this.#key(event));
  }

  reset() {
    this.controls.target.set(0, 0, 0);
    this.rig.position.setFromSpherical(new Spherical(AWAY, DOWN, AROUND));
    this.controls.update();
  }

  /** The camera for a pane of this shape (width by height) in which a figure stands. */
  of(figure, aspect) {
    const { clip } = figure;
    const [x, z] = clip.centre(figure.frame);
    const top = Math.max(clip.top, 0.8 * clip.stature);
    // From the side to which the person turns: so they look at us more than away.
    const round = clip.heading - (clip.turnsLeft ? 0 : 2 * AROUND);
    const slope = Math.tan((FIELD * Math.PI) / 360);
    const fit = Math.max((0.5 * top + 0.3) / slope, (0.5 * clip.stature) / (slope * aspect));
    const target = this.controls.target.clone().applyAxisAngle(UP, round);
    target.add(new Vector3(x, 0.47 * top + 0.1, z));
    const from = this.rig.position
      .clone()
      .sub(this.controls.target)
      .multiplyScalar((1.06 * fit) / AWAY);
    this.camera.aspect = aspect;
    this.camera.position.copy(from.applyAxisAngle(UP, round).add(target));
    this.camera.position.y = Math.max(this.camera.position.y, 0.06);
    this.camera.lookAt(target);
    this.camera.updateProjectionMatrix();
    return this.camera;
  }

  #key(event) {
    const zoom = { "+": 0.9, "=": 0.9, "-": 1.1 }[event.key];
    const turn = KEYS[event.key];
    if ((!turn && !zoom) || event.ctrlKey || event.metaKey || event.altKey) return;
    const place = this.rig.position.clone().sub(this.controls.target);
    const round = new Spherical().setFromVector3(place);
    if (turn) [round.theta, round.phi] = [round.theta + turn[0], round.phi + turn[1]];
    if (zoom) round.radius *= zoom;
    round.phi = Math.min(Math.max(round.phi, 0.05), 1.55);
    this.rig.position.setFromSpherical(round).add(this.controls.target);
    this.controls.update();
    event.preventDefault();
    event.stopPropagation(); // arrows step through frames elsewhere
  }
}
