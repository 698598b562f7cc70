"""The kit of guarantees on Ray itself: the tests that judge by what a run gives or raises, as steps are elsewhere.

All others run with sections in threads of one process: `tests/far`.
"""

from __future__ import annotations

from typing import Any

from headrace import RayRunner
from headrace.testing import check_guarantees

KEPT = "test_2_ or test_3_ or test_5_ or test_6_ or test_7_ or test_10_"
LOOK_ON = [  # at what steps do, from the process of the test, or give steps what cannot leave it
    "test_1_",  # bounds: test_bound.py
    "test_2_1_any_object_is_an_item",  # exceptions are equal only to themselves
    "test_2_3_consumers_that_are_called_per_item_see_each_item_in_turn",
    "test_2_4_every_recorded_step_runs",
    "test_2_5_take_asks_for_no_more_than_it_gives",
    "test_3_3_everything_is_closed_when_control_comes_back",
    "test_3_3_generators_are_closed_consumers_first",
    "test_5_2_plain_steps_run_on_the_callers_thread",
    "test_5_3_linear_run_of_async_steps_needs_no_task_for_each_item",
    "test_5_5_context_variables_are_seen_in_async_steps",  # those that RayRunner(context=...) names: test_context.py
    "test_5_8_async_call_that_takes_too_long_is_cancelled",
    "test_6_1_body_that_returns_nothing_runs_for_every_item",
    "test_6_1_lifted_steps_are_called_per_item_and_keep_their_options",
    "test_6_1_step_that_takes_nothing_of_the_item_is_called_per_item",
    "test_6_4_failure_inside_names_the_step_and_the_item",
    "test_10_3_failure_too_many_of_a_flat_map_step_is_raised",
    "test_10_4_",  # logs
    "test_10_6_failures_that_nobody_has_taken_hold_the_step_back",
    "test_10_7_failures_that_nobody_reads_are_skipped",
    "test_10_7_who_stops_early_does_not_hold_the_other_back",
    "test_10_8_calls_are_made_again_in_real_time",
    "test_10_8_what_stops_a_run_is_raised_at_once",
    "test_10_11_",  # checkpoints
]


def test_what_runs_give_and_raise_is_what_is_guaranteed(runner: RayRunner) -> None:
    def on_ray(pipeline: Any, *arguments: Any) -> Any:
        try:
            return runner.execute(pipeline, *arguments).result
        except BaseException as error:
            error.__notes__ = [note for note in getattr(error, "__notes__", []) if "raised in a worker" not in note]
            raise

    chosen = f"on_ray and ({KEPT}) and not ({' or '.join(LOOK_ON)})"
    assert check_guarantees({"on_ray": on_ray}, "-q", "--durations=5", "-k", chosen) == 0
