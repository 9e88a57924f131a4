"""Tables of an evaluation: means and intervals, and one content in three notations."""

import csv
import io
import json
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motiongpt3.errors import CorruptError
from motiongpt3.evaluation.figure import Missing, too_few
from motiongpt3.evaluation.table import Column, Estimate, Rows, Table

COLUMNS = (Column("R@1", "higher", "match"), Column("FID", "lower", "spread"))
ORIGIN: dict[str, str | int] = {"model": "abc", "seed": 3, "command": "evaluate a | b"}
finite = st.floats(-1e6, 1e6)
names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)


def table(*replications: Rows) -> Table:
    return Table.of("Text to motion", COLUMNS, replications, ORIGIN)


SMALL = table(
    {"real": {"R@1": 0.5}, "the model": {"R@1": 0.25, "FID": too_few(388)}},
    {"real": {"R@1": 0.75}, "the model": {"R@1": 0.25, "FID": too_few(388)}},
)


@given(st.lists(finite, min_size=2, max_size=30))
def test_an_estimate_is_the_mean_and_its_95_percent_interval(values: list[float]) -> None:
    estimate = Estimate.of(values)
    half = 1.96 * statistics.stdev(values) / math.sqrt(len(values))
    assert estimate.mean == pytest.approx(statistics.fmean(values), rel=1e-9, abs=1e-6)
    assert estimate.interval == pytest.approx(half, rel=1e-6, abs=1e-6)
    assert estimate.replications == len(values)


def test_a_single_replication_has_no_interval() -> None:
    assert Estimate.of([2.0]) == Estimate(2.0, None, 1)
    assert str(Estimate.of([2.0])) == "2.000"


@pytest.mark.parametrize(
    ("mean", "said"), [(0.25, "0.250 ± 0.100"), (61.6, "61.60 ± 0.10"), (-250.0, "-250.0 ± 0.1")]
)
def test_digits_go_with_the_size_of_a_figure(mean: float, said: str) -> None:
    assert str(Estimate(mean, 0.1, 20)) == said


def test_a_figure_that_is_not_finite_or_missing_once_is_missing() -> None:
    broken = table({"m": {"R@1": math.nan, "FID": 1.0}}, {"m": {"R@1": 1.0, "FID": too_few(9)}})
    assert broken.cells["m"] == {"R@1": Missing("not finite"), "FID": Missing("n=9")}
    json.loads(broken.json(), parse_constant=lambda word: pytest.fail(word))


def test_markdown_has_a_table_per_group_and_says_where_figures_come_from() -> None:
    text = SMALL.markdown()
    assert text.startswith("# Text to motion\n\n## match\n\n|           |         R@1 ↑ |\n")
    assert "| real      | 0.625 ± 0.245 |" in text and "| the model | 0.250 ± 0.000 |" in text
    assert "\n- seed: 3\n- command: evaluate a | b\n" in text
    assert "real" not in text[text.index("## spread") : text.index("- model")], "has no FID"


def test_a_group_that_is_missing_for_one_reason_says_it_once() -> None:
    assert "## spread\n\nn/a (n=388)\n" in SMALL.markdown()
    assert SMALL.reason(COLUMNS[1:]) == Missing("n=388") and SMALL.reason(COLUMNS[:1]) is None


def test_a_bar_in_a_name_is_no_column() -> None:
    odd = Table.of("t", COLUMNS[:1], [{"a|b": {"R@1": 1.0}}], {})
    assert r"| a\|b | 1.000 |" in odd.markdown()


def test_notations_say_the_same() -> None:
    lines = list(csv.DictReader(io.StringIO(SMALL.csv())))
    cells = {(line["row"], line["figure"]): line for line in lines}
    for row in json.loads(SMALL.json())["rows"]:
        for name, figure in row["figures"].items():
            line = cells.pop((row["name"], name))
            assert line["missing"] == figure.get("missing", "")
            if "mean" in figure:
                assert float(line["mean"]) == figure["mean"]
                assert float(line["interval"]) == figure["interval"]
                assert str(Estimate(**figure)) in SMALL.markdown()
    assert not cells


@given(
    st.lists(names, min_size=1, max_size=4, unique=True),
    st.dictionaries(names, st.lists(finite | st.just(Missing("why")), min_size=4, max_size=4)),
    st.integers(1, 3),
)
def test_json_becomes_the_same_table_again(
    columns: list[str], cells: dict[str, list[float | Missing]], count: int
) -> None:
    rows = {name: dict(zip(columns, values, strict=False)) for name, values in cells.items()}
    heads = [Column(name, "real", "group") for name in columns]
    made = Table.of("title", heads, [rows] * count, ORIGIN)
    assert Table.from_json(made.json()) == made


CONTENT = json.loads(SMALL.json())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        json.dumps({**CONTENT, "version": 9}),
        json.dumps({**CONTENT, "rows": 3}),
        json.dumps({**CONTENT, "rows": [{"name": "a", "figures": {"R@1": 3}}]}),
    ],
)
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(CorruptError, match="not a table"):
        Table.from_json(text, "table.json")
