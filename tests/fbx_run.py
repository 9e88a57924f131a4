"""Runs inside Blender's Python: GLB to FBX as docs/formats.md says, then where the bones are.

python fbx_run.py FPS IN.glb OUT.fbx BONES.json
"""

import json
import sys

import bpy


def bones() -> list[dict[str, list[float]]]:
    """Heads of all bones in the world, frame by frame."""
    rig = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    first, last = (round(frame) for frame in rig.animation_data.action.frame_range)
    rows = []
    for frame in range(first, last + 1):
        bpy.context.scene.frame_set(frame)
        rows.append({b.name: list(rig.matrix_world @ b.head) for b in rig.pose.bones})
    return rows


fps, glb, fbx, out = sys.argv[-4:]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.scene.render.fps = int(fps)
bpy.ops.import_scene.gltf(filepath=glb)
bpy.ops.export_scene.fbx(filepath=fbx, add_leaf_bones=False, bake_anim_simplify_factor=0)
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.scene.render.fps = int(fps)
bpy.ops.import_scene.fbx(filepath=fbx)
with open(out, "w") as file:
    json.dump(bones(), file)
