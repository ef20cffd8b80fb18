"""Text files that are made to do harm, each as small as it can be."""

import gzip
import zipfile
import zlib
from pathlib import Path

FINE = "%%MatrixMarket matrix coordinate integer general\n3 3 2\n1 1 5\n2 2 3\n"
CELLS = "a\nb\nc\n"
GENES = "g1\tG1\tGene Expression\ng2\tG2\tGene Expression\ng3\tG3\tGene Expression\n"


def folder_of(path: Path, matrix: str = FINE) -> Path:
    """A 10x folder with this matrix."""
    path.mkdir(exist_ok=True)
    (path / "matrix.mtx").write_text(matrix)
    (path / "barcodes.tsv").write_text(CELLS)
    (path / "features.tsv").write_text(GENES)
    return path


def zip_of(path: Path, matrix: str = FINE) -> Path:
    """The same as a zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (
            ("matrix.mtx", matrix),
            ("barcodes.tsv", CELLS),
            ("features.tsv", GENES),
        ):
            archive.writestr(name, text)
    return path


def packed_without_end(path: Path, line: bytes, n_bytes: int) -> Path:
    """A csv.gz that repeats one line up to a size."""
    piece = line * (1 + 2**20 // len(line))
    packer = zlib.compressobj(9, wbits=31)
    with path.open("wb") as out:
        out.write(packer.compress(b"cell,A,B\n"))
        for _ in range(n_bytes // len(piece)):
            out.write(packer.compress(piece))
        out.write(packer.flush())
    return path


def damaged_gz(path: Path, text: str) -> Path:
    """Packed text with a byte in its middle turned round."""
    packed = bytearray(gzip.compress(text.encode()))
    packed[len(packed) // 2] ^= 0xFF
    path.write_bytes(packed)
    return path
