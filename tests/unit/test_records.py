from pathlib import Path

import polars as pl
import pytest

from z1.errors import InputError
from z1.records import TRAJECTORY, scan, write_bytes, write_part

ROW = {
    "problem_id": "p",
    "effort": "low",
    "sample": 0,
    "text": "3",
    "thinking_tokens": 1,
    "finish_reason": "stop",
}


def test_parts_are_read_back_in_order(tmp_path):
    for number in (2, 0, 1):
        rows = [{**ROW, "sample": number}]
        write_part(rows, tmp_path / f"part-{number:05d}.parquet", TRAJECTORY)
    frame = scan(tmp_path, TRAJECTORY).collect()
    assert frame["sample"].to_list() == [0, 1, 2]
    assert frame.schema == TRAJECTORY


def test_a_row_that_does_not_fit_leaves_no_file(tmp_path):
    with pytest.raises(Exception, match="extreme"):
        write_part([{**ROW, "effort": "extreme"}], tmp_path / "part-00000.parquet", TRAJECTORY)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_table_is_named(tmp_path):
    with pytest.raises(InputError, match="no Parquet parts"):
        scan(tmp_path, TRAJECTORY)
    pl.DataFrame({"text": ["a"]}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match="problem_id"):
        scan(tmp_path, TRAJECTORY)


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "sub" / "file.json"
    write_bytes(path, b"old")
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert [p.name for p in path.parent.iterdir()] == ["file.json"]


def test_a_link_stays_a_link_and_a_device_is_written_to(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o600)
    link.symlink_to(target)
    write_bytes(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o600
    write_bytes(Path("/dev/null"), b"gone")
    assert Path("/dev/null").is_char_device()
