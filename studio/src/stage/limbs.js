// Many tapered limbs in one draw call: a ball swept from start to end while its radius changes.

import {
  BufferAttribute,
  BufferGeometry,
  Color,
  DynamicDrawUsage,
  InstancedBufferAttribute,
  InstancedMesh,
  MeshDepthMaterial,
  MeshStandardMaterial,
  RGBADepthPacking,
} from "three";

const AROUND = 18;
const ALONG = 7; // rings on each of the two balls

// A vertex knows its angle around the limb, how far along a ball it is, and on which ball. The
// two balls meet where a cone touches both, so that surface and normals are those of the sweep.
const HEAD = `
attribute float tip;
attribute vec3 limb; // radius at the start, radius at the end, length
vec3 limbNormal() {
  float touch = acos(clamp((limb.x - limb.y) / max(limb.z, 1e-4), -0.999, 0.999));
  float angle = tip > 0.5 ? position.y * touch : mix(touch, 3.14159265, position.y);
  return vec3(sin(angle) * position.x, cos(angle), sin(angle) * position.z);
}`;
const NORMAL = "vec3 objectNormal = limbNormal();";
const PLACE = `vec3 transformed = limbNormal() * (tip > 0.5 ? limb.y : limb.x);
transformed.y += tip > 0.5 ? limb.z : 0.0;`;

/** `count` limbs of given radii and colours, placed anew in every frame. */
export class Limbs {
  /** @param {{radii: [number, number], colour: number}[]} kinds */
  constructor(kinds) {
    const geometry = surface();
    this.shape = new InstancedBufferAttribute(new Float32Array(3 * kinds.length), 3);
    this.shape.setUsage(DynamicDrawUsage);
    geometry.setAttribute("limb", this.shape);
    const material = bent(new MeshStandardMaterial({ roughness: 0.62, metalness: 0 }));
    this.mesh = new InstancedMesh(geometry, material, kinds.length);
    this.mesh.instanceMatrix.setUsage(DynamicDrawUsage);
    this.mesh.customDepthMaterial = bent(new MeshDepthMaterial({ depthPacking: RGBADepthPacking }));
    this.mesh.castShadow = true;
    this.mesh.frustumCulled = false;
    kinds.forEach(({ radii, colour }, i) => {
      this.shape.set(radii, 3 * i);
      this.mesh.setColorAt(i, new Color(colour));
    });
  }

  /** Put the limb `i` from `start` to `end` (metres). */
  place(i, start, end) {
    const [dx, dy, dz] = end.map((value, axis) => value - start[axis]);
    const length = Math.hypot(dx, dy, dz);
    const y = length > 1e-6 ? [dx / length, dy / length, dz / length] : [0, 1, 0];
    // Any two directions at right angles to the limb will do: it is round.
    const flat = Math.hypot(y[0], y[2]);
    const x = flat > 1e-4 ? [y[2] / flat, 0, -y[0] / flat] : [1, 0, 0];
    const z = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]];
    const matrix = [...x, 0, ...y, 0, ...z, 0, ...start, 1];
    this.mesh.instanceMatrix.array.set(matrix, 16 * i);
    this.shape.array[3 * i + 2] = length;
  }

  /** Show what was placed. */
  update() {
    this.mesh.instanceMatrix.needsUpdate = true;
    this.shape.needsUpdate = true;
  }

  dispose() {
    this.mesh.geometry.dispose();
    this.mesh.material.dispose();
    this.mesh.customDepthMaterial.dispose();
    this.mesh.dispose();
  }
}

function bent(material) {
  material.onBeforeCompile = (shader) => {
    shader.vertexShader = shader.vertexShader
      .replace("#include <common>", `#include <common>\n${HEAD}`)
      .replace("#include <beginnormal_vertex>", NORMAL)
      .replace("#include <begin_vertex>", PLACE);
  };
  return material;
}

function surface() {
  const [positions, tips, faces] = [[], [], []];
  const ring = AROUND + 1;
  for (const tip of [1, 0]) {
    for (let along = 0; along <= ALONG; along += 1) {
      for (let around = 0; around <= AROUND; around += 1) {
        const angle = (2 * Math.PI * around) / AROUND;
        positions.push(Math.cos(angle), along / ALONG, Math.sin(angle));
        tips.push(tip);
      }
    }
  }
  for (let row = 0; row < 2 * ALONG + 1; row += 1) {
    for (let around = 0; around < AROUND; around += 1) {
      const [a, b] = [row * ring + around, (row + 1) * ring + around];
      faces.push(a, a + 1, b, b, a + 1, b + 1);
    }
  }
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(new Float32Array(positions), 3));
  // Only for three.js to see that there are normals: the shader makes them.
  geometry.setAttribute("normal", geometry.getAttribute("position"));
  geometry.setAttribute("tip", new BufferAttribute(new Float32Array(tips), 1));
  geometry.setIndex(faces);
  return geometry;
}
