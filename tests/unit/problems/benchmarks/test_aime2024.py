def test_answers_are_numbers_without_leading_zeros(rows, read):
    problems, _ = read("aime2024", rows("aime2024"))
    assert [(p["id"], p["answer"]) for p in problems] == [
        ("aime2024/900", "1"), ("aime2024/901", "16")
    ]  # fmt: skip
