// One person on the stage: the mannequin and the path it walks.

import { Group } from "three";
import { kindsOf, limbsOf } from "./body.js";
import { Limbs } from "./limbs.js";
import { Trail } from "./trail.js";

/** A clip as something to look at. */
export class Figure {
  constructor(clip) {
    this.clip = clip;
    this.limbs = new Limbs(kindsOf(clip.stature));
    this.trail = new Trail(clip);
    this.group = new Group().add(this.limbs.mesh, this.trail.mesh);
    this.show(0);
  }

  /** Take the pose of a frame, which may lie between two. */
  show(frame) {
    this.frame = Math.min(frame, this.clip.frames - 1);
    const { clip } = this;
    limbsOf(clip.pose(frame), clip.skeleton.joints, clip.stature).forEach(([start, end], i) =>
      this.limbs.place(i, start, end),
    );
    this.limbs.update();
    this.trail.show(this.frame);
  }

  dispose() {
    this.limbs.dispose();
    this.trail.dispose();
  }
}
