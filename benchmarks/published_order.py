"""What the published order of work takes for a frame: what our own order is measured against.

    python benchmarks/published_order.py [--frames 5] [--seed 6]

The same weights, the same pictures of a person, one thread. Per frame: three passes through the whole
generator (one of them forgotten), one through the parser, the head model lit and drawn, features enlarged to
512 pixels and blended. TINY is the smallest configuration, with chance numbers in it; BUILTIN_256 is the
generator that comes with phiz. The last column leaves out the blending, which takes the longest with many
features. Parser (19 classes, 256 pixels) and head are the built-in ones, which take
less than the published ones; so does LipaintNet.

`measure` takes any avatar: give it the same person, motion and networks as whatever it is compared with.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace

import torch

from phiz.animate import published
from phiz.animate.lipaint_network import BUILTIN, LipaintConfig, LipaintNet
from phiz.animate.published import Setting, Shot
from phiz.animate.published_blend import blended
from phiz.animate.published_masks import averaged
from phiz.avatar import published_rig, seeds
from phiz.avatar.avatar import Avatar
from phiz.avatar.published_quirks import WASTEFUL
from phiz.face import fit_published, models, network_files
from phiz.face.bfm import PICTURE
from phiz.face.coeffs import Motion, neutral, still
from phiz.face.morphable import MorphableModel
from phiz.face.parse import Parser
from phiz.generator import poses, store
from phiz.generator.config import TINY
from phiz.generator.generator import Features, Generator
from phiz.world import portrait


@dataclass(frozen=True, kw_only=True)
class Networks:
    """What the published method asks of a studio."""

    parser: Parser
    lipaint: LipaintNet


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Milliseconds of a frame, and what they go to."""

    frame: float
    processor: float
    """Of one processor, however busy the machine is."""
    passes: float
    """Of the three through the generator."""
    parser: float
    head: float
    """Lit and drawn."""
    blend: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=5, help="frames that are timed")
    parser.add_argument("--seed", type=int, default=6, help="whom to draw with the built-in generator")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    head = models.open_model(models.BUILT_IN)
    seeing = network_files.load(network_files.PARSER)
    titles = ("ms/frame", "of processor", "3 passes", "parser", "head", "blend", "without blend")
    print(f"{'configuration':14}" + "".join(f"{title:>14}" for title in titles))
    for name, person, lipaint in (
        ("TINY", tiny(head), lipaint_for(TINY.w_size)),
        ("BUILTIN_256", seeds.from_seed(store.load(), options.seed), lipaint_for(BUILTIN.w_size)),
    ):
        motion = talking(head, options.frames)
        found = measure(person, motion, Networks(parser=seeing, lipaint=lipaint), model=head)
        numbers = (*astuple(found), found.passes + found.parser + found.head)
        print(f"{name:14}" + "".join(f"{number:14.1f}" for number in numbers), flush=True)


def measure(
    person: Avatar, motion: Motion, studio: published.Networks, *, model: MorphableModel | None = None
) -> Timing:
    """Return what a frame takes in the published order; the first, and what is found once, do not count."""
    setting = published.set_up(person, studio, WASTEFUL, model)
    shots = list(published.shots(setting, motion, follows_poses=False))
    _drawn(setting, shots[:1])  # compile, warm up
    wall, processor = time.perf_counter(), time.process_time()
    _drawn(setting, shots)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return _with_parts(setting, motion, 1000 * wall / len(shots), 1000 * processor / len(shots))


def tiny(head: MorphableModel) -> Avatar:
    """Return somebody whom a generator of the smallest size draws from chance numbers."""
    chance = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.random.set_rng_state(chance.get_state())
        generator = Generator(TINY).eval().requires_grad_(False)
    rest = neutral(head.sizes)
    return Avatar(
        generator=generator,
        w=generator.styles(torch.randn(1, TINY.z_size, generator=chance)),
        background=torch.randn(1, TINY.background_latent, generator=chance),
        camera=poses.at(TINY, (0.5, 0.5)),
        rest=rest,
        head=models.BUILT_IN,
        generator_from_head=portrait.generator_from_head(rest.identity[0], head),
    )


def lipaint_for(w_size: int) -> LipaintNet:
    """Return a LipaintNet for styles of a size; what it says takes the same time, learned or not."""
    sizes: LipaintConfig = replace(BUILTIN, w_size=w_size)
    return LipaintNet(sizes).eval().requires_grad_(False)


def talking(head: MorphableModel, frames: int) -> Motion:
    """Return a motion in which the jaw goes up and down."""
    nothing = still(head.name, head.sizes.expression, frames)
    expression = nothing.expression.clone()
    expression[:, head.expression_names.index("jawOpen")] = torch.linspace(0, 0.5, frames)
    return replace(nothing, expression=expression)


def _drawn(setting: Setting, shots: Sequence[Shot]) -> None:
    for mouth, mask in averaged((published.mouth_of(setting, shot) for shot in shots), is_causal=True):
        published.frame_of(setting, mouth, mask)


def _with_parts(setting: Setting, motion: Motion, frame: float, processor: float) -> Timing:
    person, quirks = setting.person, setting.quirks
    face = replace(person.rest, expression=motion.expression[-1:])
    moved = published_rig.flat_vertices(person, setting.model, face, setting.rig.used)[0]
    warp = published_rig.warp(setting.rig, moved, quirks)
    seen = published.drawn(setting, person.prepare(), person.camera)
    mask = published.mouth_mask(seen.image, setting.parser, quirks)
    features = Features(seen.features, seen.small)
    return Timing(
        frame=frame,
        processor=processor,
        passes=3 * _ms(lambda: published.drawn(setting, person.prepare(), person.camera, warp=warp)),
        parser=_ms(lambda: published.mouth_mask(seen.image, setting.parser, quirks)),
        head=_ms(lambda: fit_published.published_picture(setting.model, face, PICTURE)),
        blend=_ms(lambda: blended(features, features, mask, quirks)),
    )


def _ms(run: Callable[[], object], times: int = 3) -> float:
    """Return the fewest milliseconds that something took."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return 1000 * min(taken)


if __name__ == "__main__":
    main()
