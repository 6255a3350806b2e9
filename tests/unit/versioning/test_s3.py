"""Whole files and folders go to a real S3 server and come back."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from z1.errors import InputError
from z1.versioning.connection import parse_address
from z1.versioning.local import BUCKET
from z1.versioning.manifest import Manifest, describe
from z1.versioning.s3 import download, find, upload

PART = 5 * 2**20
NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\\0", exclude_categories=["Cs"])
    | st.sampled_from(" .%+#?&=*'\"<>é\u0301"),
    min_size=1,
    max_size=12,
).filter(lambda name: name not in (".", "..") and len(name.encode()) <= 60)
TREES = st.recursive(
    st.binary(max_size=40),
    lambda below: st.dictionaries(NAMES, below, max_size=3),
    max_leaves=5,
)


def write_tree(folder: Path, tree: dict[str, object]) -> None:
    folder.mkdir()
    for name, content in tree.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            write_tree(folder / name, content)


def read_tree(folder: Path) -> dict[str, object]:
    return {
        path.name: read_tree(path) if path.is_dir() else path.read_bytes()
        for path in folder.iterdir()
    }


def keys(server, address: str) -> set[str]:
    """The names of all objects in the folder at an address."""
    place = parse_address(address)
    found = server.client().list_objects_v2(Bucket=place.bucket, Prefix=f"{place.key}/")
    return {each["Key"].removeprefix(f"{place.key}/") for each in found.get("Contents", [])}


def put_time(server, address: str, path: str):
    place = parse_address(address)
    return server.client().head_object(Bucket=place.bucket, Key=place.key_of(path))["LastModified"]


@settings(
    max_examples=6,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(tree=st.dictionaries(NAMES, TREES, min_size=1, max_size=4))
def test_any_folder_comes_back_as_it_was(server, tmp_path_factory, tree):
    folder = tmp_path_factory.mktemp("tree")
    address = f"s3://{BUCKET}/trees/{folder.name}"
    write_tree(folder / "source", tree)
    sent = upload(folder / "source", address)
    assert download(address, folder / "copy") == sent == describe(folder / "copy")
    assert read_tree(folder / "copy") == tree


def test_a_large_file_goes_in_parts_and_lies_there_as_it_is(server, address, tmp_path):
    content = os.urandom(2 * PART + 1)
    (tmp_path / "file").write_bytes(content)
    assert len(upload(tmp_path / "file", address).files[0].sha256) == 3
    place = parse_address(address)
    answer = server.client().get_object(Bucket=place.bucket, Key=place.key)
    assert answer["Body"].read() == content
    assert answer["ETag"].endswith('-3"')
    download(address, tmp_path / "new" / "copy")
    assert (tmp_path / "new" / "copy").read_bytes() == content


def test_links_to_files_are_followed_and_what_s3_cannot_hold_is_named(server, address, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "weights").write_bytes(b"w")
    (folder / "link").symlink_to(tmp_path / "weights")
    upload(folder, address)
    download(address, tmp_path / "copy")
    assert (tmp_path / "copy" / "link").read_bytes() == b"w"
    (folder / "back\\slash").touch()
    with pytest.raises(InputError, match="rename it"):
        upload(folder, address)
    (folder / "back\\slash").rename(folder / "slash")
    (folder / "loop").symlink_to(folder)
    with pytest.raises(InputError, match="loop: is neither a file"):
        upload(folder, address)
    assert find(address) == describe(tmp_path / "copy")


def test_a_second_upload_sends_only_what_changed_and_removes_what_went(server, address, tmp_path):
    folder = tmp_path / "folder"
    write_tree(folder, {"same": b"1", "changed": b"1", "gone": b"1", "large": bytes(PART + 1)})
    upload(folder, address)
    before = {path: put_time(server, address, path) for path in ("same", "changed", "large")}
    threading.Event().wait(1.1)  # S3 counts in seconds
    (folder / "changed").write_bytes(b"2")
    (folder / "gone").unlink()
    write_tree(folder / "new", {"file": b"3"})
    upload(folder, address)
    after = {path: put_time(server, address, path) for path in before}
    assert {path for path in before if after[path] != before[path]} == {"changed"}
    assert keys(server, address) == {"same", "changed", "large", "new/file"}
    download(address, tmp_path / "copy")
    assert read_tree(tmp_path / "copy") == read_tree(folder)


def test_a_folder_without_a_manifest_is_not_there(server, address, tmp_path):
    write_tree(tmp_path / "folder", {"a": b"1"})
    upload(tmp_path / "folder", address)
    place = parse_address(address)
    server.client().delete_object(Bucket=place.bucket, Key=place.manifest)
    assert find(address) is None
    with pytest.raises(InputError, match="nothing is there"):
        download(address, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_download_goes_on_and_leaves_other_things_alone(server, address, tmp_path):
    content = os.urandom(3 * PART)
    write_tree(tmp_path / "folder", {"large": content, "small": b"1"})
    upload(tmp_path / "folder", address)
    partial, copy = tmp_path / "copy.partial", tmp_path / "copy"
    write_tree(partial, {"large": content[: PART + 7], "old": {"file": b"0"}})
    # With this object gone only what is on the disk already can be there afterwards.
    place = parse_address(address)
    server.client().put_object(Bucket=place.bucket, Key=place.key_of("large"), Body=b"")
    with pytest.raises(InputError, match="large is shorter"):
        download(address, copy)
    assert not copy.exists()
    assert (partial / "large").read_bytes()[:PART] == content[:PART]
    upload(tmp_path / "folder", address)
    download(address, copy)
    assert read_tree(copy) == {"large": content, "small": b"1"}
    download(address, copy)
    (copy / "small").write_bytes(b"2")
    with pytest.raises(InputError, match="is there already"):
        download(address, copy)
    assert (copy / "small").read_bytes() == b"2"


@pytest.mark.parametrize("same", [True, False])
def test_two_uploads_at_once_leave_one_of_them_whole(server, address, tmp_path, same):
    errors: list[Exception] = []

    def send(number: int) -> None:
        try:
            upload(tmp_path / str(number), address)
        except Exception as error:
            errors.append(error)

    for number in range(2):
        byte = b"x" if same else str(number).encode()
        tree = {str(name): byte * 100 for name in range(10)}
        write_tree(tmp_path / str(number), {**tree, "large": byte * (2 * PART)})
    threads = [threading.Thread(target=send, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    download(address, tmp_path / "copy")
    assert read_tree(tmp_path / "copy") in [read_tree(tmp_path / str(n)) for n in range(2)]


@pytest.mark.parametrize("address", ["bucket/key", "s3://bucket", "s3://bucket/", "s3://b//x", ""])
def test_an_address_is_checked_before_anything_else(address, tmp_path):
    with pytest.raises(InputError, match="no address"):
        upload(tmp_path, address)


@pytest.mark.parametrize("path", ["../x", "/x", "a/../x", "a//x", "./x", "a\\x"])
def test_a_manifest_leads_nowhere_else(path):
    with pytest.raises(ValueError, match=r"path|name"):
        Manifest.model_validate({"kind": "folder", "files": [], "folders": [path]})
