"""stub until the branch platform is merged"""

from typing import Any

from kfp import dsl

_REPEATABLE = {"generate", "verify", "filter", "select", "sft", "dpo", "evaluate"}


class Steps:
    def __init__(self, recipe: Any, workspace: Any, pools: Any, shards: Any = None) -> None:
        self.made: dict[str, Any] = {}
        self._run = {"recipe": recipe, "workspace": workspace}

    def do(self, component: Any, step: str, **arguments: Any) -> Any:
        task = component(step=step, **self._run, **arguments).set_display_name(step)
        if component.name not in _REPEATABLE:
            task.set_caching_options(False)
        output = task.outputs["output"]
        self.made[step.replace("-", "_")] = output
        return output

    def sample(self, component: Any, step: str, **arguments: Any) -> Any:
        return self.do(component, step, **arguments)


def on_cluster(name: str, about: str, add: Any) -> Any:
    return here(name, add)


def here(name: str, add: Any) -> Any:
    def pipeline(recipe: str, workspace: str = "") -> None:
        add(Steps(recipe, workspace, {}))

    return dsl.pipeline(name=name)(pipeline)
