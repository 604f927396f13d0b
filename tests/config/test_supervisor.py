import os
import sys

import pytest

from config.supervisor import Program, Supervisor
from tests.waiting import eventually

WORDS = (
    "import sys, time; print('12:00 ERROR it broke', flush=True); print('12:01 INFO fine', flush=True); time.sleep(600)"
)

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"


@pytest.fixture
def supervise(tmp_path):
    """Starts a supervisor of one Python program; gives it, the program and what was said."""
    started: list[Supervisor] = []

    def start(code: str) -> tuple[Supervisor, Program, list[str]]:
        said: list[str] = []
        program = Program("child", [sys.executable, "-c", code], tmp_path / "child.log")
        supervisor = Supervisor([program], os.environ, said.append)
        started.append(supervisor)
        supervisor.start()
        return supervisor, program, said

    yield start
    for supervisor in started:
        supervisor.stop(5)


def test_errors_in_a_log_are_said_once_and_nothing_else_is(supervise):
    supervisor, program, said = supervise(WORDS)
    assert eventually(lambda: program.log.read_text().count("\n") == 2)
    supervisor.look_after(program)
    supervisor.look_after(program)
    assert said == ["child: 12:00 ERROR it broke"]


@pytest.mark.parametrize(("secrets", "known"), [(True, "the key"), (False, "None")])
def test_program_is_given_secrets_only_when_it_needs_them(tmp_path, secrets, known):
    code = "import os; print(os.environ['PATH'] != '', os.environ.get('ENCRYPTION_KEYS'))"
    program = Program("child", [sys.executable, "-c", code], tmp_path / "child.log", secrets=secrets)
    program.start(os.environ | {"ENCRYPTION_KEYS": "the key"})
    assert program.process is not None
    program.process.wait(30)
    assert program.log.read_text() == f"True {known}\n"


def test_dead_program_is_started_again_after_a_growing_pause(supervise):
    supervisor, program, said = supervise("import sys; sys.exit(3)")

    def ended_times(count: int) -> bool:
        supervisor.look_after(program)
        return bool(program.failures == count)

    assert eventually(lambda: ended_times(2))
    assert said == [
        f"child ended (exit code 3) and starts again in 1 s; {program.log} says more.",
        f"child ended (exit code 3) and starts again in 2 s; {program.log} says more.",
    ]


def test_stop_ends_a_program_that_does_not_listen(supervise):
    supervisor, program, _ = supervise(DEAF)
    assert eventually(lambda: program.log.read_text() == "ready\n")
    supervisor.stop(0.5)
    assert program.process is not None
    assert program.process.returncode == -9


def test_log_of_the_last_time_is_kept_beside(supervise):
    _, program, _ = supervise("print('first', flush=True)")
    assert eventually(lambda: program.log.read_text() == "first\n")
    _, program, _ = supervise("print('second', flush=True)")
    assert eventually(lambda: program.log.read_text() == "second\n")
    assert program.log.with_name("child.log.1").read_text() == "first\n"
