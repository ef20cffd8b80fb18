"""What a person brings can be got rid of on the page; what does harm is refused there."""

import zipfile

from playwright.sync_api import expect


def test_a_hostile_file_is_refused_in_words_and_a_data_set_is_deleted(tab, served, tmp_path):
    page = tab
    (tmp_path / "mine.csv").write_text(
        "cell,CD3D,LYZ\n" + "".join(f"c{i},{i % 5},2\n" for i in range(30))
    )
    with zipfile.ZipFile(tmp_path / "hostile.zip", "w") as archive:
        archive.writestr(
            "matrix.mtx", "%%MatrixMarket matrix coordinate integer heneral\n1 1 1\n1 1 1\n"
        )
        archive.writestr("barcodes.tsv", "a\n")
        archive.writestr("features.tsv", "g\n")
    page.locator("button.data").click()
    take, look = page.locator(".drop input[type=file]"), page.locator(".look")
    take.set_input_files(tmp_path / "mine.csv")
    expect(look.locator(".facts")).to_contain_text("30")
    take.set_input_files(tmp_path / "hostile.zip")
    expect(look.locator(".problem b")).to_contain_text("heneral")
    expect(look.locator(".facts")).to_have_count(0)

    mine = page.locator(".own").filter(has_text="mine.csv")
    expect(page.locator(".room")).to_contain_text("You use")
    mine.hover()
    mine.locator(".bin").click()
    expect(mine.locator(".bin")).to_have_text("Really?")
    (known,) = [d for d in served.session.store.datasets("local") if d.name == "mine.csv"]
    mine.locator(".bin").click()
    expect(mine).to_have_count(0)
    assert not known.path.exists()
