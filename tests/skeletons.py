"""Skeletons as tools of motion capture and animation write them, with a person who walks.

Each is the tool's published tree: names, order, rest pose, unit, up axis and frame rate. After
every name stands what it is in our words, which says where it lies; a `*` begins a branch that is
there once more for the other side. The person walks forward with the left hand up.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

BONE = {
    "root": (0, 0, 0), "pelvis": (0, 0.95, 0), "zero": (0, 0, 0), "spine": (0, 0.12, 0),
    "bit": (0, 0.06, 0), "neck": (0, 0.13, -0.01), "nape": (0, 0.05, 0.01), "head": (0, 0.1, 0.02),
    "crown": (0, 0.18, 0), "eye": (0.03, 0.06, 0.08), "breast": (0.08, -0.02, 0.1),
    "hip": (0.09, -0.06, 0), "knee": (0, -0.41, 0), "ankle": (0, -0.42, -0.01),
    "foot": (0, -0.07, 0.13), "tip": (0, 0, 0.06), "heel": (0, -0.07, -0.04),
    "collar": (0.04, 0.07, 0), "shoulder": (0.14, 0, 0), "elbow": (0.28, 0, 0),
    "wrist": (0.25, 0, 0), "finger": (0.08, 0, 0), "thumb": (0.03, 0, 0.03), "twist": (0.1, 0, 0),
    "roll": (0, -0.15, 0), "ik": (0.1, 0.1, 0), "sole": (0, 0, 0),
}  # fmt: skip
"""Metres from the parent, seen as left, up and front, in a T-pose."""
SIDED = ("hip", "knee", "ankle", "foot", "shoulder", "elbow", "wrist")
CENTRAL = ("neck", "head")
HANGING = ("elbow", "wrist", "finger")
AXES = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
"""In LAFAN1's rest pose X is along the bone and up the body, Y its front, Z its left."""


@dataclass(frozen=True)
class Tool:
    """How a tool writes a person: `rest` is a T-pose, arms down (I), or all bones along X."""

    unit: str
    metres: float
    up: str
    fps: float
    sides: tuple[str, str]
    tree: str
    rest: str = "T"
    right_first: bool = False
    order: str = "ZXY"
    shaped: tuple[str, ...] = ()
    """Joints that no name says."""


@dataclass
class Node:
    name: str
    part: str
    side: int
    parent: int
    offset: np.ndarray


def nodes(tool: Tool) -> list[Node]:
    """The whole tree, left and right, depth first."""
    lines = [line for line in tool.tree.splitlines() if line.strip()]
    found: list[Node] = []
    _grow(tool, lines, -1, 0, found)
    return found


def _grow(tool: Tool, lines: list[str], parent: int, side: int, found: list[Node]) -> None:
    while lines:
        depth = len(lines[0]) - len(lines[0].lstrip())
        end = next(
            (i for i, x in enumerate(lines) if i and len(x) - len(x.lstrip()) <= depth), None
        )
        branch, lines = lines[:end], lines[end:] if end else []
        words = branch[0].split()
        name, part = " ".join(words[:-1]), words[-1]
        both = (-1, 1) if tool.right_first else (1, -1)
        for sign in both if name.startswith("*") else (side,):
            called = name.lstrip("*")
            left, right = ("Left", "Right") if "Left" in called else tool.sides
            called = called.replace(left, right, 1) if sign < 0 else called
            offset = _offset(tool, part, sign)
            found.append(Node(called, part, sign, parent, offset))
            _grow(tool, branch[1:], len(found) - 1, sign, found)


def _offset(tool: Tool, part: str, sign: int) -> np.ndarray:
    left, up, front = BONE[part]
    if tool.rest == "X" and part in ("knee", "ankle", "foot", "shoulder", *HANGING):
        return np.array([np.linalg.norm(BONE[part]), 0, 0])
    if tool.rest == "I" and part in HANGING:
        left, up = 0, -left
    way = np.array([left * (sign or 1), up, front])
    return AXES.T @ way if tool.rest == "X" else way


def write(tool: Tool, path: Path, frames: int = 40) -> None:
    """The person as a BVH file."""
    tree = nodes(tool)
    turn = np.eye(3) if tool.up == "Y" else np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    world = _posed(tool, tree, frames)
    angles = []
    for node, now in zip(tree, world, strict=True):
        above = world[node.parent] if node.parent >= 0 else np.eye(3)
        local = turn @ np.swapaxes(np.broadcast_to(above, now.shape), -1, -2) @ now @ turn.T
        angles.append(Rotation.from_matrix(local).as_euler(tool.order, degrees=True))
    path_of_root = np.zeros((frames, 3))
    path_of_root[:, 2] = np.arange(frames) / tool.fps * 1.2
    root = (path_of_root + BONE[tree[0].part]) @ turn.T / tool.metres
    rows = np.concatenate([root[:, None], np.stack(angles, 1)], axis=1).reshape(frames, -1)
    lines = _hierarchy(tool, tree, turn)
    lines += ["MOTION", f"Frames: {frames}", f"Frame Time: {1 / tool.fps:.7f}"]
    lines += [" ".join(f"{v:.6f}" for v in row) for row in rows]
    path.write_text("\n".join(lines) + "\n")


def _hierarchy(tool: Tool, tree: list[Node], turn: np.ndarray) -> list[str]:
    lines = ["HIERARCHY"]

    def emit(index: int, tab: str) -> None:
        node = tree[index]
        offset = turn @ node.offset / tool.metres
        lines.append(f"{tab}{'JOINT' if index else 'ROOT'} {node.name}")
        lines.append(f"{tab}{{")
        lines.append(f"{tab}\tOFFSET {' '.join(f'{v:.6f}' for v in offset)}")
        moves = "" if index else "Xposition Yposition Zposition "
        turns = " ".join(f"{axis}rotation" for axis in tool.order)
        lines.append(f"{tab}\tCHANNELS {3 if index else 6} {moves}{turns}")
        below = [i for i, other in enumerate(tree) if other.parent == index]
        for child in below:
            emit(child, tab + "\t")
        if not below:
            end = {"ankle": "foot", "foot": "tip", "wrist": "finger", "head": "crown"}
            part = "zero" if tool.rest == "X" else end.get(node.part, "zero")
            tip = turn @ _offset(tool, part, node.side) / tool.metres
            lines.append(f"{tab}\tEnd Site")
            lines.append(f"{tab}\t{{")
            lines.append(f"{tab}\t\tOFFSET {' '.join(f'{v:.6f}' for v in tip)}")
            lines.append(f"{tab}\t}}")
        lines.append(f"{tab}}}")

    emit(0, "")
    return lines


def _posed(tool: Tool, tree: list[Node], frames: int) -> list[np.ndarray]:
    """Rotation in the world of every node (frames, 3, 3), in left, up and front."""
    body = AXES if tool.rest == "X" else np.eye(3)
    world: list[np.ndarray] = []
    for index, node in enumerate(tree):
        goal = _goal(node, frames)
        below = [other for other in tree if other.parent == index and other.part in AIMED]
        if goal is None or not below:
            aims = node.part not in ("twist", "finger", "tip", "foot") or node.parent < 0
            world.append(np.tile(body, (frames, 1, 1)) if aims else world[node.parent])
            continue
        rest = body @ below[0].offset
        world.append(_between(rest, goal) @ body)
    return world


AIMED = ("knee", "ankle", "foot", "elbow", "wrist", "finger", "shoulder")


def _goal(node: Node, frames: int) -> np.ndarray | None:
    """Where the bone that begins at a node points, in every frame (frames, 3)."""
    swing = 0.4 * np.sin(np.arange(frames) / 5) * node.side
    still = np.zeros(frames)
    match node.part:
        case "hip":
            return np.stack([still, -np.cos(swing), np.sin(swing)], -1)
        case "knee":
            bend = swing - 0.5
            return np.stack([still, -np.cos(bend), np.sin(bend)], -1)
        case "ankle":
            return np.tile(BONE["foot"], (frames, 1)).astype(float)
        case "collar":
            return np.tile([node.side, 0.0, 0], (frames, 1))
        case "shoulder" | "elbow" | "wrist":
            down = np.stack([0.2 + still, -1 + still, 0.5 * swing], -1) * [node.side, 1, 1]
            up = np.stack([0.2 + 0.3 * swing, 1 + still, still + 0.1], -1)
            return up if node.side > 0 else down
        case _:
            return None


def _between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The shortest rotations from one direction to others."""
    found = []
    for goal in b:
        axis = np.cross(a, goal)
        angle = np.arctan2(np.linalg.norm(axis), a @ goal)
        axis = axis if angle < 3.14 else np.array([1.0, 0, 0])
        axis = axis / (np.linalg.norm(axis) or 1)
        found.append(Rotation.from_rotvec(angle * axis).as_matrix())
    return np.stack(found)


_LEFT_RIGHT = ("Left", "Right")
_XSENS_LIMBS = """
 *LeftCollar collar
  LeftShoulder shoulder
   LeftElbow elbow
    LeftWrist wrist
"""
TOOLS = {
    "cmu daz": Tool("centimetre", 0.01, "Y", 120, ("l", "r"), """
hip pelvis
 abdomen spine
  chest spine
   neck neck
    head head
     *leftEye eye
   *lCollar collar
    lShldr shoulder
     lForeArm elbow
      lHand wrist
       lThumb1 thumb
        lThumb2 finger
       lIndex1 finger
        lIndex2 finger
       lMid1 finger
        lMid2 finger
 *lButtock zero
  lThigh hip
   lShin knee
    lFoot ankle
""", shaped=("left_foot", "right_foot")),
    "cmu motionbuilder": Tool("asf unit", 0.0254 / 0.45, "Y", 120, ("L", "R"), """
Hips pelvis
 *LHipJoint zero
  LeftUpLeg hip
   LeftLeg knee
    LeftFoot ankle
     LeftToeBase foot
 LowerBack zero
  Spine spine
   Spine1 spine
    Neck neck
     Neck1 nape
      Head head
    *LeftShoulder collar
     LeftArm shoulder
      LeftForeArm elbow
       LeftHand wrist
        LeftFingerBase zero
         LeftHandIndex1 finger
        LThumb thumb
"""),
    "mixamo": Tool("centimetre", 0.01, "Y", 30, _LEFT_RIGHT, """
mixamorig:Hips pelvis
 mixamorig:Spine spine
  mixamorig:Spine1 spine
   mixamorig:Spine2 spine
    mixamorig:Neck neck
     mixamorig:Head head
      mixamorig:HeadTop_End crown
    *mixamorig:LeftShoulder collar
     mixamorig:LeftArm shoulder
      mixamorig:LeftForeArm elbow
       mixamorig:LeftHand wrist
        mixamorig:LeftHandThumb1 thumb
         mixamorig:LeftHandThumb2 finger
        mixamorig:LeftHandMiddle1 finger
 *mixamorig:LeftUpLeg hip
  mixamorig:LeftLeg knee
   mixamorig:LeftFoot ankle
    mixamorig:LeftToeBase foot
     mixamorig:LeftToe_End tip
"""),
    "bandai namco": Tool("centimetre", 0.01, "Y", 30, ("_L", "_R"), """
joint_Root root
 Hips pelvis
  Spine spine
   Chest spine
    Neck neck
     Head head
    *Shoulder_L collar
     UpperArm_L shoulder
      LowerArm_L elbow
       Hand_L wrist
  *UpperLeg_L hip
   LowerLeg_L knee
    Foot_L ankle
     Toes_L foot
"""),
    "lafan1": Tool("centimetre", 0.01, "Y", 30, _LEFT_RIGHT, """
Hips pelvis
 *LeftUpLeg hip
  LeftLeg knee
   LeftFoot ankle
    LeftToe foot
 Spine spine
  Spine1 spine
   Spine2 spine
    Neck neck
     Head head
    *LeftShoulder collar
     LeftArm shoulder
      LeftForeArm elbow
       LeftHand wrist
""", rest="X", order="ZYX"),
    "100style": Tool("centimetre", 0.01, "Y", 60, _LEFT_RIGHT, f"""
Hips pelvis
 Chest spine
  Chest2 bit
   Chest3 bit
    Chest4 bit
     Neck neck
      Head head
{_XSENS_LIMBS.replace(" *", "     *").replace("  L", "      L")}
 *LeftHip hip
  LeftKnee knee
   LeftAnkle ankle
    LeftToe foot
""", right_first=True),
    "rokoko": Tool("centimetre", 0.01, "Y", 100, _LEFT_RIGHT, """
Hips pelvis
 *LeftThigh hip
  LeftShin knee
   LeftFoot ankle
    LeftToe foot
     LeftToeTip tip
 Spine1 spine
  Spine2 bit
   Spine3 bit
    Spine4 bit
     Neck neck
      Head head
     *LeftShoulder collar
      LeftArm shoulder
       LeftForeArm elbow
        LeftHand wrist
         LeftFinger1Metacarpal thumb
          LeftFinger1Proximal finger
         LeftFinger3Metacarpal finger
          LeftFinger3Proximal finger
"""),
    "xsens mvn": Tool("metre", 1.0, "Z", 60, _LEFT_RIGHT, """
Pelvis pelvis
 L5 bit
  L3 bit
   T12 bit
    T8 bit
     Neck neck
      Head head
     *LeftShoulder collar
      LeftUpperArm shoulder
       LeftForeArm elbow
        LeftHand wrist
 *LeftUpperLeg hip
  LeftLowerLeg knee
   LeftFoot ankle
    LeftToe foot
""", right_first=True),
    "cmu asf": Tool("asf unit", 0.0254 / 0.45, "Y", 120, ("l", "r"), """
root pelvis
 *lhipjoint zero
  lfemur hip
   ltibia knee
    lfoot ankle
     ltoes foot
 lowerback zero
  upperback spine
   thorax spine
    lowerneck neck
     upperneck nape
      head head
    *lclavicle collar
     lhumerus shoulder
      lradius elbow
       lwrist wrist
        lhand finger
         lfingers finger
        lthumb thumb
"""),
    "smpl": Tool("metre", 1.0, "Y", 30, ("L_", "R_"), """
Pelvis pelvis
 *L_Hip hip
  L_Knee knee
   L_Ankle ankle
    L_Foot foot
 Spine1 spine
  Spine2 spine
   Spine3 spine
    Neck neck
     Head head
    *L_Collar collar
     L_Shoulder shoulder
      L_Elbow elbow
       L_Wrist wrist
        L_Hand finger
"""),
    "3ds max biped": Tool("inch", 0.0254, "Z", 30, (" L ", " R "), """
Bip01 pelvis
 Bip01 Pelvis zero
  Bip01 Spine bit
   *Bip01 L Thigh hip
    Bip01 L Calf knee
     Bip01 L Foot ankle
      Bip01 L Toe0 foot
   Bip01 Spine1 spine
    Bip01 Spine2 spine
     Bip01 Neck neck
      Bip01 Head head
      *Bip01 L Clavicle collar
       Bip01 L UpperArm shoulder
        Bip01 L Forearm elbow
         Bip01 L Hand wrist
          Bip01 L Finger0 thumb
"""),
    "rigify": Tool("metre", 1.0, "Z", 24, (".L", ".R"), """
spine pelvis
 spine.001 spine
  spine.002 spine
   spine.003 spine
    spine.004 neck
     spine.005 nape
      spine.006 head
    *shoulder.L collar
     upper_arm.L shoulder
      forearm.L elbow
       hand.L wrist
        palm.01.L finger
         f_index.01.L finger
    *breast.L breast
 *pelvis.L zero
 *thigh.L hip
  shin.L knee
   foot.L ankle
    toe.L foot
    heel.02.L heel
""", shaped=("neck", "head")),
    "unreal": Tool("centimetre", 0.01, "Z", 30, ("_l", "_r"), """
root root
 pelvis pelvis
  spine_01 spine
   spine_02 spine
    spine_03 spine
     *clavicle_l collar
      upperarm_l shoulder
       upperarm_twist_01_l twist
       lowerarm_l elbow
        lowerarm_twist_01_l twist
        hand_l wrist
         index_01_l finger
     neck_01 neck
      head head
  *thigh_l hip
   calf_l knee
    calf_twist_01_l roll
    foot_l ankle
     ball_l foot
   thigh_twist_01_l roll
 ik_foot_root root
  *ik_foot_l ik
 ik_hand_root root
  ik_hand_gun ik
   *ik_hand_l ik
""", rest="I"),
    "perception neuron": Tool("centimetre", 0.01, "Y", 60, _LEFT_RIGHT, """
Hips pelvis
 *LeftUpLeg hip
  LeftLeg knee
   LeftFoot ankle
 Spine spine
  Spine1 bit
   Spine2 bit
    Neck neck
     Neck1 nape
      Head head
    *LeftShoulder collar
     LeftArm shoulder
      LeftForeArm elbow
       LeftHand wrist
        LeftHandThumb1 thumb
        LeftInHandIndex finger
         LeftHandIndex1 finger
""", right_first=True, shaped=("left_foot", "right_foot")),
}  # fmt: skip
"""By tool."""

ODD = Tool("centimetre", 0.01, "Y", 50, ("a", "b"), """
q0 pelvis
 q1 bit
  q2 bit
   q3 bit
    q4 bit
     q5 bit
      q6 bit
       q7 neck
        q8 head
         *q9a eye
       *va collar
        wa shoulder
         xa elbow
          ya wrist
           za thumb
            za2 finger
           ua finger
            ua2 finger
           ta finger
            ta2 finger
 *ka hip
  ma knee
   na ankle
""", shaped=("left_hip", "right_wrist", "neck", "head", "left_foot"))  # fmt: skip
"""37 joints of no known name, six of them the spine, and no toes."""
