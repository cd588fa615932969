"""A scale set as a cluster has it."""

from __future__ import annotations

from dataclasses import dataclass

from builder_contracts.errors import InputError
from builder_contracts.runner.kubernetes import pod_template
from builder_contracts.runner.kubernetes.kubectl import Kubectl, NoAnswer
from builder_contracts.runner.kubernetes.pod_template import PodTemplate


@dataclass(frozen=True)
class ScaleSetName:
    """A scale set in the cluster, whose template is read when a pod is made from it."""

    namespace: str
    name: str
    options: tuple[str, ...]

    def read(self, kubectl: Kubectl) -> PodTemplate:
        """Its pod template. Raises NoAnswer."""
        data = kubectl.json(["get", "autoscalingrunnersets.actions.github.com", self.name])
        try:
            return pod_template.scale_set(data, self.options)
        except InputError as error:
            raise NoAnswer(error.sentence) from None
