import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from gapsack.models import checkpoints, registry

SMALL = {"clusters": 5, "hidden": 6, "classes": 7, "mixtures": 2, "rgb": 8, "audio": 3}


@pytest.fixture(scope="module")
def forward_pass(golden):
    """Weights, frames and predictions of the authors' own graph."""
    archive = dict(np.load(golden / "gated_netvlad_k8_h16_v30.npz"))
    frames, num_frames = archive["frames_uint8"], archive["num_frames"]
    index = np.minimum(np.arange(frames.shape[1]), num_frames[:, None] - 1)
    weights = {name[2:]: values for name, values in archive.items() if name.startswith("w:")}
    return weights, np.take_along_axis(frames, index[..., None], axis=1), archive["predictions"]


@pytest.fixture(scope="module")
def golden_model(forward_pass):
    model = registry.build("gated_netvlad", clusters=8, hidden=16, classes=30)
    checkpoints.load_reference_weights(model, forward_pass[0])
    return model


def test_the_authors_forward_pass(forward_pass, golden_model):
    _, frames, predictions = forward_pass
    assert_allclose(np.asarray(golden_model({"frames": frames})), predictions, atol=1e-6)


def test_dequantized_float_frames_give_the_same(forward_pass, golden_model):
    _, frames, predictions = forward_pass
    features = frames.astype(np.float32) * (4 / 255) + (4 / 512 - 2)
    assert_allclose(np.asarray(golden_model({"frames": features})), predictions, atol=1e-6)
    # Frames are normalised inside, so their own length is nothing to the model.
    assert_allclose(np.asarray(golden_model({"frames": 3 * features})), predictions, atol=1e-6)


def test_bfloat16_products_stay_near(forward_pass):
    weights, frames, predictions = forward_pass
    model = registry.build("gated_netvlad", clusters=8, hidden=16, classes=30)
    checkpoints.load_reference_weights(model, weights)
    model.compute_in("bfloat16")
    rounded = np.asarray(model({"frames": frames}))
    assert rounded.dtype == np.float32
    assert_allclose(rounded, predictions, atol=5e-3)
    assert np.abs(rounded - predictions).max() > 1e-5  # it did compute in bfloat16
    model.compute_in("float32")
    assert_allclose(np.asarray(model({"frames": frames})), predictions, atol=1e-6)


def _naive(weights, frames, training):
    """The architecture again, one video and one class at a time, in float64."""
    w = {name: values.astype(np.float64) for name, values in weights.items()}

    def norm(x, scope):
        if training:
            mean, variance = x.mean(0), x.var(0)
        else:
            mean, variance = w[f"{scope}/moving_mean"], w[f"{scope}/moving_variance"]
        return (x - mean) / np.sqrt(variance + 1e-3) * w[f"{scope}/gamma"] + w[f"{scope}/beta"]

    def softmax(x):
        return np.exp(x) / np.exp(x).sum(-1, keepdims=True)

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    def vlad(x, scope):
        batch, length, features = x.shape
        scores = x.reshape(-1, features) @ w[f"{scope}/conv2/cluster_weights"]
        share = softmax(norm(scores, f"{scope}/cluster_bn")).reshape(batch, length, -1)
        centres = w[f"{scope}/cluster_weights2/cluster_weights2"][0]
        videos = []
        for b in range(batch):
            columns = []
            for k in range(share.shape[-1]):
                residual = sum(share[b, i, k] * (x[b, i] - centres[:, k]) for i in range(length))
                columns.append(residual / np.linalg.norm(residual))
            flat = np.stack(columns, axis=1).reshape(-1)
            videos.append(flat / np.linalg.norm(flat))
        return np.stack(videos)

    x = frames.astype(np.float64) * 4 / 255 + 4 / 512 - 2
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    rgb = SMALL["rgb"]
    flat = np.concatenate([vlad(x[..., :rgb], "tower/video_VLAD"), vlad(x[..., rgb:], "tower/audio_VLAD")], -1)
    hidden = np.clip(norm(flat @ w["tower/hidden1_weights/hidden1_weights"], "tower/hidden1_bn"), 0, 6)
    hidden = hidden @ w["tower/hidden2_weights/hidden2_weights"] + w["tower/hidden2_biases"]
    hidden = hidden * sigmoid(norm(hidden @ w["tower/gating_weights/gating_weights"], "tower/gating_bn"))
    V, M = SMALL["classes"], SMALL["mixtures"]
    gates = (hidden @ w["tower/gates/weights"]).reshape(-1, V, M + 1)
    experts = (hidden @ w["tower/experts/weights"] + w["tower/experts/biases"]).reshape(-1, V, M)
    p = (softmax(gates)[..., :M] * sigmoid(experts)).sum(-1)
    return p * sigmoid(norm(p @ w["tower/gating_prob_weights"], "tower/gating_prob_bn"))


@pytest.fixture(scope="module")
def random_weights():
    generator = np.random.default_rng(3)
    model = registry.build("gated_netvlad", seed=1, **SMALL)
    weights = checkpoints.reference_weights(model)
    for name, values in weights.items():
        if name.endswith(("beta", "gamma", "moving_mean", "moving_variance", "biases")):
            weights[name] = (np.abs(values) + generator.uniform(0.1, 0.5, values.shape)).astype(np.float32)
    return weights


@pytest.mark.parametrize("training", [False, True])
def test_against_the_architecture_written_out(random_weights, training):
    frames = np.random.default_rng(0).integers(0, 256, (9, 4, 11), dtype=np.uint8)
    model = registry.build("gated_netvlad", **SMALL)
    checkpoints.load_reference_weights(model, random_weights)
    predictions = np.asarray(model({"frames": frames}, training=training))
    assert predictions.shape == (9, 7)
    assert_allclose(predictions, _naive(random_weights, frames, training), atol=2e-6)


def test_training_moves_the_statistics_by_a_thousandth(random_weights):
    frames = np.random.default_rng(0).integers(0, 256, (9, 4, 11), dtype=np.uint8)
    model = registry.build("gated_netvlad", **SMALL)
    checkpoints.load_reference_weights(model, random_weights)
    model({"frames": frames}, training=True)
    after = checkpoints.reference_weights(model)
    moved = {name for name, values in after.items() if not np.array_equal(values, random_weights[name])}
    assert moved == {name for name in after if "moving" in name}
    x = frames.astype(np.float64) * 4 / 255 + 4 / 512 - 2
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    scores = x.reshape(-1, 11)[:, :8] @ random_weights["tower/video_VLAD/conv2/cluster_weights"]
    scope = "tower/video_VLAD/cluster_bn"
    for name, batch in (("moving_mean", scores.mean(0)), ("moving_variance", scores.var(0))):
        expected = 0.999 * random_weights[f"{scope}/{name}"] + 0.001 * batch
        assert_allclose(after[f"{scope}/{name}"], expected, rtol=1e-5)


def test_an_all_zero_float_frame_stays_finite():
    model = registry.build("gated_netvlad", **SMALL)
    assert np.isfinite(np.asarray(model({"frames": np.zeros((2, 1, 11), np.float32)}))).all()


def test_initial_weights_follow_the_seed_alone():
    first, again, other = (
        checkpoints.reference_weights(registry.build("gated_netvlad", seed=seed, **SMALL)) for seed in (4, 4, 5)
    )
    for name, values in first.items():
        assert_array_equal(values, again[name])
    assert not np.array_equal(first["tower/gates/weights"], other["tower/gates/weights"])


def test_dropout_acts_in_training_only():
    frames = np.random.default_rng(0).integers(0, 256, (9, 4, 11), dtype=np.uint8)
    plain, dropped = (registry.build("gated_netvlad", dropout=share, **SMALL) for share in (0.0, 0.5))
    assert_array_equal(np.asarray(plain({"frames": frames})), np.asarray(dropped({"frames": frames})))
    training = [np.asarray(model({"frames": frames}, training=True)) for model in (plain, dropped)]
    assert np.abs(training[0] - training[1]).max() > 1e-3


def test_frames_of_the_wrong_width_are_refused():
    model = registry.build("gated_netvlad", **SMALL)
    with pytest.raises(ValueError, match=r"\[batch, frames, 11\], got \(2, 4, 12\)"):
        model({"frames": np.zeros((2, 4, 12), np.uint8)})
