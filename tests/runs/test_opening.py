"""What is found before a run starts."""

import pytest

from diffbio_engine.errors import SettingError
from diffbio_engine.runs.opening import check_run
from diffbio_engine.runs.spec import RunSpec
from tests.command_line.small_run import pipeline_document, run_of, write_inputs


def test_a_temperature_that_is_learned_is_not_turned_as_well(tmp_path):
    write_inputs(tmp_path)
    document = pipeline_document()
    document["blocks"][1]["config"]["learnable_temperature"] = True
    facts = run_of(tmp_path, pipeline=document)
    check_run(RunSpec(**facts))
    facts["dials"] = {"cluster.temperature": 0.5}
    with pytest.raises(SettingError, match=r"cluster.temperature is learned in this run"):
        check_run(RunSpec(**facts))
