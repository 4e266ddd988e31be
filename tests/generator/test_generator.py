"""Pictures: however people and cameras are batched, prepared or grown, they are the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from phiz.generator import poses
from phiz.generator.config import BUILTIN_256, TINY, GeneratorConfig
from phiz.generator.generator import Features, Generator, Plan
from phiz.generator.volume import mix
from phiz.graphics.camera import Camera
from phiz.layers.modulated import apply

Codes = tuple[torch.Tensor, torch.Tensor]


def _cameras(generator: Generator) -> Camera:
    return poses.at_units(generator.config, torch.tensor([[0.5, -0.4], [-1.0, 0.3]]))


def test_a_batch_draws_what_each_draws_alone(tiny: Generator, codes: Codes) -> None:
    z, behind = codes
    styles, camera = tiny.styles(z), _cameras(tiny)
    both = tiny.render(styles, camera, background=behind)
    for k in range(2):
        cut = slice(k, k + 1)
        alone = tiny.render(styles[cut], camera[cut], background=behind[cut])
        torch.testing.assert_close(alone.image, both.image[cut], atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(alone.depth, both.depth[cut], atol=1e-5, rtol=1e-5)
    assert both.image.shape == (2, 3, 32, 32)
    assert both.small.shape == (2, 3, 8, 8)
    assert both.features.shape == (2, TINY.features, 8, 8)


def test_one_person_may_be_seen_by_many_cameras_and_the_other_way_round(
    tiny: Generator, codes: Codes
) -> None:
    z, behind = codes
    styles, camera = tiny.styles(z), _cameras(tiny)
    one = tiny.render(styles[:1], camera, background=behind[:1])
    two = tiny.render(styles[:1].expand(2, -1, -1), camera, background=behind[:1].expand(2, -1))
    torch.testing.assert_close(one.image, two.image, atol=2e-5, rtol=1e-4)
    assert tiny.render(styles, camera[:1], background=behind).image.shape[0] == 2


def test_what_is_prepared_draws_the_same(tiny: Generator, codes: Codes) -> None:
    z, behind = codes
    styles, camera = tiny.styles(z), _cameras(tiny)
    plain = tiny.render(styles, camera, background=behind)
    prepared = tiny.prepare(styles, behind)
    assert torch.equal(tiny.render(prepared, camera).image, plain.image)


def test_several_views_of_each_person_are_one_batch(tiny: Generator, codes: Codes) -> None:
    z, behind = codes
    styles, camera = tiny.styles(z), _cameras(tiny)
    four = Camera(
        world_from_camera=camera.world_from_camera.repeat(2, 1, 1),
        intrinsics=camera.intrinsics.repeat(2, 1, 1),
    )
    views = tiny.render(tiny.prepare(styles, behind.repeat_interleave(2, 0), views=2), four)
    plain = tiny.render(styles.repeat_interleave(2, 0), four, background=behind.repeat_interleave(2, 0))
    torch.testing.assert_close(views.image, plain.image, atol=2e-5, rtol=1e-4)


def test_an_edit_is_where_features_change(tiny: Generator, codes: Codes) -> None:
    styles, camera = tiny.styles(codes[0][:1]), _cameras(tiny)[:1]
    plain = tiny.render(styles, camera)
    assert torch.equal(tiny.render(styles, camera, edit=lambda seen: seen).image, plain.image)
    gone = tiny.render(styles, camera, edit=lambda seen: Features(seen.map * 0, seen.image))
    assert float(gone.features.abs().max()) == 0
    assert not torch.equal(gone.image, plain.image)
    assert torch.equal(gone.small, plain.small)


def test_head_and_background_can_be_seen_apart(tiny: Generator, codes: Codes) -> None:
    z, behind = codes
    styles, camera = tiny.styles(z[:1]), _cameras(tiny)[:1]
    whole, head, back = (
        tiny.render(styles, camera, background=behind[:1], plan=Plan(shows=part))  # type: ignore[arg-type]
        for part in ("both", "foreground", "background")
    )
    assert float(back.opacity.abs().max()) == 0
    assert torch.equal(whole.opacity, head.opacity)
    other = tiny.render(styles, camera, background=behind[1:])
    change = (other.small - whole.small).abs().amax(1)
    through = 1 - whole.opacity
    assert float((change - 5 * through).max()) < 1e-4  # it shows where the head lets it through
    frozen = tiny.render(
        styles, _cameras(tiny)[1:], background=behind[:1],
        plan=Plan(shows="background", background_camera=camera),
    )  # fmt: skip
    assert torch.equal(frozen.image, back.image)


def test_more_samples_may_be_asked_for(tiny: Generator, codes: Codes) -> None:
    styles, camera = tiny.styles(codes[0][:1]), _cameras(tiny)[:1]
    assert tiny.render(styles, camera, plan=Plan(samples=9)).depths.coarse.shape[-1] == 9
    assert tiny.render(styles, camera, plan=Plan(is_hierarchical=False)).depths.fine is None


@pytest.mark.parametrize(("progress", "size"), [(0.0, 8), (0.3, 16), (0.6, 32), (1.0, 32), (-1.0, 32)])
def test_pictures_grow_with_progress(codes: Codes, progress: float, size: int) -> None:
    generator = Generator(TINY).eval()
    generator.progress.fill_(progress)
    drawn = generator.render(generator.styles(codes[0][:1]), _cameras(generator)[:1])
    assert drawn.image.shape[-1] == size
    assert drawn.depths.coarse.shape[-1] == (20 if progress < 0 else TINY.samples)


def test_gradients_reach_every_parameter(codes: Codes) -> None:
    generator = Generator(TINY).train()
    generator.foreground.density.bias.data.fill_(6.0)
    generator.background.density.bias.data.fill_(1.0)  # type: ignore[union-attr]
    z, behind = codes
    generator(z, _cameras(generator), behind).square().sum().backward()
    silent = [n for n, p in generator.named_parameters() if p.grad is None or float(p.grad.abs().max()) == 0]
    assert silent == []


def test_double_and_half_precision_draw_nearly_the_same(tiny: Generator, codes: Codes) -> None:
    styles, camera = tiny.styles(codes[0][:1]), _cameras(tiny)[:1]
    plain = tiny.render(styles, camera)
    with torch.autocast("cpu", torch.bfloat16):
        half = tiny.render(styles, camera)
    assert float((half.image.float() - plain.image).abs().mean()) < 0.05 * float(plain.image.std())
    double = Generator(TINY).double().eval()
    double.load_state_dict(tiny.state_dict())
    large = Camera(world_from_camera=camera.world_from_camera.double(), intrinsics=camera.intrinsics.double())
    torch.testing.assert_close(
        double.render(styles.double(), large).image.float(), plain.image, atol=1e-3, rtol=1e-3
    )


def test_density_and_colour_of_space_are_those_of_the_picture(tiny: Generator, codes: Codes) -> None:
    styles = tiny.styles(codes[0])
    points = 0.1 * torch.randn(2, 11, 3, generator=torch.Generator().manual_seed(0))
    density, colour = tiny.density(styles, points), tiny.colour(styles, points)
    assert density.shape == (2, 11)
    assert colour.shape == (2, 11, 3)
    assert float(density.min()) >= 0
    torch.testing.assert_close(tiny.density(tiny.prepare(styles), points), density)


def test_a_generator_without_a_background_has_none_to_show() -> None:
    bare = Generator(replace(TINY, background="none")).eval()
    styles = bare.styles(torch.zeros(1, TINY.z_size) + 1)
    drawn = bare.render(styles, _cameras(bare)[:1])
    assert drawn.image.isfinite().all()
    with pytest.raises(ValueError, match="no background"):
        bare.render(styles, _cameras(bare)[:1], plan=Plan(shows="background"))


def test_the_built_in_kind_draws_256_pixels() -> None:
    small = Generator(replace(BUILTIN_256, volume_resolution=16, samples=3, planes_resolution=16)).eval()
    with torch.no_grad():
        drawn = small.render(small.styles(torch.randn(1, 256)), _cameras(small)[:1])
    assert drawn.image.shape == (1, 3, 256, 256)
    assert drawn.image.isfinite().all()


@pytest.mark.parametrize("views", [1, 3])
def test_any_number_of_views_of_each_person_is_drawn_in_order(
    tiny: Generator, codes: Codes, views: int
) -> None:
    z, behind = codes
    styles = tiny.styles(z)
    cameras = poses.at_units(TINY, torch.randn(2 * views, 2, generator=torch.Generator().manual_seed(0)))
    backs = behind.repeat_interleave(views, 0)
    found = tiny.render(tiny.prepare(styles, backs, views=views), cameras).image
    for k in range(2 * views):
        cut = slice(k, k + 1)
        own = slice(k // views, k // views + 1)
        alone = tiny.render(styles[own], cameras[cut], background=behind[own]).image
        torch.testing.assert_close(found[cut], alone, atol=2e-5, rtol=1e-4)


PLANES = replace(TINY, source="planes", planes_resolution=16, planes_most=8, planes_channels=3)


@pytest.mark.parametrize("views", [1, 2])
def test_a_head_on_planes_is_seen_from_many_sides_at_once(codes: Codes, views: int) -> None:
    generator = Generator(PLANES).eval().requires_grad_(False)
    generator.foreground.density.bias.fill_(6.0)
    styles, cameras = generator.styles(codes[0][:1]), _cameras(generator)
    both = generator.render(generator.prepare(styles, views=views), cameras).image
    for k in range(2):
        alone = generator.render(styles, cameras[k : k + 1]).image
        torch.testing.assert_close(alone, both[k : k + 1], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "config",
    [
        PLANES, replace(PLANES, colour="extra", upsampling="fir", kernel=3),
        replace(TINY, upsampling="pixelshuffle"), replace(TINY, background="none"),
        replace(TINY, colour="extra", upsampling="nearest", density="softplus"),
        replace(TINY, labels=2, groups=(3,), spacing="inverse"),
    ],
)  # fmt: skip
def test_gradients_reach_every_parameter_of_other_kinds(codes: Codes, config: GeneratorConfig) -> None:
    generator = Generator(config).train()
    generator.foreground.density.bias.data.fill_(6.0)
    for block in getattr(getattr(generator.foreground, "planes", None), "blocks", []):
        for layer in (block.first, block.second):
            if layer is not None:
                layer.noise_strength.data.fill_(0.1)
    z, behind = codes
    labels = torch.eye(2) if config.labels else None
    generator(z, _cameras(generator), behind, labels).square().sum().backward()
    silent = [n for n, p in generator.named_parameters() if p.grad is None or float(p.grad.abs().max()) == 0]
    assert [n for n in silent if not n.startswith("background.")] == []


def test_a_double_precision_generator_can_learn(codes: Codes) -> None:
    for config in (TINY, PLANES):
        generator = Generator(config).double().train()
        camera = _cameras(generator)
        large = Camera(
            world_from_camera=camera.world_from_camera.double(), intrinsics=camera.intrinsics.double()
        )
        image = generator(codes[0].double(), large, codes[1].double())
        assert image.dtype == torch.float64
        image.sum().backward()


def test_a_generator_called_is_styles_and_a_picture(tiny: Generator, codes: Codes) -> None:
    z, behind = codes
    camera = _cameras(tiny)
    assert torch.equal(tiny(z, camera, behind), tiny.render(tiny.styles(z), camera, background=behind).image)
    drawn = tiny.styles(z, psi=0.5, cutoff=3)
    assert torch.equal(drawn, tiny.mapping.truncate(tiny.mapping(z), 0.5, 3))


def test_a_background_that_is_not_named_is_that_of_zeros(tiny: Generator, codes: Codes) -> None:
    styles, camera = tiny.styles(codes[0]), _cameras(tiny)
    zeros = torch.zeros(2, TINY.background_latent)
    plain = tiny.render(styles, camera).image
    torch.testing.assert_close(tiny.render(styles, camera, background=zeros).image, plain)


def test_many_backgrounds_may_be_behind_one_head(tiny: Generator, codes: Codes) -> None:
    z, behind = codes
    styles, camera = tiny.styles(z[:1]), _cameras(tiny)[:1]
    both = tiny.render(styles, camera, background=behind)
    for k in range(2):
        alone = tiny.render(styles, camera, background=behind[k : k + 1])
        torch.testing.assert_close(alone.image, both.image[k : k + 1], atol=2e-5, rtol=1e-4)


def test_head_and_background_add_up_to_the_picture(tiny: Generator, codes: Codes) -> None:
    """What a ray shows is what the head adds before its last sample, and the rest from behind."""
    z, behind = codes
    prepared, camera = tiny.prepare(tiny.styles(z[:1]), behind[:1]), _cameras(tiny)[:1]
    rays = tiny.march(prepared, camera, tiny.pixels(8)[None])
    back = tiny.render(prepared, camera, plan=Plan(shows="background"))
    assert rays.samples is not None
    assert rays.weights is not None
    head = mix(prepared.field.outputs, rays.weights, rays.samples.hidden)
    through = 1 - rays.opacity
    expected = head[..., :3] + through[..., None] * back.small.flatten(2).transpose(1, 2)
    torch.testing.assert_close(rays.colour, expected, atol=1e-5, rtol=1e-4)


def test_depths_are_means_between_near_and_far(tiny: Generator, codes: Codes) -> None:
    drawn = tiny.render(tiny.styles(codes[0]), _cameras(tiny))
    solid = drawn.opacity > 0.01
    assert bool(solid.any())
    assert float(drawn.depth[solid].min()) >= TINY.near
    assert float(drawn.depth[solid].max()) <= TINY.far
    assert 0 <= float(drawn.opacity.min()) <= float(drawn.opacity.max()) <= 1


def test_the_colour_of_space_is_linear_in_its_last_hidden_layer(tiny: Generator, codes: Codes) -> None:
    prepared = tiny.prepare(tiny.styles(codes[0]))
    points = 0.1 * torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(0))
    hidden = tiny.foreground.hidden(prepared.field, points)
    expected = apply(prepared.field.outputs, hidden)[..., :3]
    torch.testing.assert_close(tiny.colour(prepared, points), expected)


def test_older_files_look_through_the_corners_of_the_large_picture() -> None:
    generator = Generator(replace(TINY, is_corner_aligned=True))
    line = generator.pixels(8)[:8, 0]
    expected = torch.tensor([-1 + 2 * 4 * k / 31 for k in range(8)])
    torch.testing.assert_close(line, expected)
    torch.testing.assert_close(generator.pixels(8)[::8, 1], expected)
    centred = Generator(TINY).pixels(8)[:8, 0]
    torch.testing.assert_close(centred, torch.tensor([(k + 0.5) / 4 - 1 for k in range(8)]))


def test_progress_is_kept_with_the_weights() -> None:
    generator = Generator(TINY)
    generator.progress.fill_(0.25)
    other = Generator(TINY)
    other.load_state_dict(generator.state_dict())
    assert float(other.progress) == 0.25


def test_where_nothing_is_behind_a_head_its_samples_make_up_the_whole_ray(
    tiny: Generator, codes: Codes
) -> None:
    prepared, camera = tiny.prepare(tiny.styles(codes[0][:1])), _cameras(tiny)[:1]
    uv = tiny.pixels(8)[None]
    alone = tiny.march(prepared, camera, uv, plan=Plan(shows="foreground"))
    both = tiny.march(prepared, camera, uv)
    assert alone.weights is not None
    assert both.weights is not None
    torch.testing.assert_close(alone.weights.sum(-1), torch.ones(1, 64))
    torch.testing.assert_close(both.weights.sum(-1), both.opacity, atol=1e-6, rtol=0)
    assert float(both.opacity.min()) < 0.99  # else nothing shows from behind anyway
