"""What is drawn of a run at one step: maps, clusters and scores of each record; none must be."""

import time
from collections import deque

import numpy as np

from diffbio_engine.bundles import result_places
from diffbio_engine.data import Records, sample_cells
from diffbio_engine.pipelines import Pipeline, Plan, values_of_cells
from diffbio_engine.pipelines.population import is_kept, preparing_key
from diffbio_engine.ports import Address
from diffbio_engine.runs.folder.findings import Findings
from diffbio_engine.runs.folder.snapshots import MOST_DRAWN, Snapshot
from diffbio_engine.runs.worker.findings_maker import MOST_TRACKS, findings_of
from diffbio_engine.runs.worker.marker_genes import Marked, marked_groups
from diffbio_engine.runs.worker.shown_ports import (
    finding_ports,
    map_ports,
    score_ports,
    shares_ports,
    track_ports,
)

# Drawing may take this share of the time.
_SHARE = 0.25


class SnapshotMaker:
    """Takes snapshots of a pipeline that is being trained.

    The last pass of a training lays a map out once more, cell by cell; where it will, so do the
    maps before it, or clouds would turn to something else in the last moment.

    After a dial was turned only the blocks behind that dial are computed again, from the values
    of the last whole snapshot; so a slider is seen in the map at once.
    """

    def __init__(self, plan: Plan, cells: Records, seed: int = 0, *, settles: bool = False) -> None:
        """``settles``: whether the training ends with looking at all cells once more."""
        self.plan, self.cells, self.seed, self._settles = plan, cells, seed, settles
        sampled = cells.n_cells > MOST_DRAWN and not plan.needs_all_records
        self.rows = sample_cells(cells.n_cells, MOST_DRAWN, seed) if sampled else None
        self.maps = map_ports(plan)
        self.shares = shares_ports(plan)
        # What colours the map at first: the shares that the pipeline names first among its
        # results, else the clusters of the last block that makes any.
        named = tuple(p for p in plan.spec.outputs.values() if p in self.shares)
        clusters = tuple(p for p in self.shares if "clusters" in plan.port(p).axis_names)
        self.main = named[:1] or (clusters or self.shares)[-1:]
        # What blocks say of each cell as one number (pseudotime, doublet score) can colour it.
        self.scores = score_ports(plan)
        # Of what is said along each record, some are shown; they are computed for these only.
        self.tracks = track_ports(plan)
        self.track_rows = sample_cells(cells.n, min(cells.n, MOST_TRACKS), seed)
        self.ports = (*self.maps, *self.shares, *self.scores, *finding_ports(plan))
        self.kept = tuple(
            dict.fromkeys(
                w.source
                for b in plan.blocks.values()
                for w in b.sources.values()
                if not w.from_data
                and is_kept(plan.port(w.source))
                and w.source not in (*self.ports, *self.tracks)
            )
        )
        # A cell without counts is in no cluster. Where counts lie on disk, to look at all of them
        # would delay the first map: the result says it.
        empty = np.zeros(cells.n_cells, bool) if cells.backed else cells.empty
        self._empty = empty if self.rows is None else empty[self.rows]
        self._known: dict[str, np.ndarray] = {}
        self._due = 0.0
        self._took: deque[float] = deque(maxlen=4)

    @property
    def drawable(self) -> bool:
        """Whether the pipeline makes anything that can be seen: drawn, or listed among results."""
        return bool(self.ports or self.tracks)

    def due(self) -> bool:
        """Whether it is time for the next whole snapshot."""
        return self.drawable and time.perf_counter() >= self._due

    def whole(self, pipeline: Pipeline) -> Snapshot:
        """Computes everything anew. Which step it is of, whoever keeps it says."""
        began = time.perf_counter()
        ports = (*self.ports, *self.kept)
        self._known = values_of_cells(pipeline, self.cells, ports, rows=self.rows)
        self._lay_out_as_at_the_end(pipeline, self.maps)
        self._took.append(time.perf_counter() - began)
        # The first one compiles, and so may the second, which says nothing of what the next takes.
        took = min(self._took) if len(self._took) > 1 else 0.0
        self._due = time.perf_counter() + max(0.2, took / _SHARE)
        return self._drawn()

    def behind(self, pipeline: Pipeline, block: str) -> Snapshot:
        """Computes anew what comes after one block."""
        given = {p: v for p, v in self._known.items() if block not in self.plan.ancestors((p,))}
        changed = tuple(p for p in self._known if p not in given)
        if not self._known or not given:
            return self.whole(pipeline)
        if changed:
            found = values_of_cells(pipeline, self.cells, changed, rows=self.rows, given=given)
            self._known |= found
            self._lay_out_as_at_the_end(pipeline, changed)
        return self._drawn()

    def _lay_out_as_at_the_end(self, pipeline: Pipeline, ports: tuple[str, ...]) -> None:
        """Places cells as the last pass would, for the blocks whose maps it lays out again."""
        for port in self.maps if self._settles else ():
            block_id = Address.parse(port).block
            # A map may be of the data: places in a tissue.
            block = pipeline.blocks[block_id] if block_id in self.plan.blocks else None
            again = getattr(block, "laid_out_again", None)
            if again is None or port not in ports:
                continue
            wires = {n: w.source for n, w in self.plan.blocks[block_id].sources.items()}
            missing = tuple(s for s in wires.values() if s not in self._known)
            values = self._known | self._values(pipeline, missing, self._known)
            arrays = {name: values[source] for name, source in wires.items()}
            places = again(arrays, preparing_key(self.seed, block_id))
            if places is None:
                continue
            self._known[port] = places
            # What stands on the map is worked out from the map that is seen.
            behind = tuple(
                p
                for p in self._known
                if Address.parse(p).block != block_id and block_id in self.plan.ancestors((p,))
            )
            given = {p: v for p, v in self._known.items() if p not in behind}
            self._known |= self._values(pipeline, behind, given)

    def _values(
        self, pipeline: Pipeline, ports: tuple[str, ...], given: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        if not ports:
            return {}
        return values_of_cells(pipeline, self.cells, ports, rows=self.rows, given=given)

    def findings(self, step: int, pipeline: Pipeline, marked: Marked | None = None) -> Findings:
        """What was found besides the map, as of the last whole snapshot."""
        if not self._known:
            self.whole(pipeline)
        tracks = {}
        if self.tracks:
            tracks = values_of_cells(pipeline, self.cells, self.tracks, rows=self.track_rows)
        found = findings_of(
            step, self.plan, self.cells, self._known, self.rows, tracks, self.track_rows
        )
        return marked.added_to(found) if marked else found

    def marked(self, pipeline: Pipeline, counts_at: str = "X") -> Marked | None:
        """Marker genes of the groups that colour the map, as of the last whole snapshot.

        Args:
            counts_at: Where the counts lie in the file.
        """
        if not self.main or self.main[0] not in self._known:
            return None
        (port,) = self.main
        place = result_places(pipeline).get(port, "")
        known, raw = self._known[port], counts_at == "raw/X"
        return marked_groups(self.plan, self.cells, port, known, self.rows, place, raw)

    def _drawn(self) -> Snapshot:
        values: dict[str, np.ndarray] = {}
        certainty, known = None, self._known
        for port in self.maps:
            values[port] = known[port][:, :2].astype(np.float32)
        for port in self.shares:
            likeliest = np.where(self._empty, -1, known[port].argmax(axis=1))
            values[port] = likeliest.astype(np.int16)
            if port in self.main:
                largest = np.where(self._empty, 0.0, known[port].max(axis=1))
                certainty = largest.astype(np.float32)
        for port in self.scores:
            values[port] = known[port].astype(np.float32)
        kinds = {port: str(self.plan.port(port).kind) for port in values}
        # Without an array of each record there is nothing of which it could be told whose it is.
        rows = self.cells.in_file(self.rows) if values else None
        rows = None if rows is None else rows.astype(np.int32)
        main, classes = next(iter(self.maps), ""), next(iter(self.main), "")
        return Snapshot(0, values, kinds, main, classes, certainty, rows)
