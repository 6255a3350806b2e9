def test_the_answer_is_the_number_after_the_mark(rows, read):
    problems, dropped = read("gsm8k", rows("gsm8k"))
    assert [(p["id"], p["answer"], p["verifier"]) for p in problems] == [
        ("gsm8k/0", "41", "math"), ("gsm8k/1", "5000", "math"), ("gsm8k/2", "-7", "math")
    ]  # fmt: skip
    assert dropped == {}
