"""Coverage-guided fuzzing of one reader: python tests/fuzz.py READER SECONDS.

Needs atheris. Leaves with 0 when every file was read or refused within its second, and otherwise
with another code, after writing the file at fault to crash-* in the working folder.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["JAXTYPING_DISABLE"] = "1"

import atheris

with atheris.instrument_imports(include=["motiongpt3.formats", "motiongpt3.motion"]):
    import mutants


def main() -> None:
    reader, seconds = mutants.READERS[sys.argv[1]], sys.argv[2]
    # In memory where there is such a place: a file for each try.
    base = "/dev/shm" if Path("/dev/shm").is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=base))
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
