"""What does not fit is refused before anything is trained."""

import inspect

import pytest

from fastmlp import callbacks, learning_rate_range, optimizers, schedules
from fastmlp.callbacks import (
    EarlyStopping,
    LambdaCallback,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
from helpers import assert_same_bits
from scripts import network

OWN = [getattr(callbacks, name) for name in callbacks.__all__ if name not in ("Callback", "LambdaCallback")]


@pytest.mark.parametrize("function", [*OWN, learning_rate_range], ids=lambda function: function.__name__)
def test_unknown_options_are_told_those_that_there_are(function):
    """`LambdaCallback` takes hooks."""
    known = list(inspect.signature(function).parameters)
    expected = f"unknown option of {function.__name__}: 'minitor', expected one of {', '.join(known)}"
    none = f"{function.__name__} got the option 'minitor', expected none"
    with pytest.raises(TypeError) as error:
        function(minitor="loss")
    assert str(error.value).split("; did you mean")[0] == (expected if known else none)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: EarlyStopping(5), TypeError, "^monitor is 5"),
        (
            lambda: EarlyStopping("loss", mode="down"),
            ValueError,
            "^unknown mode 'down', expected one of auto, min, max$",
        ),
        (lambda: EarlyStopping("score"), ValueError, "^mode is 'auto' for the monitor 'score', .*better$"),
        (lambda: EarlyStopping("val_los"), ValueError, r"^mode is .* better; did you mean 'val_loss'\?$"),
        (lambda: EarlyStopping("Val_Accurac"), ValueError, r"^mode is .*; did you mean 'val_accuracy'\?$"),
        (lambda: EarlyStopping("val_coverage"), ValueError, "^mode is 'auto' for the monitor 'val_coverage'"),
        (lambda: EarlyStopping(patience=-1), ValueError, "^patience is -1"),
        (lambda: EarlyStopping(patience=1.5), TypeError, "^patience is 1.5"),
        (lambda: EarlyStopping(min_delta=-1), ValueError, "^min_delta is -1"),
        (lambda: EarlyStopping(baseline="1"), TypeError, "^baseline is '1'"),
        (lambda: EarlyStopping(restore_best_weights=1), TypeError, "^restore_best_weights is 1"),
        (lambda: EarlyStopping(start_from_epoch=-1), ValueError, "^start_from_epoch is -1"),
        (lambda: ModelCheckpoint(5), TypeError, "^filepath is a int, expected a str or a path$"),
        (
            lambda: ModelCheckpoint("net.keras"),
            ValueError,
            "^filepath is 'net.keras', expected a name that ends with",
        ),
        (lambda: ModelCheckpoint("net.npz", save_best_only="yes"), TypeError, "^save_best_only is 'yes'"),
        (lambda: ModelCheckpoint("net.npz", include_optimizer=1), TypeError, "^include_optimizer is 1"),
        (lambda: ReduceLROnPlateau(factor=1.0), ValueError, "^factor is 1"),
        (lambda: ReduceLROnPlateau(factor=0.0), ValueError, "^factor is 0"),
        (lambda: ReduceLROnPlateau(patience=0), ValueError, "^patience is 0"),
        (lambda: ReduceLROnPlateau(cooldown=-1), ValueError, "^cooldown is -1"),
        (lambda: ReduceLROnPlateau(min_lr=-1), ValueError, "^min_lr is -1"),
        (
            lambda: LambdaCallback(on_epoch=print),
            ValueError,
            "^unknown hook 'on_epoch', expected one of .*on_epoch_end",
        ),
        (lambda: LambdaCallback(on_epoch_end=5), TypeError, "^on_epoch_end is a int, expected a function$"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (
            EarlyStopping(),
            "^monitor is 'val_loss', expected one of loss, accuracy; validation_split or validation_data",
        ),
        (EarlyStopping("lossy_loss"), "^monitor is 'lossy_loss', expected one of loss, accuracy$"),
        (
            ReduceLROnPlateau("val_loss"),
            "^monitor is 'val_loss', expected one of loss, accuracy; validation_split",
        ),
        (
            ModelCheckpoint("net.npz", save_best_only=True),
            "^monitor is 'val_loss', expected one of loss, accuracy;",
        ),
        (
            ModelCheckpoint("{val_loss}.npz"),
            "^filepath is '{val_loss}.npz', expected only the fields epoch, loss, accuracy",
        ),
        (ModelCheckpoint("{}.npz"), "^filepath is '{}.npz', expected only the fields epoch"),
        (ModelCheckpoint("{epoch:q}.npz"), "^filepath is '{epoch:q}.npz', expected only the fields epoch"),
    ],
)
def test_unknown_names_are_refused_before_the_first_epoch(data, callback, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = network("adam")
    before = net.get_weights()
    with pytest.raises(ValueError, match=message):
        net.fit(*data, callbacks=[callback])
    assert_same_bits(net.get_weights(), before, zeros=True)
    assert net.plan.step == 0 and list(tmp_path.iterdir()) == []
    net.fit(*data)


def test_a_schedule_cannot_be_lowered(data):
    net = network(optimizers.SGD(schedules.StepDecay(0.1)))
    with pytest.raises(ValueError, match="^learning_rate is a schedule, ReduceLROnPlateau expects a number"):
        net.fit(*data, callbacks=[ReduceLROnPlateau("loss")])
    assert net.plan.step == 0
