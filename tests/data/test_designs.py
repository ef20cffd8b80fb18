"""Formulas of designs: what they say, which columns they make, and what is refused in words."""

import time

import numpy as np
import pandas as pd
import pytest

from diffbio_engine.data import Dataset, inspect, open_source, read
from diffbio_engine.data.design import (
    Formula,
    design_of,
    levels_of,
    proposed,
    table_of,
)
from diffbio_engine.errors import DataError

NAMES = [f"s{i}" for i in range(8)]
TABLE = pd.DataFrame(
    {
        "treatment": ["control", "drug"] * 4,
        "donor": list("aabbccdd"),
        "lane": [1, 1, 1, 1, 2, 2, 2, 2],
        "age": [31.0, 31.0, 45.5, 45.5, 52.0, 52.0, 28.0, 28.0],
        "same": ["x"] * 8,
        "site of body": ["arm", "leg", "leg", "arm"] * 2,
    },
    index=NAMES,
)


def made(text, table=TABLE):
    return design_of(table, Formula.parse(text))


@pytest.mark.parametrize(
    "text",
    ["treatment", "donor + treatment", "lane + age + treatment", "treatment * `site of body`"],
)
def test_columns_are_those_of_formulaic(text):
    formulaic = pytest.importorskip("formulaic", reason="formulaic is not installed")
    theirs = formulaic.model_matrix(text, TABLE)
    np.testing.assert_array_equal(made(f"~ {text}").matrix, np.asarray(theirs, float))


def test_columns_are_named_and_told_by_level_and_reference():
    found = made('~ factor(lane) + relevel(treatment, ref="drug")')
    assert found.names == ("Intercept", "lane_2_vs_1", "treatment_control_vs_drug")
    assert found.compared == "treatment control against drug"
    assert found.notes[0].endswith("lane is accounted for.")


def test_a_formula_is_its_text_again():
    for text in ("~ a + b", '~ factor(a) + `b c` + relevel(b, ref="x y")', "~ a + b + a:b"):
        assert Formula.parse(text).text == text
        assert Formula.parse(Formula.parse(text).text) == Formula.parse(text)
    odd = Formula((("a` + `b",), ("c\\",)), {"c\\": '5\' "x" \\'})
    assert Formula.parse(odd.text) == odd
    assert Formula.parse("~ a * b").terms == (("a",), ("b",), ("a", "b"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("treatment", "where '~' is expected"),
        ("~", "ends too early"),
        ("~ 0 + treatment", "leaves the intercept out"),
        ("~ donor:treatment", "has donor:treatment without donor"),
        ("~ open('secret')", "only relevel() and factor() are known"),
        ("~ {1}", "cannot be understood"),
        ("~ treatmant", "no such column"),
        ("~ same", "'same' is 'x' for all samples"),
        ("~ lane + donor + treatment", "'donor' and 'lane' say the same"),
        ('~ relevel(treatment, ref="placebo")', "'placebo' is no value of 'treatment'"),
        ("~ donor * treatment", "nothing is left"),
        ("~ " + "treatment + " * 300 + "donor", "too long"),
    ],
)
def test_what_no_design_can_be_is_refused_in_words(text, said):
    with pytest.raises(DataError) as caught:
        made(text)
    assert said in caught.value.what and caught.value.fix


def test_a_covariate_is_no_larger_than_a_regression_can_square():
    with pytest.raises(DataError, match="Sample 1 has a value in 'age' that is too large"):
        made("~ age", pd.DataFrame({"age": [1.0, np.inf, 3.0, 4.0]}))


def test_levels_of_odd_digits_are_told_apart():
    table = pd.DataFrame({"area": ["1²", "²", "1" * 5000, "²", "1²", "1²"]})
    assert len(levels_of(table, Formula((("area",),)), "area")) == 3


def test_proposals_for_many_columns_are_found_while_a_page_waits():
    """Forty columns of 200 samples: as many equations for each of them take minutes."""
    random = np.random.default_rng(1)
    words = ("batch", "donor", "lane", "run", "plate", "library", "site")
    names = [f"{a} {b}" for a in words for b in words][:40]
    table = pd.DataFrame({name: random.integers(0, 20, 200).astype(str) for name in names})
    start = time.process_time()
    first, *_ = proposed(table)
    assert len(first.columns) > 8 and time.process_time() - start < 10


def test_a_missing_value_names_its_sample():
    table = TABLE.assign(treatment=["control", None, *TABLE["treatment"][2:]])
    with pytest.raises(DataError, match="Sample s1 has no value in 'treatment'"):
        made("~ treatment", table)


def test_what_is_called_a_control_is_the_reference_and_levels_stand_by_their_numbers():
    values = (["treated", "untreated"], ["day 10", "day 9"], ["wt", "ko"])
    table = pd.DataFrame(dict(zip("abc", values, strict=True)))
    found = {c: levels_of(table, Formula(((c,),)), c)[0] for c in table}
    assert found == {"a": "untreated", "b": "day 9", "c": "wt"}


def test_a_proposal_accounts_for_donors_and_compares_the_treatment():
    first, *others = proposed(TABLE[["donor", "treatment"]], "treatment")
    assert first.text == '~ donor + relevel(treatment, ref="control")'
    assert '~ relevel(treatment, ref="control")' in [f.text for f in others]
    confounded = pd.DataFrame({"batch": list("xxxyyy"), "arm": list("aaabbb")})
    assert proposed(confounded)[0].columns == ("arm",)
    assert proposed(pd.DataFrame({"name": NAMES})) == []


def test_names_of_columns_travel_with_the_samples():
    import anndata

    counts = np.random.default_rng(0).poisson(5.0, (8, 4)).astype(np.float32)
    data = Dataset.from_anndata(anndata.AnnData(counts, obs=TABLE))
    data.rows = "samples"
    fields = {"counts": "X", "design": "formula:~ donor + treatment"}
    records = open_source(data, fields, ["counts", "design"])
    assert list(records.names["covariates"])[-1] == "treatment_drug_vs_control"
    assert records.rows("design", np.array([1])).tolist() == [[1, 0, 0, 0, 1]]
    assert "treatment drug against control is compared" in records.notes[0]
    alone = open_source(data, {"design": "obs/treatment"}, ["design"])
    assert alone.fields["design"] == (2,)


def test_what_would_be_millions_of_columns_is_refused_before_they_are_made():
    names = " * ".join(f"c{i}" for i in range(200))
    with pytest.raises(DataError, match="more than 24 terms"):
        Formula.parse(f"~ {names}")
    many = pd.DataFrame({c: [f"{c}{i % 97}" for i in range(200)] for c in "abcd"})
    with pytest.raises(DataError, match="88,529,281 columns for 200 samples"):
        made("~ a * b * c * d", many)


def test_a_preview_makes_the_designs_that_the_file_makes(tmp_path):
    """Numbers stay numbers, classes that are called by numbers stay classes, an order its order."""
    import anndata

    obs = TABLE.assign(
        lane=pd.Categorical(TABLE["lane"]),
        dose=pd.Categorical(list("lmhlmhlm"), categories=["l", "m", "h"], ordered=True),
        run=[1.0, 2.0] * 4,
        note=["x" * 100_000, "y" * 100_000] * 4,
    )
    counts = np.random.default_rng(0).poisson(300, (8, 50)).astype(np.float32)
    anndata.AnnData(counts, obs=obs).write_h5ad(tmp_path / "a.h5ad")
    preview = inspect(tmp_path / "a.h5ad", rows="samples")
    seen, whole = table_of(preview.as_dict()), read(tmp_path / "a.h5ad", rows="samples").obs
    for text in ("lane", "age", "dose", "run", "factor(run)", "donor", "`site of body`"):
        found, wanted = made(f"~ {text}", seen), made(f"~ {text}", whole)
        assert found.names == wanted.names
        np.testing.assert_array_equal(found.matrix, wanted.matrix)
    assert proposed(seen[["run"]])[0].columns == ("run",) and "note" not in seen
    assert proposed(seen[["run"]])[0].text == '~ relevel(factor(run), ref="1")'


def test_of_several_levels_the_first_is_the_reference_and_the_last_is_tested():
    doses = pd.DataFrame({"dose": ["none", "low", "high"] * 3})
    formula = Formula.parse('~ factor(dose, levels=c("none", "high", "low"))')
    design = design_of(doses, formula)
    assert design.names == ("Intercept", "dose_high_vs_none", "dose_low_vs_none")
    assert design.compared == "dose low against none"
    np.testing.assert_array_equal(design.matrix[:, 2], doses["dose"] == "low")
    assert Formula.parse(formula.text) == formula
    other = formula.with_reference("dose", "low")
    assert design_of(doses, other).compared == "dose high against low"
    again = Formula.parse(f'~ relevel({formula.text.removeprefix("~ ")}, ref="low")')
    assert again == other
    with pytest.raises(DataError, match="are not those of the samples: low"):
        design_of(doses, formula.with_levels("dose", ("none", "high")))
    for wrong in ('factor(dose, levels="a")', 'factor(dose, levels=c("a", "a"))'):
        with pytest.raises(DataError, match=r"levels in order|each level once"):
            Formula.parse(f"~ {wrong}")
