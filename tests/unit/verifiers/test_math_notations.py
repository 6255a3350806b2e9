"""Answers in the notations of real models: each class of error that was once made is here."""

import re

import pytest

from z1.verifiers import check_all
from z1.verifiers.math import check

NOTATIONS: dict[str, tuple[list[str], list[str]]] = {
    # reference: what equals it, and what looks like it
    r"(-\infty, 2) \cup (3, \infty)": (
        [r"x<2 \lor x>3", r"]-\infty,2[\cup]3,\infty[", r"x \in (-\infty,2)\cup(3,+\infty)"],
        [r"]-\infty,2]\cup[3,\infty[", r"x<2 \land x>3 \lor x=2", r"x\le2\lor x\ge3"],
    ),
    "[2,5)": (
        ["[2,5[", r"\lbrack 2,5)", r"x\ge2\text{ and }x<5", r"x \ge 2, x < 5", r"5>x\ge2"],
        ["]2,5]", r"x\ge2\text{ or }x<5", r"x>2\text{ and }x<5", "[2,5]", r"\{2,5\}"],
    ),
    r"[-\frac12,\frac12]": ([r"|x|\le\frac12"], [r"|x|<\frac12", r"|x|\ge\frac12"]),
    r"\mathbb{R}": (
        [r"(-\infty,\infty)", r"\mathbb R", r"\text{all real numbers}", r"x\in\mathbb{R}"],
        [r"(0,\infty)", r"\mathbb{Z}", r"\text{all integers}"],
    ),
    r"x\ne-1": (
        [r"\text{all real numbers except }-1", r"\mathbb{R}\setminus\{-1\}"],
        [r"x\ne1", r"\mathbb{R}", r"\text{all real numbers except }1"],
    ),
    "(1,2)": (
        ["(x,y)=(1,2)", "y=2, x=1", "P(1,2)", r"\begin{cases}x=1\\y=2\end{cases}"],
        ["(x,y)=(2,1)", "x=2, y=1", "P(2,1)", r"\begin{cases}x=2\\y=1\end{cases}"],
    ),
    "(1,2),(3,4)": (
        [r"(x,y)=(1,2)\text{ or }(3,4)", r"(x,y)\in\{(3,4),(1,2)\}"],
        ["(x,y)=(1,2)", r"(x,y)\in\{(2,1),(3,4)\}"],
    ),
    r"\begin{pmatrix} -2 \\ 1/2 \end{pmatrix}": (
        [
            r"\begin{bmatrix}-2\\[4pt]\frac12\end{bmatrix}",
            r"\left(-2,\frac12\right)",
            r"\langle-2,0.5\rangle",
            r"\mathbf v=\begin{pmatrix}-2\\\tfrac12\end{pmatrix}",
        ],
        [r"\begin{pmatrix}-2&1/2\end{pmatrix}", r"\left(\frac12,-2\right)", r"(-2,\frac12,0)"],
    ),
    r"\begin{cases} x & x>0 \\ -x & x \le 0\end{cases}": (
        [r"\begin{cases} x, & \text{if } x>0 \\ -x, & \text{if } x \le 0\end{cases}"],
        [r"\begin{cases} 2x & x>0 \\ -x & x \le 0\end{cases}", r"-x"],
    ),
    "x^2+y^2=25": (["25=x^2+y^2", "x^2+y^2-25=0"], ["25=x^2-y^2", "x^2+y^2"]),
    "3+4i": (
        ["3 + 4 i", r"3+4\mathrm{i}", r"3+i\cdot4", "(2+i)^2", "x=3+4i"],
        ["3-4i", "4+3i", "(2-i)^2", "5"],
    ),
    r"1 \pm 2i": ([r"x=1+2i\text{ or }x=1-2i"], ["1+2i", r"2\pm i"]),
    "i": ([r"\sqrt{-1}", r"e^{i\pi/2}", "0+i"], ["-i", r"e^{-i\pi/2}"]),
    "1101_2": (
        ["1101_{2}", r"1101_{\text{two}}", "(1101)_2", r"1101\text{ (base 2)}", "1101"],
        ["1011_2", "1101_3", r"1101_{\text{three}}"],
    ),
    "3:2": ([r"3\colon2", r"3\text{ to }2", "3{:}2"], [r"2\text{ to }3", "3:4"]),
    r"6:00 \text{ p.m.}": (
        [r"6\text{:}00\text{ PM}", r"\text{6 p.m.}", r"6\!:\!00\text{ pm}"],
        [r"6:00\text{ a.m.}", r"6:30\text{ p.m.}"],
    ),
    "70000": ([r"70\text{,}000", r"\textdollar 70000", "７００００"], [r"70\text{,}001", "7000"]),
    r"\$0.75": ([r"75\text{ cents}", "75¢", "0.75"], [r"75\text{ dollars}", r"7.5\text{ cents}"]),
    r"10 \text{ m/s}": ([r"10\frac{\text{m}}{\text{s}}"], [r"10\frac{\text{km}}{\text{s}}"]),
    r"60^\circ": ([r"\frac{\pi}{3}", "60", r"\angle A=60°"], [r"\frac{\pi}{6}", r"\frac13"]),
    r"\frac12": (
        [r"\sin 30^\circ", r"\cos(60^\circ)", r"\text{one half}"],
        [r"\sin 30", r"\sin60^\circ", r"\text{one third}"],
    ),
    r"\frac{\pi}{2}": ([r"\frac\pi2", r"{\color{blue}\frac{\pi}{2}}"], [r"\frac2\pi"]),
    r"\frac13": ([r"0.\bar{3}", r"0.\dot3", "0.333..."], ["0.3", r"0.\bar{4}", "0.334..."]),
    r"10\sqrt[3]{4}": ([r"10\cdot\sqrt[3]4", r"10\cdot 2^{2/3}"], [r"10\sqrt4"]),
    r"\sqrt{51}": (["51^{0.5}", r"\sqrt{51}\approx7.14"], ["51^{1.5}"]),
    "x^{3/2}": ([r"x\sqrt x", r"\sqrt{x^3}", "x^{1.5}"], [r"\sqrt x", "x^{2/3}"]),
    "|x|": ([r"\sqrt{x^2}"], ["x", "-x"]),
    r"\{-1,0,1\}": ([r"0,\pm1", r"\{0,\pm1\}"], [r"\pm1", r"1,\pm0"]),
    r"36\pi": ([r"36\pi\text{ cubic inches}"], [r"36\text{ cubic inches}"]),
    r"\ln 2": ([r"\log_e 2"], [r"\log_2 e"]),
    r"\binom{10}{3}": ([r"{10 \choose 3}"], [r"{10 \choose 4}"]),
    r"\frac{x+2}{x-3}": ([r"\frac{x+2}{x-3}, x\neq3"], [r"\frac{x-2}{x-3}, x\neq3"]),
    r"x=2k\pi": ([r"2\pi k, k\in\mathbb{Z}", r"2k\pi\text{ for any integer }k"], [r"\pi k"]),
    r"\text{(C)}": ([r"\text{(C) }12", "C", r"\textbf{(C)}"], [r"\text{(B) }12", "12"]),
    "4": (
        [
            r"\text{The answer is }4",
            r"\text{Answer: }4",
            r"\bf 4",
            r"\color{red}{4}",
            r"4\pmod7",
            r"\left.4\right.",
        ],
        ["4!", r"-\text{four}", r"5\pmod7", r"4\text{ or }5"],
    ),
    r"\frac{2^{100}-1}{3}": (
        ["422550200076076467165567735125"],
        ["422550200076076467165567735126", r"\frac{2^{100}+1}{3}"],
    ),
}

REPLIES: list[tuple[str, list[str], list[str]]] = [
    (
        "12",
        [
            "答案是 12。",
            "答案：12",
            "所以一共有12个苹果。",
            "Ответ: 12",
            "Die Antwort lautet 12.",
            "Respuesta: 12 manzanas",
            "정답은 12입니다.",
            "She makes $12 per day (6 eggs at $2 each).",
            "The answer is 12. If he had not eaten any, the answer would be 20.",
            "Answer: 12\n\nNote that 20 would be the answer had he not eaten any.",
            r"\boxed{12}, not \boxed{20}.",
            "12, not 20.",
            "So they need 12 chairs.\n\nDouble-check: 12 + 8 = 20 ✓",
            r"Therefore the number is 12. $\blacksquare$",
            "<b>12</b>",
            "I get 12.",
            "The time is \\(0.2\\) hours, i.e. \\(0.2 \\cdot 60 = 12\\) minutes.",
            "The answer is a dozen, that is 12.",
        ],
        [
            "答案是13。",
            "答案：21",
            "The answer is 20. If he had eaten some, the answer would be 12.",
            "Answer: 20\n\nNote that 12 would be the answer had he eaten some.",
            r"\boxed{20}, not \boxed{12}.",
            "It is not 12.",
            "The answer is not 12 but 20.",
            "The answer is 12 (or perhaps 13).",
            "The answer is 12 or maybe 13.",
            "The answer is half of 12.",
            "3 * 4 = 12. So the total is",
            "3 * 4 = 12. Now let me",
            "Let x = 12 be the first guess. Then",
            "12 boys came. How many",
            "We get 12\n\nThe final answer is: \\boxed{",
            "12? Not sure.",
        ],
    ),
    ("-4", ["The answer is negative four."], ["The answer is four."]),
    ("2.5", ["The answer is two and a half."], ["The answer is two and a third."]),
    (r"\frac16", ["The answer is one-sixth."], ["The answer is one-fifth.", "The answer is six."]),
    ("11:45 AM", ["The train arrives at 11:45 a.m.", "Answer: 11:45 am"], ["Answer: 11:45 PM"]),
    ("Saturday", ["It falls on a Saturday."], ["It falls on a Sunday."]),
]


def _cases(right: bool) -> list[tuple[str, str]]:
    boxed = [
        (reference, f"The answer is $\\boxed{{{value}}}$.")
        for reference, values in NOTATIONS.items()
        for value in values[0 if right else 1]
    ]
    said = [(case[0], reply) for case in REPLIES for reply in case[1 if right else 2]]
    return boxed + said


@pytest.mark.parametrize(("reference", "reply"), _cases(right=True))
def test_another_notation_of_the_answer_is_right(reference: str, reply: str) -> None:
    assert check(reference, reply) is None


@pytest.mark.parametrize(("reference", "reply"), _cases(right=False))
def test_what_only_looks_like_the_answer_is_wrong(reference: str, reply: str) -> None:
    assert check(reference, reply)


NUMERIC = [
    reference
    for reference in NOTATIONS
    if re.search(r"\d", reference) and not re.search(r"\\pm|\\frac\{2|\\text\{|=", reference)
]


@pytest.mark.parametrize("reference", NUMERIC)
def test_a_reference_with_another_digit_is_wrong(reference: str) -> None:
    assert check(reference, f"\\boxed{{{reference}}}") is None
    for digit in re.finditer(r"(?<![\d_])\d", reference):
        other = str(int(digit[0]) % 9 + 1)
        changed = reference[: digit.start()] + other + reference[digit.end() :]
        assert check(reference, f"\\boxed{{{changed}}}"), changed


@pytest.mark.parametrize(
    "answer",
    [
        "9^{9^{9^9}}",
        "10^{999999999}",
        "(10^9)!",
        r"\binom{10^9}{10^8}",
        r"\prod_{k=1}^{10^9} k",
        "(x+1)^{100000}",
        r"\sin(10^{1000000})",
        r"\lfloor 10^{10^8} \rfloor",
        r"\sin\frac{\pi}{0}",
        "{" * 100_000,
        "7" * 1_000_000,
    ],
)
def test_an_answer_that_nobody_can_compute_is_wrong_at_once(answer: str) -> None:
    items = [("math", reference, f"\\boxed{{{answer}}}") for reference in ("5", "x^2+1")]
    assert [verdict.verdict for verdict in check_all(items, limit=5)] == ["wrong", "wrong"]
