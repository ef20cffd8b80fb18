"""A dial that training may find is declared by one word, whatever it is called."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from diffbio_engine.declare import Config, Operator, dial, settings_of
from diffbio_engine.errors import SettingError


class SmoothingConfig(Config):
    """Settings of a toy."""

    kernel_width: float = dial(2.0, low=0.5, high=8.0, log=True, learnable=True, doc="Width.")
    shift: float = dial(0.0, low=-1.0, high=1.0, doc="Added.")


class Smoothing(Operator):
    """``x / width + shift``."""

    Config = SmoothingConfig

    def __call__(self, features):
        return {"smooth": features / self.dial("kernel_width") + self.dial("shift")}


def test_the_setting_that_lets_training_find_it_stands_beside_it():
    names = [s.name for s in settings_of(SmoothingConfig) if s.shown]
    assert names == ["kernel_width", "learnable_kernel_width", "shift"]
    switch = settings_of(SmoothingConfig)[1]
    assert switch.doc == "Let training find the kernel width." and switch.advanced
    config = SmoothingConfig.from_dict({"learnable_kernel_width": True})
    assert SmoothingConfig.from_dict(config.to_dict()) == config
    with pytest.raises(SettingError, match="true or false"):
        SmoothingConfig(learnable_kernel_width=2)


def test_what_training_finds_is_a_weight_and_no_dial_and_can_be_turned():
    turned, learned = (
        Smoothing(SmoothingConfig(learnable_kernel_width=on)) for on in (False, True)
    )
    assert set(turned.dials) == {"kernel_width", "shift"} and set(learned.dials) == {"shift"}
    assert not nnx.to_flat_state(nnx.state(turned, nnx.Param))
    x = jnp.asarray([4.0])
    np.testing.assert_allclose(learned(x)["smooth"], turned(x)["smooth"], rtol=1e-6)
    slope = nnx.grad(lambda block: block(x)["smooth"][0])(learned)
    np.testing.assert_allclose(slope.log_kernel_width[...], -2.0, rtol=1e-6)
    for block in (turned, learned):
        block.turn("kernel_width", 4.0)
        np.testing.assert_allclose(block(x)["smooth"], [1.0], rtol=1e-6)


def test_a_dial_that_can_be_0_cannot_be_learned_as_its_logarithm():
    with pytest.raises(TypeError, match="above 0"):
        dial(0.5, low=0.0, high=1.0, learnable=True, doc="A share.")
