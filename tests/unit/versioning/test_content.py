"""What of a step's output is published."""

import os

import pytest

from z1.errors import InputError
from z1.versioning.content import content_of, digest_content, stamp_content
from z1.versioning.manifest import list_files


@pytest.fixture
def output(tmp_path):
    """An output as a stage leaves it."""
    folder = tmp_path / "output"
    (folder / "inner").mkdir(parents=True)
    for name in ("stage.json", ".hidden", "weights", "inner/part"):
        (folder / name).write_text(name)
    return folder


def test_neither_the_record_nor_what_is_hidden_is_published(output):
    (output / ".cache").mkdir()
    (output / ".cache" / "file").touch()
    with content_of(output) as content:
        assert list_files(content) == (["inner/part", "weights"], [])


def test_a_link_to_a_file_counts_as_the_file(output, tmp_path):
    before = digest_content(output)
    (output / "weights").rename(tmp_path / "elsewhere")
    (output / "weights").symlink_to(tmp_path / "elsewhere")
    assert digest_content(output) == before


def test_an_empty_folder_is_part_of_it(output):
    before = digest_content(output)
    (output / "inner" / "empty").mkdir()
    with content_of(output) as content:
        assert list_files(content) == (["inner/part", "weights"], ["inner/empty"])
    assert digest_content(output) != before


@pytest.mark.parametrize("make", ["dangling", "folder", "pipe"])
def test_what_could_not_be_given_back_is_refused(output, tmp_path, make):
    if make == "pipe":
        os.mkfifo(output / "odd")
    else:
        (tmp_path / "folder").mkdir()
        (output / "odd").symlink_to(tmp_path / make)
    with pytest.raises(InputError, match="output/odd: is neither a file nor a link to one"):
        digest_content(output)


def test_a_stamp_changes_with_the_files_even_if_size_and_date_stay(output):
    before, digest = stamp_content(output), digest_content(output)
    assert stamp_content(output) == before
    status = (output / "weights").stat()
    (output / "weights").write_text("WEIGHTS")
    os.utime(output / "weights", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert stamp_content(output) != before
    assert digest_content(output) != digest
