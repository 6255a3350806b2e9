from datetime import UTC, datetime

import pytest

from z1.errors import InputError
from z1_pipelines.cron import next_time, parse_cron, say_next

NOON = datetime(2026, 11, 21, 12, 0, 0, 500, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("expression", "when"),
    [
        ("0 3 * * 1", "2026-11-23 03:00:00"),
        ("0 3 * * mon-FRI", "2026-11-23 03:00:00"),
        ("15 30 3 * * ?", "2026-11-22 03:30:15"),
        ("0 12 * * *", "2026-11-22 12:00:00"),
        ("1 12 * * *", "2026-11-21 12:01:00"),
        ("* * * * * *", "2026-11-21 12:00:01"),
        ("*/20 * * * *", "2026-11-21 12:20:00"),
        ("50/5 * * * *", "2026-11-21 12:50:00"),
        ("0 6-18/4 * * *", "2026-11-21 14:00:00"),
        ("0 0 1,15 * *", "2026-12-01 00:00:00"),
        ("0 0 1 jan *", "2027-01-01 00:00:00"),
        ("0 0 29 2 *", "2028-02-29 00:00:00"),
        ("0 0 31 * *", "2026-12-31 00:00:00"),
        ("0 0 13 * 5", "2026-11-27 00:00:00"),  # the 13th or a Friday
        ("0 0 1-7 * */7", "2026-12-06 00:00:00"),  # a star: a Sunday among the first seven days
    ],
)
def test_next_time_is_the_first_that_fits(expression, when):
    time = next_time(parse_cron(expression), NOON)
    assert time.replace(tzinfo=None).isoformat(" ") == when


def test_five_fields_get_the_second_0():
    assert parse_cron(" 0 3  * * 1 ").text == "0 0 3 * * 1"
    assert parse_cron("5 0 3 * * 1").text == "5 0 3 * * 1"


def test_next_time_is_said_in_words():
    assert say_next(parse_cron("0 3 * * 1"), NOON) == "Monday 23 November 2026 at 03:00 UTC"
    assert say_next(parse_cron("9 0 3 * * 1"), NOON) == "Monday 23 November 2026 at 03:00:09 UTC"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "has 0 fields"),
        ("@weekly", "has 1 fields"),
        ("0 3 * *", "has 4 fields"),
        ("0 0 3 * * 1 2026", "has 7 fields"),
        ("60 3 * * 1", "'60' is no minute; it takes 0 to 59"),
        ("0 24 * * 1", "'24' is no hour"),
        ("0 3 0 * *", "'0' is no day of the month"),
        ("0 3 * 13 *", "'13' is no month; it takes 1 to 12 or jan and so on"),
        ("0 3 * * 7", "'7' is no day of the week"),
        ("0 3 * * monday", "'monday' is no day of the week"),
        ("0 5-3 * * *", "'5-3' is no hour"),
        ("*/0 3 * * *", "'*/0' is no minute"),
        ("*/ 3 * * *", "'*/' is no minute"),
        ("1,,2 3 * * *", "'' is no minute"),
        ("-1 3 * * *", "'-1' is no minute"),
        ("0 3 L * *", "'L' is no day of the month"),
        ("0 3 31 2 *", "names a day that never comes"),
    ],
)
def test_what_the_server_would_not_take_is_refused_by_field(expression, words):
    with pytest.raises(InputError) as caught:
        parse_cron(expression)
    assert words in str(caught.value)
