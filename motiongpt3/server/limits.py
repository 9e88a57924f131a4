"""What one request, and all together, may ask of the server.

Knobs of a request are harmless alone and dear together, so their product has a ceiling too.
"""

from dataclasses import dataclass

from motiongpt3.errors import InputError


@dataclass(frozen=True)
class Limits:
    """Ceilings; times in seconds, sizes in bytes."""

    body: int = 32 * 2**20
    """Longest body of a request: an uploaded motion."""
    bodies: int = 256 * 2**20
    """Bodies of all requests that are not answered yet."""
    head: int = 32 * 2**10
    """Longest head of a request: its line and headers."""
    headers: int = 100
    head_seconds: float = 10.0
    """In which a head has to be complete, however slowly it trickles in."""
    body_seconds: float = 30.0
    """In which a body has to be complete after that."""
    answer_rate: float = 4096.0
    """Bytes a second with which an answer has to be taken."""
    connections: int = 512
    queue: int = 64
    """Requests that wait for the model, and as many for the files' process."""
    patience: float = 30.0
    """How long a request waits for its answer; longer work belongs in a job."""
    samples: int = 8
    seconds: float = 60.0
    """Of a motion that is made."""
    frames: int = 200_000
    """Of a motion that goes on from others, or is several joined: nearly three hours."""
    pictures: int = 2400
    """Frames of a motion that is drawn: two minutes."""
    steps: int = 200
    frames_samples_steps: int = 200_000
    """Frames of a motion, times samples, times denoising steps."""
    jobs: int = 256
    """Jobs that are remembered; the oldest finished one is forgotten first."""
    store: int = 2**30
    """All motions that are kept."""
    keep: float = 86_400.0
    """How long a motion is kept after it was last used."""
    drain: float = 30.0
    """How long requests under way may take once the server is asked to stop."""

    def check_frames(self, frames: float, most: int, hint: str) -> None:
        """Refuse what would take long, or much room, for the number of its frames.

        Raises:
            InputError: with the ceiling.
        """
        if frames > most:
            raise InputError(f"{frames:.0f} frames", where="frames", hint=f"at most {most}: {hint}")

    def check_cost(self, frames: float, samples: int, steps: int) -> None:
        """Refuse a request whose knobs are fine alone but not together.

        Raises:
            InputError: with the ceiling.
        """
        cost = frames * samples * steps
        if cost > self.frames_samples_steps:
            raise InputError(
                f"{frames:.0f} frames x {samples} samples x {steps} steps are {cost:.0f}",
                where="seconds, samples, steps",
                hint=f"together at most {self.frames_samples_steps}",
            )
