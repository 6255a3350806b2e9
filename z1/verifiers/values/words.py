"""What the words and letters in an answer are: names, whole sets, or plain words."""

import re

from z1.verifiers.values.numbers import FUNCTIONS

_SHORT_WORDS = {
    "no",
    "is",
    "it",
    "in",
    "on",
    "or",
    "of",
    "to",
    "so",
    "we",
    "my",
    "at",
    "be",
    "by",
    "up",
}
_COMMON_WORDS = {"get", "got", "has", "had", "the", "and", "not", "for", "are", "was", "but", "you"}
NAME = re.compile(
    r"(?:\\(?:deg|det|dim)\s*)?(?:[a-zA-Z]|\\(?:alpha|beta|gamma|theta|lambda|mu|phi|omega|sigma|Delta|angle\s+[A-Z]{1,3}))"
    r"'?(?:_\{?\w+\}?)?(?:\s*\(\s*[\w ,+\-|]+\s*\))?|[A-Z]{2,3}|[A-Za-z][a-z]+(?: [a-z]+){0,4}"
)


def is_empty_set(text: str) -> bool:
    return bool(
        re.fullmatch(
            r"\\emptyset|⦃\s*⦄|(?:the )?empty set|(?:there (?:is|are) )?no (?:real )?solutions?"
            r"(?: exists?)?",
            text.strip(),
            re.IGNORECASE,
        )
    )


def is_everything(text: str) -> bool:
    return bool(
        re.fullmatch(
            r"\\mathbb\{R\}|(?:the set of )?(?:all )?(?:the )?real numbers?(?: [a-z])?|"
            r"all (?:reals|real (?:values|[a-z])(?: of [a-z])?|values of [a-z]|[a-z])",
            text,
            re.IGNORECASE,
        )
    )


def is_constant(text: str) -> bool:
    return not re.search(r"(?<![\\a-zA-Z])[a-zA-Z](?![a-zA-Z])", text)


def has_words(text: str) -> bool:
    bare = re.sub(r"\\[a-zA-Z]+", " ", text)
    words = [word for word in re.findall(r"[A-Za-z]{2,}", bare) if word.lower() not in FUNCTIONS]
    if not words:
        return False
    if re.fullmatch(r"\d{1,2}:\d{2}\s*[aApP]\.?[mM]\.?", text):
        return True
    if any(word.lower() in _COMMON_WORDS for word in words):
        return True
    if all(len(word) == 2 and word.islower() for word in words):
        return any(word in _SHORT_WORDS for word in words)
    if any(re.fullmatch(r"[A-Z][a-z]+", word) for word in words) or len(words) > 2:
        return True
    symbolic = re.search(r"[\d=+*/^\\|]|(?<=\w)\s-\s|^-", text)
    return not symbolic or any(len(word) > 3 for word in words)
