"""The stage runner: skipping, going on, locking, and leaving earlier outputs alone."""

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from z1 import stages
from z1.errors import InputError
from z1.recipe import EffortPrompts
from z1.stages import find_section, keys, read_record, run_stage
from z1.versioning.content import digest_content

OPTIONS = {"split": "seed", "efforts": "all"}


@pytest.fixture
def generate(demo, sums_folder, tmp_path):
    """Run the scripted teacher over the seed split; return the output's record."""

    def run(recipe=demo, options=OPTIONS):
        inputs = {"problems": sums_folder}
        return run_stage("generate", recipe, "teacher", inputs, tmp_path / "seed-replies", options)

    return run


def with_slip(recipe, slip):
    return recipe.model_copy(update={"teacher": recipe.teacher.model_copy(update={"slip": slip})})


def test_the_record_says_what_was_done(generate, tmp_path):
    record = generate()
    assert record == json.loads((tmp_path / "seed-replies" / "stage.json").read_text())
    assert (record["stage"], record["step"], record["kept"]) == ("generate", "seed-replies", 12)
    assert record["unit"] == "replies"
    assert record["resumed"] is False
    assert record["parents"][0]["step"] == "problems"
    assert not (tmp_path / "seed-replies.partial").exists()


def test_an_unchanged_step_is_not_run_again(generate, tmp_path):
    generate()
    part = tmp_path / "seed-replies" / "part-00000.parquet"
    before = part.stat().st_mtime_ns
    generate()
    assert part.stat().st_mtime_ns == before


def test_an_output_that_has_lost_a_file_or_part_of_one_is_made_again(generate, tmp_path):
    record = generate()
    part = tmp_path / "seed-replies" / "part-00000.parquet"
    assert record["files"] == {part.name: part.stat().st_size}
    content = part.read_bytes()
    part.unlink()
    assert generate()["key"] == record["key"]
    assert part.read_bytes() == content
    part.write_bytes(content[:-1])
    generate()
    assert part.read_bytes() == content


def test_records_of_inputs_do_not_carry_their_files(generate, demo, sums_folder, tmp_path):
    generate()
    inputs = {"replies": tmp_path / "seed-replies", "problems": sums_folder}
    record = run_stage("verify", demo, "teacher", inputs, tmp_path / "verdicts")
    assert [parent["step"] for parent in record["parents"]] == ["seed-replies", "problems"]
    assert not any("files" in parent for parent in record["parents"])


def test_a_record_has_the_digest_of_the_content_and_those_of_its_parents(
    generate, demo, sums_folder, tmp_path
):
    made = generate()["digest"]
    inputs = {"replies": tmp_path / "seed-replies", "problems": sums_folder}
    record = run_stage("verify", demo, "teacher", inputs, tmp_path / "verdicts")
    assert made == record["parents"][0]["digest"] == digest_content(tmp_path / "seed-replies")
    assert record["digest"] == digest_content(tmp_path / "verdicts") != made


def test_what_it_depends_on_runs_it_again(generate, demo, sums_folder):
    keys = [generate()["key"]]
    keys.append(generate(with_slip(demo, 0.5))["key"])
    other = demo.model_copy(update={"efforts": EffortPrompts(low="a", medium="b", high="c")})
    keys.append(generate(other)["key"])
    keys.append(generate(demo.model_copy(update={"seed": 1}))["key"])
    keys.append(generate(options={"split": "train", "efforts": "all"})["key"])
    (sums_folder / "seed.parquet").write_bytes((sums_folder / "train.parquet").read_bytes())
    keys.append(generate()["key"])
    assert len(set(keys)) == len(keys)


def test_what_it_does_not_depend_on_leaves_it(generate, demo):
    key = generate()["key"]
    training = demo.train.model_copy(
        update={"tops": demo.train.tops.model_copy(update={"epochs": 9})}
    )
    assert generate(demo.model_copy(update={"train": training, "name": "other"}))["key"] == key


def test_an_error_leaves_the_earlier_output(generate, demo, tmp_path, sums_folder):
    record = generate()
    (sums_folder / "train.parquet").unlink()
    with pytest.raises(InputError):
        generate(options={"split": "train", "efforts": "all"})
    assert read_record(tmp_path / "seed-replies") == record


def test_another_attempts_leftovers_do_not_count(generate, tmp_path):
    partial = tmp_path / "seed-replies.partial"
    partial.mkdir()
    (partial / ".key").write_text("of another recipe")
    (partial / "part-00000.parquet").write_bytes(b"rubbish")
    record = generate()
    assert (record["kept"], record["resumed"]) == (12, False)


class KilledError(BaseException):
    """Ends a run where it is."""


def test_wherever_a_run_is_killed_the_next_one_ends_as_if_it_had_not_been(
    generate, demo, tmp_path, monkeypatch
):
    """Each change to the files is in turn the last one before the end, or done by half."""
    monkeypatch.setattr(stages, "code_digest", lambda module: "the same")  # it takes its time
    other = with_slip(demo, 0.5)
    expected = generate(demo)
    files = {path.name for path in tmp_path.rglob("*")}
    generate(other)
    changes = 0
    last = 0

    def strikes() -> bool:
        nonlocal changes
        changes += 1
        return changes == last

    def struck(act, half):
        def acting(*args, **options):
            if strikes():
                half(*args)
                raise KilledError
            done = act(*args, **options)
            if strikes():
                raise KilledError
            return done

        return acting

    def remove_half(folder, **_):
        for path in sorted(Path(folder).glob("*"), reverse=True)[:1]:
            path.unlink()

    def write_half(path, content):
        path.with_name(f".{path.name}.abc").write_bytes(content[:1])

    def nothing(*_):
        pass

    seen = 0
    while changes == last:  # until a run has fewer changes than that
        last, changes = last + 1, 0
        with monkeypatch.context() as patch, contextlib.suppress(KilledError):
            patch.setattr(stages.shutil, "rmtree", struck(shutil.rmtree, remove_half))
            patch.setattr(stages, "write_bytes", struck(stages.write_bytes, write_half))
            for name in ("rename", "mkdir", "unlink"):
                patch.setattr(Path, name, struck(getattr(Path, name), nothing))
            generate(demo)
        seen += 1
        record = generate(demo)
        assert (record["key"], record["files"]) == (expected["key"], expected["files"]), last
        assert generate(demo) == record, last  # found, and not made again
        assert {path.name for path in tmp_path.rglob("*")} == files, last
        generate(other)
    assert seen > 12


def test_a_part_that_was_being_written_when_a_run_was_killed_goes(generate, demo, tmp_path):
    generate()
    output, partial = (tmp_path / name for name in ("seed-replies", "seed-replies.partial"))
    key = read_record(output)["key"]
    output.rename(partial)
    (partial / ".key").write_text(key)
    (partial / ".part-00001.parquet.4711").write_bytes(b"half")
    assert generate()["resumed"] is True
    assert sorted(path.name for path in output.iterdir()) == ["part-00000.parquet", "stage.json"]


def test_two_processes_never_write_one_output(demo, sums_folder, tmp_path):
    code = f"""
from pathlib import Path
from z1.recipe import load_recipe, find_recipe
from z1.stages import run_stage
folder = Path({str(tmp_path)!r})
inputs = {{"problems": Path({str(sums_folder)!r})}}
print(run_stage("generate", load_recipe(find_recipe("demo")), "teacher", inputs,
                folder / "out", {OPTIONS!r})["kept"])
"""
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert [output.splitlines()[-1] for output in outputs] == ["12", "12"]


@pytest.mark.parametrize(
    ("stage", "section", "message"),
    [("generat", "teacher", "generat: no such stage"), ("generate", "train.x", "no such section")],
)
def test_wrong_names_are_named(demo, tmp_path, stage, section, message):
    with pytest.raises(InputError, match=message):
        run_stage(stage, demo, section, {}, tmp_path / "out")


def test_nothing_is_replaced_that_no_stage_has_written(demo, tmp_path):
    thesis = tmp_path / "mine" / "sub" / "thesis.txt"
    thesis.parent.mkdir(parents=True)
    thesis.write_text("years of work")
    for output in (tmp_path / "mine", thesis):
        with pytest.raises(InputError, match="no stage has written"):
            run_stage("problems", demo, "problems", {}, output)
    (tmp_path / "mine").rename(tmp_path / "out.partial")
    with pytest.raises(InputError, match="no stage has written"):
        run_stage("problems", demo, "problems", {}, tmp_path / "out")
    assert (tmp_path / "out.partial" / "sub" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("output", ["in", "in/..", "."])
def test_an_output_does_not_replace_an_input(demo, tmp_path, output):
    kept = tmp_path / "in" / "stage.json"
    kept.parent.mkdir()
    kept.write_text("{}")
    with pytest.raises(InputError, match=r"holds the input|name a folder"):
        run_stage(
            "generate", demo, "teacher", {"problems": kept.parent}, tmp_path / output, OPTIONS
        )
    assert kept.exists()


def test_a_missing_input_is_named(demo, tmp_path):
    inputs = {"problems": tmp_path / "nowhere"}
    with pytest.raises(InputError, match="nowhere: no such file"):
        run_stage("generate", demo, "teacher", inputs, tmp_path / "out", OPTIONS)


@pytest.mark.parametrize("content", ["", "{", "[1]", "3", "{}", "\ufffd"])
def test_a_broken_record_is_named(generate, tmp_path, content):
    generate()
    (tmp_path / "seed-replies" / "stage.json").write_text(content)
    with pytest.raises(InputError, match=r"seed-replies/stage\.json: broken .* remove the folder"):
        generate()


def test_sections_are_found_by_key(demo):
    assert find_section(demo, "train.iter_dpo").beta == demo.train.iter_dpo.beta


def test_code_counts_where_it_is_used(tmp_path, monkeypatch):
    package = tmp_path / "z1"
    for name, source in {
        "stages/generate.py": "def run():\n    from z1.engines import x\n",
        "stages/verify.py": "import z1.verifiers.math\n",
        "engines/x.py": "from z1.records import y\n",
        "verifiers/math.py": "",
        "verifiers/choice.py": "",
        "records.py": "",
    }.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    monkeypatch.setattr(keys, "_PACKAGE", package)

    def changed(name, without=()):
        stages = ("z1.stages.generate", "z1.stages.verify")
        before = [keys.code_digest(stage, without) for stage in stages]
        with Path(package / name).open("a") as file:
            file.write("# changed\n")
        after = [keys.code_digest(stage, without) for stage in stages]
        return [old != new for old, new in zip(before, after, strict=True)]

    assert changed("records.py") == [True, False]
    assert changed("engines/x.py") == [True, False]
    assert changed("verifiers/choice.py") == [False, True]
    assert changed("verifiers/choice.py", ["verifiers/choice.py"]) == [False, False]
    assert changed("verifiers/math.py", ["verifiers/choice.py"]) == [False, True]
