"""All commands: where their functions live, and what they do.

A verb's summary stands here as well as in its docstring, so that ``phiz --help`` imports none of them; a test
compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Verb:
    """A command: where its function lives and what it does, in the words of its docstring."""

    home: str
    """``module:function``"""
    summary: str


VERBS: Mapping[str, Verb] = {
    "demo": Verb("phiz.demo:demo", "Make a short film of a talking head from nothing but a seed."),
    "avatar": Verb(
        "phiz.avatar_verb:avatar_verb",
        "Make an avatar of the face in a photo, or of somebody who never lived.",
    ),
    "talk": Verb("phiz.talk_verb:talk_verb", "Make a film of somebody who says a sound or a text."),
    "mimic": Verb(
        "phiz.mimic_verb:mimic_verb",
        "Make a film of somebody who does what somebody does in a video.",
    ),
    "spin": Verb("phiz.spin_verb:spin_verb", "Film a person from all sides, sitting still."),
    "verify": Verb(
        "phiz.verify:verify",
        "Say whether a film tells where it comes from: its signed manifest and its invisible mark.",
    ),
    "world people": Verb(
        "phiz.world.show:people", "List who lives in the world: the people that seeds stand for."
    ),
    "world sheet": Verb(
        "phiz.world.show:sheet", "Draw a sheet of people who never lived, each in a scene of their own."
    ),
    "world shards": Verb("phiz.world.data.shards:shards_verb", "Write a data set of rendered people."),
    "world portraits": Verb(
        "phiz.world.data.portraits:portraits_verb",
        "Write portraits for a generator to learn from, as flat arrays.",
    ),
    "world voices": Verb(
        "phiz.world.voices.show:voices",
        "Write a data set of synthetic speech with phones, times and mouth curves.",
    ),
    "world turntable": Verb("phiz.world.show:turntable", "Film one person from all sides."),
    "train gan": Verb("phiz.train.gan:train_gan", "Train a generator against a discriminator."),
    "train detector": Verb(
        "phiz.train.detector:train_detector",
        "Train a detector, which finds faces and five points of each.",
    ),
    "train closeup": Verb(
        "phiz.train.closeup:train_closeup", "Train networks that look closely at eyes and mouths."
    ),
    "train landmarks": Verb(
        "phiz.train.landmarks:train_landmarks", "Train a network that finds the points of a face."
    ),
    "train regress": Verb(
        "phiz.train.regress:train_regress",
        "Train a regressor, which tells a face's coefficients from a crop.",
    ),
    "train parse": Verb(
        "phiz.train.parse:train_parse", "Train a parser, which says what each pixel of a face shows."
    ),
    "train speech": Verb(
        "phiz.train.speech:train_speech", "Train a network that tells expressions from sound."
    ),
    "train syncnet": Verb(
        "phiz.train.syncnet:train_syncnet",
        "Train a network that tells whether mouth curves and sound belong together.",
    ),
    "train pose": Verb("phiz.train.pose:train_pose", "Train the networks that turn a head while it speaks."),
    "train head-motion": Verb(
        "phiz.train.head_motion:train_head_motion",
        "Train our own network that moves heads while they speak.",
    ),
    "train encoder": Verb(
        "phiz.train.encoder:train_encoder",
        "Train an encoder, which tells from a picture what the generator would draw it from.",
    ),
    "train lipaint": Verb(
        "phiz.train.lipaint:train_lipaint",
        "Train a network that draws the mouths of a generator's people.",
    ),
    "train arcface": Verb("phiz.train.arcface:train_arcface", "Train a network to recognise people."),
    "train head": Verb(
        "phiz.train.head:train_head",
        "Learn our own head's shape and expressions from a folder of scanned ones.",
    ),
    "train layout": Verb(
        "phiz.train.layout_pictures:train_layout",
        "Learn where the points of MediaPipe's 478-point layout lie on our head.",
    ),
    "speak": Verb(
        "phiz.speak_verb:speak_verb",
        "Make a motion of a sound or a text: lips, brows, blinks, gaze and head.",
    ),
    "motion show": Verb(
        "phiz.motion_show:show", "Draw the curves of a motion against the waveform, as a PNG."
    ),
    "detect": Verb(
        "phiz.prepare.detect_verb:detect_verb",
        "Find faces and five points of each, in pictures of any kind.",
    ),
    "landmarks": Verb(
        "phiz.prepare.landmarks_verb:landmarks_verb",
        "Find the points of a face: 68 landmarks and the 478-point layout, each with its uncertainty.",
    ),
    "align": Verb(
        "phiz.prepare.align_verb:align_verb",
        "Cut faces out as networks expect them, upright and at one size.",
    ),
    "track": Verb(
        "phiz.prepare.track_verb:track_verb", "Follow a face through a video and write how it moves."
    ),
    "fit": Verb(
        "phiz.prepare.fit_verb:fit_verb", "Fit a head model to one picture or to a whole set of them."
    ),
    "prepare": Verb(
        "phiz.prepare.prepare_verb:prepare_verb",
        "Make a data set to train on of folders of pictures, films and sounds.",
    ),
    "data check": Verb("phiz.prepare.check:check_verb", "Look for faults in a data set."),
    "import stylenerf": Verb(
        "phiz.importers.import_verb:import_stylenerf",
        "Convert a published StyleNeRF pickle without running anything in it.",
    ),
    "import bisenet": Verb(
        "phiz.importers.bisenet:import_bisenet",
        "Convert the published face parser without running anything in its file.",
    ),
    "import deep3d": Verb(
        "phiz.importers.deep3d:import_deep3d",
        "Convert the published face reconstruction without running anything in its file.",
    ),
    "import original": Verb(
        "phiz.importers.original:import_original",
        "Convert a folder of all published weights into a studio folder.",
    ),
    "import lipaintnet": Verb(
        "phiz.importers.lipaintnet:import_lipaintnet",
        "Convert the published network that draws mouths without running anything in its file.",
    ),
    "import sadtalker": Verb(
        "phiz.importers.sadtalker:import_sadtalker",
        "Convert SadTalker's speech networks without running anything in their file.",
    ),
    "import syncnet": Verb(
        "phiz.importers.syncnet:import_syncnet",
        "Convert the published judge of lips and sound without running anything in its file.",
    ),
    "import arcface": Verb(
        "phiz.importers.arcface:import_arcface",
        "Convert a published recogniser without running anything in its file.",
    ),
    "import facemodel": Verb(
        "phiz.importers.facemodel:import_facemodel",
        "Convert the Basel Face Model, as published or as its makers give it away.",
    ),
    "export generator": Verb(
        "phiz.generator.export:export_verb",
        "Export a generator to ONNX or torch.export, to draw heads without phiz.",
    ),
    "export recogniser": Verb(
        "phiz.face.identity.export:export_recogniser",
        "Write a recogniser as ONNX, and compare it with what it was made of.",
    ),
    "measure generator": Verb(
        "phiz.measure:measure_verb",
        "Measure a generator on portraits that it has never seen, and draw sheets to look at.",
    ),
    "measure seeing": Verb(
        "phiz.measure_seeing:measure_seeing",
        "Measure the built-in networks that see on people whom they have never seen.",
    ),
    "measure avatars": Verb(
        "phiz.measure_avatars:measure_avatars",
        "Measure avatars of people of the world beside the truth: talking, turning and blinking.",
    ),
    "measure hearing": Verb(
        "phiz.measure_hearing:measure_hearing",
        "Measure the networks that hear on voices that they have never heard.",
    ),
    "measure identity": Verb(
        "phiz.metrics.recognition:measure_identity",
        "Say how often a recogniser is right about whether two pictures show one person.",
    ),
    "mesh": Verb(
        "phiz.mesh:mesh_verb",
        "Write a drawn head as a mesh with colours for Blender, a game engine or a web page.",
    ),
    "head export": Verb(
        "phiz.face.export:export_verb", "Write a head model for Blender, a game engine or a web page."
    ),
    "head retarget": Verb(
        "phiz.face.retarget:retarget_verb", "Make a motion of one head model into one of another."
    ),
    "doctor": Verb("phiz.doctor:doctor", "Say what this machine has and what phiz misses on it."),
}
"""One line a command; the words of a group stand together."""

GROUPS: Mapping[str, str] = {
    "world": "Look at rendered people and make data sets of them.",
    "train": "Train a part of phiz.",
    "data": "Prepare and check data sets.",
    "motion": "Look at motions.",
    "import": "Make published weights files of ours.",
    "export": "Write networks for other programs.",
    "measure": "Say in numbers how good a network is.",
    "head": "Work with head models.",
}
