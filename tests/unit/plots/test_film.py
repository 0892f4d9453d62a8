"""A film has a picture of every few epochs, the first and the last among them."""

import numpy as np
import pytest

from fastmlp import Network, plots

Image = pytest.importorskip("PIL.Image")
X, Y = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])


def network():
    net = Network([2, 4, 1], activation="tanh", output="sigmoid", seed=0)
    net.compile("adam")
    return net


def test_the_film_shows_the_weights_of_its_epochs(tmp_path):
    seen = []

    def draw(net, ax):
        seen.append(net.weights[0].copy())
        ax.plot(net.weights[0])

    film = plots.Film(tmp_path / "xor.gif", draw, every=3, size=(2, 2))
    net = network()
    net.fit(X, Y, epochs=8, callbacks=[film], verbose=False)
    with Image.open(tmp_path / "xor.gif") as image:
        assert image.n_frames == len(seen) == 4  # epochs 0, 3, 6 and the last
        assert image.size == (200, 200) and image.info["loop"] == 0
    assert np.array_equal(seen[-1], net.weights[0]) and not np.array_equal(seen[0], seen[1])


def test_an_end_by_an_error_still_saves_the_film(tmp_path):
    class Break(plots.film.Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 2:
                raise RuntimeError("enough")

    film = plots.Film(tmp_path / "xor.gif", lambda net, ax: ax.plot(net.weights[0]), size=(2, 2))
    with pytest.raises(RuntimeError, match="enough"):
        network().fit(X, Y, epochs=8, callbacks=[film, Break()], verbose=False)
    assert (tmp_path / "xor.gif").exists()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"path": "film.mp4"}, "path is 'film.mp4', expected a name that ends in .gif"),
        ({"draw": 3}, "draw is"),
        ({"every": 0}, "every is 0"),
        ({"seconds": 0.0}, "seconds is 0"),
    ],
)
def test_arguments_out_of_range_are_refused(change, message):
    arguments = {"path": "film.gif", "draw": print, **change}
    with pytest.raises((TypeError, ValueError), match=message):
        plots.Film(arguments.pop("path"), arguments.pop("draw"), **arguments)
