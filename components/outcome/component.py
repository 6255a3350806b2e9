"""The component that tells how a run ended."""

from kfp import dsl
from kfp.dsl import PipelineTaskFinalStatus

from z1_components.pools import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def outcome(recipe: str, status: PipelineTaskFinalStatus) -> None:
    """Say in the log, and to the address that the recipe names, how a run ended.

    Args:
        recipe: The recipe's text.
        status: The state of the run's steps, filled in by Kubeflow Pipelines.
    """
    from z1.outcome import tell

    tell(recipe, status.pipeline_job_resource_name, status.state, status.error_message or "")
