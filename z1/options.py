"""Kinds of values that options of commands take."""

from typing import Any

import click


class Pair(click.ParamType[tuple[str, str]]):
    """``NAME=VALUE``."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        name, sign, content = str(value).partition("=")
        if not (name and sign and content):
            self.fail(f"{value!r} is not NAME=VALUE", param, ctx)
        return name, content


class Numbers(click.ParamType[list[int]]):
    """Whole numbers with commas between them."""

    name = "N,N,..."

    def convert(self, value: Any, param: Any, ctx: Any) -> list[int]:
        pieces = str(value).split(",")
        if not all(piece.strip().isdecimal() for piece in pieces):
            self.fail(f"{value!r} is not a list of whole numbers such as 256,512", param, ctx)
        return [int(piece) for piece in pieces]
