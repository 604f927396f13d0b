"""Keeps a few programs running until told to stop. They die with this process, killed or not."""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from config.embedded import processes
from config.environment import BASE_DIR

_LOOK_EVERY: Final = 0.3
_LONGEST_PAUSE: Final = 30.0
"""Seconds before a program that keeps dying is started again."""
_STABLE_AFTER: Final = 60.0
"""Seconds after which a program counts as healthy again."""
_TROUBLE: Final = (" ERROR ", " CRITICAL ", '"level": "ERROR"', '"level": "CRITICAL"')
"""What a line with an error has in it, in either LOG_FORMAT."""

Say = Callable[[str], None]


@dataclass
class Program:
    name: str
    command: Sequence[str]
    log: Path
    keep: Sequence[int] = ()
    """Descriptors that it inherits."""
    secrets: bool = True
    """Whether it is given the settings that are secret."""
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started_at: float = 0.0
    start_again_at: float | None = None
    shown: int = field(default=0, repr=False)
    """Bytes of the log that were looked through for errors."""

    def start(self, env: Mapping[str, str]) -> None:
        self.start_again_at = None
        self.started_at = time.monotonic()
        with self.log.open("ab") as output:
            self.process = processes.spawn(
                self.command,
                when_orphaned=signal.SIGTERM,
                output=output,
                keep=self.keep,
                cwd=BASE_DIR,
                env=dict(env) if self.secrets else processes.without_secrets(env),
                # Ctrl-C in the terminal is for the supervisor, which stops them in order.
                own_group=True,
            )

    def new_errors(self) -> list[str]:
        """Lines of the log since the last call that tell of an error."""
        with self.log.open("rb") as file:
            file.seek(self.shown)
            text = file.read()
        complete = text[: text.rfind(b"\n") + 1]
        self.shown += len(complete)
        lines = complete.decode(errors="replace").splitlines()
        return [line for line in lines if any(mark in line for mark in _TROUBLE)]


class Supervisor:
    def __init__(self, programs: Sequence[Program], env: Mapping[str, str], say: Say) -> None:
        self.programs = programs
        self._env = env
        self._say = say
        self._stopping = False

    def start(self) -> None:
        for program in self.programs:
            rotate(program.log)
            program.start(self._env)

    def watch(self) -> None:
        """Start again what dies, until `leave` is called or a signal asks to stop."""
        while not self._stopping:
            for program in self.programs:
                self.look_after(program)
            time.sleep(_LOOK_EVERY)

    def stop_on_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._leave)
        # nohup asks to live on when the terminal closes.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._leave)

    @property
    def stopping(self) -> bool:
        return self._stopping

    def look_after(self, program: Program) -> None:
        for line in program.new_errors():
            self._say(f"{program.name}: {line}")
        now = time.monotonic()
        if program.start_again_at is not None:
            if now >= program.start_again_at:
                program.start(self._env)
        elif program.process is not None and program.process.poll() is not None:
            self._plan_restart(program, now)

    def stop(self, seconds: float) -> None:
        """End all programs, the last started first to be asked and all of them within so many seconds."""
        deadline = time.monotonic() + seconds
        started = [program.process for program in reversed(self.programs) if program.process is not None]
        for process in started:
            if process.poll() is None:
                process.terminate()
        for process in started:
            processes.stop(process, signal.SIGTERM, max(0.1, deadline - time.monotonic()))

    def _plan_restart(self, program: Program, now: float) -> None:
        assert program.process is not None  # noqa: S101  # for the type checker: the caller looked
        program.failures = 1 if now - program.started_at > _STABLE_AFTER else program.failures + 1
        pause = min(2.0 ** (program.failures - 1), _LONGEST_PAUSE)
        program.start_again_at = now + pause
        self._say(
            f"{program.name} ended (exit code {program.process.returncode}) and starts again in {pause:.0f} s; "
            f"{program.log} says more."
        )

    def _leave(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True


def rotate(log: Path) -> None:
    """Keep the log of the last time beside the one of this time."""
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    log.touch(0o600)
