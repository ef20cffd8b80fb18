"""How many steps a training will take, before anything is read or built."""

from diffbio_engine.pipelines import Plan
from diffbio_engine.training.drawn_batches import batch_and_held_out, steps_of_an_epoch
from diffbio_engine.training.held_out import n_held_out
from diffbio_engine.training.stages import Stage


def planned_steps(
    plan: Plan, n_cells: int, stages: tuple[Stage, ...], batch_size: int
) -> tuple[int, int]:
    """The fewest and the most steps: where cells are held out, these find the end.

    Args:
        plan: Of the pipeline.
        n_cells: In the data set.
        stages: As of ``Training``.
        batch_size: As of ``Training``.
    """
    share = max((stage.held_out for stage in stages), default=0.0)
    batch_size, share = batch_and_held_out(plan, n_cells, batch_size, share)
    n_held = n_held_out(n_cells, share)
    per_epoch = steps_of_an_epoch(plan, n_cells - n_held, batch_size)
    least = sum(stage.n_steps(per_epoch) for stage in stages)
    most = sum(
        stage.latest_end(per_epoch) if n_held and stage.held_out else stage.n_steps(per_epoch)
        for stage in stages
    )
    return least, most
