def test_problems_have_levels_and_the_datasets_ids(rows, read):
    problems, _ = read("math500", rows("math500"))
    assert [(p["id"], p["difficulty"], p["answer"]) for p in problems] == [
        ("math500/test/prealgebra/9001.json", "Level 1", r"\frac{11}{12}"),
        ("math500/test/algebra/9002.json", "Level 3", "2, 3"),
        ("math500/test/precalculus/9003.json", "Level 5", r"\left( 4, \frac{\pi}{2} \right)"),
    ]
