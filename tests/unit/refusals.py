"""What a refusal looks like."""

import re
import warnings

import pytest

NAN, INF = float("nan"), float("inf")


def one_sentence(text):
    """Short but for a list of known names, which is as long as they are many."""
    said = re.sub(r"(expected one of) [^;]*", r"\1", text)
    return "\n" not in text and len(said) < 250 and not text.endswith(".")


def assert_refused(call, error, message, net=None):
    """The call raises just this error with a message of one sentence, and leaves the network as it was."""
    before = None if net is None else (net.get_weights(), net.plan.get_state())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error, match=message) as caught:
            call()
    assert type(caught.value) is error
    assert one_sentence(str(caught.value)), str(caught.value)
    if net is not None:
        weights, state = before
        assert all((a == b).all() for a, b in zip(weights, net.get_weights(), strict=True))
        after = net.plan.get_state()
        assert after["step"] == state["step"]
        for slot, slot_after in zip(state["slots"], after["slots"], strict=True):
            assert all((a == b).all() for a, b in zip(slot, slot_after, strict=True))
