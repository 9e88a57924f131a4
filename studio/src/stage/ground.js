// The floor: a soft grid that shows motion over it and fades away, and what catches the shadow.

import {
  CircleGeometry,
  Color,
  Group,
  Mesh,
  PlaneGeometry,
  ShaderMaterial,
  ShadowMaterial,
} from "three";

const REACH = 9; // metres; the grid has faded out there
const SHADE = 1.9; // metres around the person in which a shadow may fall

const VERTEX = `
varying vec2 place; // metres on the floor
varying vec2 off; // from the person
void main() {
  vec4 world = modelMatrix * vec4(position, 1.0);
  place = world.xz;
  off = position.xy;
  gl_Position = projectionMatrix * viewMatrix * world;
}`;
const FRAGMENT = `
uniform vec3 floorColour;
uniform vec3 lineColour;
varying vec2 place;
varying vec2 off;
float lines(float tiles) {
  vec2 at = place * tiles;
  vec2 width = fwidth(at);
  vec2 near = abs(fract(at - 0.5) - 0.5) / max(width, vec2(1e-4));
  vec2 line = (1.0 - min(near / 1.2, 1.0)) * (1.0 - smoothstep(0.15, 0.5, width));
  return max(line.x, line.y);
}
void main() {
  float far = length(off) / ${REACH.toFixed(1)};
  float fade = pow(max(1.0 - far * far, 0.0), 1.6);
  float line = max(lines(1.0), 0.45 * lines(2.0));
  gl_FragColor = vec4(mix(floorColour, lineColour, line), fade);
  #include <colorspace_fragment>
}`;

/** Lies still in the world, wherever the circle of it that is drawn has moved. */
export class Ground {
  constructor() {
    const uniforms = { floorColour: { value: new Color() }, lineColour: { value: new Color() } };
    const grid = new ShaderMaterial({
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      uniforms,
      transparent: true,
      depthWrite: false,
    });
    this.grid = new Mesh(new CircleGeometry(REACH, 48), grid);
    this.shadow = new Mesh(new PlaneGeometry(2 * SHADE, 2 * SHADE), new ShadowMaterial());
    this.shadow.receiveShadow = true;
    this.shadow.material.depthWrite = false;
    this.grid.renderOrder = 0;
    this.shadow.renderOrder = 1;
    this.group = new Group().add(this.grid, this.shadow);
    this.grid.rotation.x = this.shadow.rotation.x = -Math.PI / 2;
  }

  /** Draw it around this place. */
  centre(x, z) {
    this.group.position.set(x, 0, z);
    this.shadow.position.y = 0.002;
  }

  /** @param {{floor: string, line: string, shadow: number}} theme */
  colour({ floor, line, shadow }) {
    this.grid.material.uniforms.floorColour.value.set(floor);
    this.grid.material.uniforms.lineColour.value.set(line);
    this.shadow.material.opacity = shadow;
  }
}
