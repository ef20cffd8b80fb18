"""Where in a result file each output of a pipeline goes."""

from diffbio_engine.declare import Kind
from diffbio_engine.pipelines import Pipeline
from diffbio_engine.ports import Address


def result_places(pipeline: Pipeline) -> dict[str, str]:
    """Output ports and their places in a result file.

    Of several of a kind the first block's has the plain name and the others their block's with it;
    of several maps the most final one (``Plan.results_first``).
    """
    plan = pipeline.plan
    taken: dict[str, str] = {}
    maps = plan.results_first(plan.ports(Kind.MAP))
    for name in (*maps, *(p for p in plan.ports() if p not in maps)):
        place = plan.port(name).result
        if place:
            again = f"{place}_{Address.parse(name).block}"
            taken[name] = again if place in taken.values() else place
    return {name: taken[name] for name in plan.ports() if name in taken}


def of_the_whole(pipeline: Pipeline) -> set[str]:
    """Places of what blocks compute of a data set as a whole: of new data it is their own."""
    blocks = pipeline.plan.blocks
    return {
        place
        for port, place in result_places(pipeline).items()
        if not any(p.per_record for p in blocks[Address.parse(port).block].declared.inputs)
    }
