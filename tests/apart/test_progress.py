"""How far a reader is that writes is heard by whoever waits, with the time that is left."""

import threading

from diffbio_engine.apart import progress


def test_what_a_reader_has_written_is_heard_and_nothing_is_left_beside_the_file(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(progress, "_EVERY_SECONDS", 0.01)
    heard, enough = [], threading.Event()

    def tell(share, left):
        heard.append((share, left))
        enough.set()

    with progress.listening(tmp_path / "joined.h5ad", tell):
        (tmp_path / "joined.h5ad.progress").write_text("no number")  # only a claim
        with progress.telling(tmp_path / "joined.h5ad") as say:
            say(0.25)
            assert enough.wait(30)
    assert heard[0][0] == 0.25 and heard[0][1] > 0
    assert list(tmp_path.iterdir()) == []
