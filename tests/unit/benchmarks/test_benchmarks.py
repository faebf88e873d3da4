"""The benchmarks do the same work in every way they compare, and say so in a table."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode

pytest.importorskip("accelerate", reason="the benchmarks need their extra: pip install 'stilts-xtreme[bench]'")
pytest.importorskip("psutil", reason="the benchmarks need their extra: pip install 'stilts-xtreme[bench]'")
from support.real import ENCODERS, ROWS, needs_encoder

from benchmarks import __main__ as everything
from benchmarks import evaluation, features, jobs, matrix, models, profile, retrieval, rounds, startup, training


def table_of(result):
    """The cells of a result's table, by way and column."""
    head, rule, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in table_lines(result))
    assert len(rule) == len(head)
    assert all(len(line) == len(head) for line in lines)
    return {line[0]: dict(zip(head, line, strict=True)) for line in lines}


def table_lines(result):
    return rounds.table(result).splitlines()


@pytest.mark.parametrize("head", jobs.JOBS)
def test_every_way_trains_the_same(head):
    result = training.measure(head, "mini", steps=3, rounds=1, pieces=2000, max_length=48, batch=6)
    losses = {way: entry["facts"]["mean loss"] for way, entry in result["ways"].items()}
    grouped = losses.pop("Trainer, by length")  # the same rows in other steps
    assert list(losses.values()) == pytest.approx([losses["packed"]] * 4, abs=2e-5)
    assert grouped == pytest.approx(losses["packed"], rel=0.1)
    held = {way: entry["facts"]["optimizer MiB"] for way, entry in result["ways"].items()}
    assert held["packed"] < held["padded"] == held["Trainer, dynamic"]
    table = table_of(result)
    assert list(table) == list(training.WAYS)
    computed = {way: float(line["positions/token"]) for way, line in table.items() if way != "padded"}
    ordered = [computed[way] for way in ("packed", "Trainer, by length", "Trainer, dynamic", "Trainer, longest")]
    assert ordered[0] == 1
    assert ordered == sorted(ordered)


def test_one_peer_alone_can_be_measured(tmp_path, capsys):
    output = tmp_path / "short.json"
    short = ("--size", "mini", "--steps", "1", "--rounds", "1", "--batch", "2", "--output", str(output))
    training.main([*short, "--against", "Trainer, dynamic"])
    assert list(json.loads(output.read_text())["ways"]) == ["packed", "Trainer, dynamic"]
    assert "--against 'Trainer, dynamic'`" in capsys.readouterr().out  # the command below the table can be given again


@needs_encoder
@pytest.mark.encoder
@pytest.mark.real
@pytest.mark.parametrize("head", ["tagging", "qa"])
def test_real_rows_are_the_same_for_both(head):
    ways = ["Trainer, dynamic"]
    words = ["model=me5_small", f"model.root={ENCODERS}", "model.layers=2", "recipe=small", f"data.root={ROWS}"]
    found = training.measure(head, "mini", steps=2, rounds=1, batch=4, against=ways, real=words)["ways"]
    own, theirs = found["packed"]["facts"], found["Trainer, dynamic"]["facts"]
    assert theirs["mean loss"] == pytest.approx(own["mean loss"], abs=2e-5)
    assert own["process MiB"] < theirs["process MiB"]


def test_rows_of_a_real_training_are_grouped():
    job = jobs.JOBS["choice"]
    drawn = jobs.draw(job, 4, 1000, job.longest)
    some = jobs.grouped(drawn, job.batch, 3)
    whole = {tuple(part) for part in np.split(drawn.ids, np.cumsum(drawn.unit_tokens)[:-1])}
    parts = [tuple(part) for part in np.split(some.ids, np.cumsum(some.unit_tokens)[:-1])]
    assert len(set(parts)) == len(parts) == 3 * job.batch
    assert set(parts) <= whole
    with pytest.raises(rounds.StiltsError, match="--steps 5 is refused: 32 rows fill 4 batches of 8"):
        jobs.grouped(drawn, job.batch, 5)


@pytest.mark.parametrize("head", ["pairs", "choice"])
def test_positions_are_those_of_the_batches_that_trainer_collates(head):
    job = jobs.JOBS[head]
    work = training.Work(Path(), job, jobs.draw(job, 3, 1000, job.longest), 3)
    found = []
    for way in ("Trainer, by length", "Trainer, dynamic", "Trainer, longest"):
        more = {"padding": "max_length", "max_length": job.longest} if way == "Trainer, longest" else {}
        collator = job.collator(models.padder(), **more)
        rows = jobs.rows_of(work.features, training.turns_of(work, way)).to_list()
        made = [collator(rows[at : at + job.batch])["input_ids"] for at in range(0, len(rows), job.batch)]
        found.append(training.positions(work, job.longest, way))
        assert found[-1] == pytest.approx(sum(ids.numel() for ids in made) / len(work.features.ids)), way
    assert 1 < found[0] < found[1] < found[2]


@pytest.mark.parametrize("head", jobs.JOBS)
def test_rows_are_the_same_for_both(head):
    job = jobs.JOBS[head]
    drawn = jobs.draw(job, 4, 1000, job.longest)
    rows = jobs.rows_of(drawn, np.arange(len(drawn)))
    assert len(rows) == 4 * job.batch
    flat = [ids for row in rows for ids in (row["input_ids"] if head == "choice" else [row["input_ids"]])]
    assert [len(ids) for ids in flat] == drawn.lengths.tolist()
    assert [piece for ids in flat for piece in ids] == drawn.ids.tolist()
    assert max(map(max, flat)) < 1000
    assert np.mean([len(ids) for ids in flat]) == pytest.approx(job.mean, rel=0.15)
    widest = drawn.unit_widest.reshape(4, job.batch)  # grouped by length, the longest first
    assert (widest[:-1].min(1) >= widest[1:].max(1)).all()
    for name, (over, values) in drawn.labels.items():
        given = rows[jobs.NAMES[name]]
        assert ([tag for own in given for tag in own] if over == "token" else list(given)) == values.tolist()


def test_every_way_predicts_the_same():
    result = evaluation.measure("mini", languages=3, rows=20, rounds=1, max_length=64)
    assert [entry["facts"]["other labels than ours"] for entry in result["ways"].values()] == [0, 0, 0]
    assert table_of(result)["predict, longest"]["other labels than ours"] == "0"


def test_every_way_makes_the_same_windows():
    result = features.measure(contexts=12, questions=3, rounds=1)
    facts = [entry["facts"] for entry in result["ways"].values()]
    assert {fact["windows"] for fact in facts} == {facts[0]["windows"]}
    assert facts[0]["windows"] >= 36
    assert [fact["other windows than ours"] for fact in facts] == [0, 0, 0]


def test_a_different_window_is_counted():
    one = ([[0, 5, 2], [0, 6, 2]], [0, 1], [0, 1])
    assert features._differences(one, one) == 0
    assert features._differences(([[0, 5, 2], [0, 7, 2]], [0, 1], [0, 1]), one) == 1
    assert features._differences(([[0, 5, 2]], [0], [2]), one) == 2


@pytest.mark.parametrize("both", [False, True])
def test_every_way_finds_the_same_neighbours(both):
    pytest.importorskip("faiss")
    result = retrieval.measure(count=300, width=16, neighbours=4, both=both, rounds=2)
    assert [entry["facts"]["queries answered otherwise"] for entry in result["ways"].values()] == [0, 0]
    assert result["work"] == {"queries": 300 * (1 + both)}
    assert all(len(entry["cpu"]) == 2 for entry in result["ways"].values())


def test_another_neighbour_is_counted_unless_it_is_as_near():
    queries = np.eye(2, dtype=np.float32)
    candidates = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    ours = np.array([[0], [2]])
    assert retrieval.differences(queries, candidates, np.array([[1], [2]]), ours) == 0
    assert retrieval.differences(queries, candidates, np.array([[2], [0]]), ours) == 2


def test_startup_runs_commands_and_reports_failures():
    result = startup.measure(1, {"status --help": startup.COMMANDS["status --help"]})
    entry = result["ways"]["status --help"]
    assert entry["facts"]["lines"] > 5
    assert entry["cpu"][0] > 0
    assert "CPU, times ours" not in table_of(result)["status --help"]
    with pytest.raises(rounds.StiltsError, match="status --nothing failed"):
        startup.measure(1, {"wrong": ("stilts_xtreme.status", "--nothing")})


@pytest.mark.slow
def test_a_matrix_comes_out_the_same_however_it_is_made():
    world = ("data.world.train=40", "data.world.validation=20", "data.world.test=20", "data.world.languages=2")
    result = matrix.measure("none,mnli", "xnli", steps=2, slots=2, rounds=1, options=world)
    facts = {way: entry["facts"] for way, entry in result["ways"].items()}
    assert len({entry.pop("mean score") for entry in facts.values()}) == 1
    made = {way: (entry["cells"], entry["stages made"]) for way, entry in facts.items()}
    assert made == {"sweep": (2, 5), "commands": (2, 5), "commands, apart": (2, 5)}
    assert all(entry["cells/hour"] > 0 for entry in facts.values())
    with pytest.raises(rounds.StiltsError, match="xnly"):
        matrix.measure("none", "xnly", steps=2, slots=1, rounds=1)


def test_a_profile_adds_up_to_the_whole():
    result = profile.measure("pairs", "mini", steps=2, rounds=1)
    for entry in result["ways"].values():
        assert sum(entry["facts"].values()) == pytest.approx(1e3 * entry["cpu"][0] / 2, rel=0.05, abs=8)
        assert entry["facts"]["matrix products"] > 0


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("aten::addmm", "matrix products"),
        ("aten::mm", "matrix products"),
        ("aten::embedding_dense_backward", "embedding"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu_backward", "attention"),
        ("aten::_fused_adamw_", "AdamW"),
        ("aten::add_", "zeroing, adding up"),
        ("aten::gelu_backward", "GELU, layer norms"),
        ("aten::addcdiv", profile.OTHER),
        ("aten::native_layer_norm_backward", "GELU, layer norms"),
    ],
)
def test_operations_have_kinds(operation, kind):
    assert profile.kind_of(operation) == kind


def test_ways_take_turns_and_ratios_are_of_a_round():
    seen: list[str] = []

    def way(name, seconds):
        def run(clock):
            seen.append(name)
            with clock:
                time.sleep(seconds)
            return {"answer": 42, "part": 0.5}

        return run

    ways = rounds.turns({"a": way("a", 0.01), "b": way("b", 0.03), "c": way("c", 0.0)}, 3)
    assert "".join(seen) == "abcbcacab"
    assert all(len(entry[clock]) == 3 for entry in ways.values() for clock in ("cpu", "wall", "foreign"))
    assert min(ways["b"]["wall"]) >= 0.03
    ways["a"] |= {"cpu": [1.0, 2.0, 4.0], "wall": [1.0, 1.0, 1.0]}
    ways["b"] |= {"cpu": [3.0, 4.0, 4.0], "wall": [2.0, 3.0, 4.0]}
    row = table_of({"work": {"tokens": 5000}, "ways": ways})["b"]
    assert row["CPU s"] == "4.00"
    assert row["tokens/s"] == "1,250"
    assert row["CPU, times ours"] == "2.00 (1.00 to 3.00)"
    assert row["wall, times ours"] == "3.00 (2.00 to 4.00)"
    assert (row["answer"], row["part"]) == ("42", "0.50000")
    row = table_of({"work": {"tokens": 5000}, "ways": ways, "clock": "wall"})["b"]
    assert row["tokens/s"] == "1,667"
    assert row["wall, times ours"] == "3.00 (2.00 to 4.00)"
    assert not [name for name in row if "CPU" in name]


def test_a_result_is_printed_and_written(tmp_path, capsys):
    target = tmp_path / "deep" / "result.json"
    retrieval.main(["--count", "50", "--width", "8", "--rounds", "1", "--output", str(target)])
    result = json.loads(target.read_text())
    printed = capsys.readouterr().out
    assert rounds.table(result) in printed
    assert result["command"].startswith("python -m benchmarks.retrieval --count 50 --width 8")
    assert result["machine"]["processor"] in printed
    assert result["settings"]["count"] == 50
    everything.main([str(target)])
    assert capsys.readouterr().out.strip() in printed
    target.write_text("{}")
    with pytest.raises(SystemExit):
        everything.main([str(target)])
    assert "result.json is no result of a benchmark" in capsys.readouterr().err


@pytest.mark.parametrize("module", [evaluation, features, matrix, profile, retrieval, startup, training])
def test_help_teaches(module, capsys):
    with pytest.raises(SystemExit) as ended:
        module.main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert f"python -m {module.__name__}" in shown
    assert "--output" in shown


@pytest.mark.parametrize(
    ("module", "option"),
    [
        (training, ("--steps", "0")),
        (training, ("--rounds", "-1")),
        (training, ("--size", "huge")),
        (training, ("--head", "parsing")),
        (training, ("--against", "Trainer")),
        (training, ("--max-length", "513")),
        (evaluation, ("--max-length", "8")),
        (features, ("--contexts", "many")),
        (retrieval, ("--count", "0")),
        (matrix, ("--slots", "0")),
    ],
)
def test_bad_options_are_refused(module, option, capsys):
    with pytest.raises(SystemExit) as error:
        module.main(list(option))
    assert error.value.code == 2
    shown = capsys.readouterr().err
    assert option[0] in shown
    assert option[1] in shown


def test_operations_are_those_that_torch_counts():
    lengths = np.array([5, 9, 9])
    config = models.config_of("mini", attn_implementation="eager")
    encoder = transformers.XLMRobertaModel(config, add_pooling_layer=False)
    with FlopCounterMode(display=False) as counter:
        for length in lengths:
            encoder(torch.full((1, int(length)), 7)).last_hidden_state.sum().backward()
    assert counter.get_total_flops() == pytest.approx(models.operations(*models.SIZES["mini"][:2], lengths), rel=1e-6)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_one_is_refused(capsys):
    with pytest.raises(SystemExit):
        training.main(["--device", "cuda"])
    assert "--device cuda is refused" in capsys.readouterr().err
