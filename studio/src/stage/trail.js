// The path on the ground: strong where the person has been, faint where they will go.

import { BufferAttribute, BufferGeometry, Color, DoubleSide, Mesh, ShaderMaterial } from "three";

const HALF_WIDTH = 0.012; // metres
const HEIGHT = 0.004;

const VERTEX = `
attribute float at;
varying float frame;
void main() {
  frame = at;
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
}`;
const FRAGMENT = `
uniform vec3 colour;
uniform float now;
varying float frame;
void main() {
  gl_FragColor = vec4(colour, frame <= now ? 0.75 : 0.16);
  #include <colorspace_fragment>
}`;

/** The root's path of one clip; somebody who stays in place leaves none. */
export class Trail {
  constructor(clip) {
    const uniforms = { colour: { value: new Color(0x2d72d2) }, now: { value: 0 } };
    const material = new ShaderMaterial({
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      uniforms,
      transparent: true,
      depthWrite: false,
      side: DoubleSide,
    });
    this.mesh = new Mesh(ribbon(clip), material);
    this.mesh.visible = clip.moves;
    this.mesh.renderOrder = 2;
  }

  show(frame) {
    this.mesh.material.uniforms.now.value = frame;
  }

  dispose() {
    this.mesh.geometry.dispose();
    this.mesh.material.dispose();
  }
}

function ribbon(clip) {
  const [positions, at, faces] = [[], [], []];
  clip.path.forEach(([x, z], frame) => {
    const [ax, az] = clip.path[Math.max(frame - 1, 0)];
    const [bx, bz] = clip.path[Math.min(frame + 1, clip.frames - 1)];
    const length = Math.hypot(bx - ax, bz - az) || 1;
    const [sx, sz] = [((bz - az) / length) * HALF_WIDTH, ((ax - bx) / length) * HALF_WIDTH];
    positions.push(x + sx, HEIGHT, z + sz, x - sx, HEIGHT, z - sz);
    at.push(frame, frame);
    const v = 2 * frame;
    if (frame) faces.push(v - 2, v - 1, v, v, v - 1, v + 1);
  });
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(new Float32Array(positions), 3));
  geometry.setAttribute("at", new BufferAttribute(new Float32Array(at), 1));
  geometry.setIndex(faces);
  return geometry;
}
