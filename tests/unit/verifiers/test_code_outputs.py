"""What a program prints or returns, against what is expected."""

from typing import Any

import pytest

from z1.verifiers.outputs import decode, same_output, same_value
from z1.verifiers.sandbox.judged import _encode


@pytest.mark.parametrize(
    ("expected", "given", "same"),
    [
        ("3\n", "3", True),
        ("3", "3  \n\n", True),
        ("1 2\n3\n", "1 2 \r\n3\r\n", True),
        ("1", "1.0", True),
        ("0.5", "0.50000000001", True),
        ("0.333333333", "0.3333333333333333", True),
        ("3.14", "3.1416", False),
        ("1000000007", "1000000008", False),
        ("123456789012345678901", "123456789012345678902", False),
        ("100000000", "100000001.0", False),
        ("YES", "Yes", False),
        ("YES", "YES\nNO", False),
        ("1 2 3", "1 2", False),
        ("1 2 3", "1\n2\n3", False),
        ("1 2", " 1  2", True),
        ("a b", "a  b", False),
        ("Case 1: 0.5", "Case 1: 0.50", True),
        ("  *\n ***", "*\n***", False),
        ("  *\n ***", "  *  \n ***", True),
        ("", "", True),
        ("", "0", False),
        ("0", "", False),
        ("a\n\nb", "a\nb", False),
        ("0.50", ".5", True),
        ("007", "7", False),
        ("101", "0101", False),
    ],
)
def test_printed_output_is_compared_line_by_line(expected: str, given: str, same: bool) -> None:
    assert same_output(expected, given) is same


@pytest.mark.parametrize(
    ("expected", "given", "same"),
    [
        (3, 3, True),
        (3, 3.0, True),
        (3, "3", False),
        (0.3, 0.1 + 0.2, True),
        (2**70, 2**70, True),
        (2**70, 2**70 + 1, False),
        (10**400, 1.5, False),
        ([1, 2], (1, 2), True),
        ([[1, 2], [3]], [(1, 2), [3]], True),
        ([1, 2], [2, 1], False),
        ([1, 2], {1, 2}, False),
        ({"a": 1}, {"a": 1}, True),
        ({"1": [2]}, {1: (2,)}, True),
        ({"a": 1}, [["a", 1]], False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([], {}, False),
        (True, True, True),
        (True, False, False),
        (None, None, True),
        (None, 0, False),
        ([], None, False),
        ("", [], False),
        ("héllo", "héllo", True),
        (float("inf"), float("inf"), True),
        (float("inf"), 10**400, False),
        (0, float("nan"), False),
        (3, 3.0000000000000004, True),
        (2_000_000, 2_000_001.0, False),
        (10**18 - 1, 1e18, False),
        (1_000_000_007.0, 1_000_000_006, False),
    ],
)
def test_a_returned_value_is_compared_as_python_would(
    expected: Any, given: Any, same: bool
) -> None:
    assert same_value(expected, decode(_encode(given))) is same


@pytest.mark.parametrize("forged", [["int", 5], ["list"], ["what", 1], {"a": 1}, ["int", "x"]])
def test_a_forged_result_is_refused(forged: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        decode(forged)
