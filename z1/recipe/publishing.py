"""The section that says where a run's model is published."""

from typing import Literal

from pydantic import Field, field_validator

from z1.errors import hide_secrets
from z1.recipe.section import Section

PublishedModel = Literal[
    "tag", "random", "tops", "tops-stop", "tops-tags", "iter-sft", "iter-dpo", "z1"
]


class Publish(Section):
    """Where the trained model and all that it was made from get their versions."""

    url_or_folder = ("registry",)

    registry: str | None = Field(None, min_length=1)
    """URL or folder of a Git repository with a DVC remote on S3; nothing is published if absent."""
    model: PublishedModel | None = None
    """Step whose model is published, such as ``iter-dpo``; ``tops`` or ``z1`` if absent, by the
    method."""

    @field_validator("registry")
    @classmethod
    def _keeps_no_secret(cls, registry: str | None) -> str | None:
        if registry and hide_secrets(registry) != registry:
            raise ValueError(
                "holds a user name or password, which would be published with the recipe; leave "
                "them to Git's credential helpers"
            )
        return registry
