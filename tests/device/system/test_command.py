from __future__ import annotations

import time

from waste_edge.device.system.command import Answer, run_program


def test_an_answer_has_everything() -> None:
    assert run_program(["sh", "-c", "echo out; echo err >&2; exit 3"], 30) == Answer(3, "out\n", "err\n")


def test_a_program_that_is_not_there_gives_none() -> None:
    assert run_program(["/nowhere/vcgencmd"], 30) is None
    assert run_program(["nul\0in-its-name"], 30) is None


def test_one_that_hangs_is_cut_off_with_the_children_that_hold_its_output() -> None:
    started = time.monotonic()
    answer = run_program(["sh", "-c", "echo before; sleep 60 & sleep 60"], 0.3)
    assert answer is not None
    assert answer.cut_off
    assert not answer.ok
    assert time.monotonic() - started < 20


def test_one_that_does_not_heed_sigterm_is_cut_off_too() -> None:
    started = time.monotonic()
    answer = run_program(["sh", "-c", "trap '' TERM; while true; do sleep 1; done"], 0.3)
    assert answer is not None
    assert answer.cut_off
    assert time.monotonic() - started < 20


def test_bytes_that_are_no_text_do_no_harm() -> None:
    answer = run_program(["printf", r"\377\n"], 30)
    assert answer is not None
    assert answer.text == "\ufffd\n"
