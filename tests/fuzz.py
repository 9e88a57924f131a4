"""Coverage-guided fuzzing of one reader: python tests/fuzz.py READER SECONDS SEED FOLDER.

Needs atheris. Seed 0 stands for another one each time. A file is written into the folder for each
try, so it is best in memory. Leaves with 0 when every file was read or refused within its second,
and otherwise with another code, after writing the file at fault to crash-* in the working folder.
"""

import os
import sys
import time
from pathlib import Path

os.environ["JAXTYPING_DISABLE"] = "1"

import atheris

OURS = [f"motiongpt3.{room}" for room in ("formats", "motion", "data", "library")]
with atheris.instrument_imports(include=OURS):
    import mutants
    import readers


def main() -> None:
    name, seconds, seed, place = sys.argv[1:]
    reader, folder = readers.READERS[name], Path(place)
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, content in enumerate(reader.seeds(folder)):
        (corpus / f"seed{number}").write_bytes(content)
    path = reader.place(folder)

    def one(data: bytes) -> None:
        path.write_bytes(data)
        begun = time.process_time()
        reader.survives(folder)
        if time.process_time() - begun > mutants.MAX_SECONDS:
            raise TimeoutError(f"{time.process_time() - begun:.2f} s")

    limits = ["-max_len=100000", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]
    limits += [f"-max_total_time={seconds}", f"-seed={seed}"]
    atheris.Setup([sys.argv[0], str(corpus), *limits], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
