// The stage: figures on a floor in one light, drawn in as many panes as there are figures.

import {
  Color,
  DirectionalLight,
  HemisphereLight,
  PCFShadowMap,
  Scene,
  WebGLRenderer,
} from "three";
import { Figure } from "./figure.js";
import { Ground } from "./ground.js";
import { Orbit } from "./orbit.js";
import { grid } from "./panes.js";
import { Quality } from "./quality.js";
import { software } from "./software.js";

const SUN = [-1.1, 4.6, 1.7];

/** Draws when something has changed, and not otherwise. */
export class Stage {
  constructor(canvas) {
    this.canvas = canvas;
    this.figures = [];
    this.panes = [];
    this.drawn = 0;
    this.spare = software();
    this.renderer = new WebGLRenderer({ canvas, antialias: !this.spare });
    this.finest = Math.min(devicePixelRatio, this.spare ? 1 : 2);
    this.quality = new Quality(this.spare); // while something moves
    this.renderer.setPixelRatio(this.finest);
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = PCFShadowMap;
    this.ground = new Ground();
    this.scene = new Scene();
    this.scene.add(this.ground.group, ...this.#lights());
    this.orbit = new Orbit(canvas, () => this.touch());
    this.dirty = true;
    new ResizeObserver(() => this.#resize()).observe(canvas.parentElement);
    this.#resize();
  }

  /** Pixels that are drawn for each pixel of the page while something moves. */
  get ratio() {
    return this.finest * this.quality.share;
  }

  /** Have it drawn again. */
  touch() {
    this.dirty = true;
  }

  /** Put clips on stage, each in a pane of its own. */
  open(clips) {
    for (const figure of this.figures) {
      this.scene.remove(figure.group);
      figure.dispose();
    }
    this.figures = clips.map((clip) => new Figure(clip));
    for (const figure of this.figures) this.scene.add(figure.group);
    this.#layout();
    this.onopen?.();
  }

  /** Take the poses of a frame. */
  show(frame) {
    for (const figure of this.figures) figure.show(frame);
    this.touch();
  }

  /** @param {{back: string, floor: string, line: string, shadow: number, glow: number}} theme */
  colour(theme) {
    this.scene.background = new Color(theme.back);
    this.ground.colour(theme);
    this.sky.intensity = theme.glow;
    this.touch();
  }

  /** Draw if something has changed. `took`: milliseconds since the last call. */
  draw(took, playing) {
    const moves = playing || this.orbit.dragged;
    if (moves) this.quality.took(took);
    this.#refine(moves ? this.ratio : this.finest, !moves || this.quality.shadows);
    if (!this.dirty) return;
    this.dirty = false;
    this.ground.group.visible = this.figures.length > 0;
    if (!this.figures.length) this.#pane({ x: 0, y: 0, width: this.width, height: this.height });
    this.panes.forEach((pane, i) => this.#pane(pane, this.figures[i]));
    this.drawn += 1;
  }

  #pane({ x, y, width, height }, figure = null) {
    const bottom = this.height - y - height;
    this.renderer.setScissorTest(true);
    this.renderer.setViewport(x, bottom, width, height);
    this.renderer.setScissor(x, bottom, width, height);
    for (const other of this.figures) other.group.visible = other === figure;
    if (figure) {
      const [cx, cz] = figure.clip.centre(figure.frame);
      this.ground.centre(cx, cz);
      this.sun.target.position.set(cx, 0.6, cz);
      this.sun.position.set(cx + SUN[0], SUN[1], cz + SUN[2]);
      this.sun.target.updateMatrixWorld();
      this.renderer.render(this.scene, this.orbit.of(figure, width / height));
    } else {
      this.renderer.render(this.scene, this.orbit.camera);
    }
  }

  #lights() {
    this.sky = new HemisphereLight(0xffffff, 0xb9c0cc, 1.5);
    this.sun = new DirectionalLight(0xffffff, 2.2);
    this.sun.castShadow = true;
    this.sun.shadow.mapSize.setScalar(this.spare ? 256 : 1024);
    this.sun.shadow.radius = 5;
    this.sun.shadow.bias = -0.0006;
    this.sun.shadow.normalBias = 0.01;
    const side = 1.9;
    Object.assign(this.sun.shadow.camera, {
      left: -side,
      right: side,
      top: side,
      bottom: -side,
      near: 0.5,
      far: 9,
    });
    return [this.sky, this.sun, this.sun.target];
  }

  #refine(ratio, shadows) {
    if (this.renderer.getPixelRatio() === ratio && this.sun.castShadow === shadows) return;
    this.renderer.setPixelRatio(ratio);
    this.sun.castShadow = shadows;
    this.dirty = true;
  }

  #resize() {
    const { clientWidth, clientHeight } = this.canvas.parentElement;
    [this.width, this.height] = [Math.max(clientWidth, 1), Math.max(clientHeight, 1)];
    this.renderer.setSize(this.width, this.height, false);
    this.#layout();
  }

  #layout() {
    this.panes = grid(this.figures.length, this.width, this.height);
    this.onlayout?.(this.panes);
    this.touch();
  }
}
