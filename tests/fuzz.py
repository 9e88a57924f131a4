"""Coverage-guided fuzzing of one reader: python tests/fuzz.py READER SECONDS FOLDER.

Needs atheris. A file is written into the folder for each try, so it is best in memory. Leaves with
0 when every file was read or refused within its second, and otherwise with another code, after
writing the file at fault to crash-* in the working folder.
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
    reader, seconds, folder = readers.READERS[sys.argv[1]], sys.argv[2], Path(sys.argv[3])
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
    atheris.Setup([sys.argv[0], str(corpus), f"-max_total_time={seconds}", *limits], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
