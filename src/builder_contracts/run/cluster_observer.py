"""Observe the pods of several classes, each in the cluster that its template comes from."""

from __future__ import annotations

import threading

from builder_contracts.contract.model import Contract
from builder_contracts.facts.model import Facts
from builder_contracts.observe.observation import gather
from builder_contracts.run.observer import ObserverOptions
from builder_contracts.runner.docker.cleanup import RunLabels
from builder_contracts.runner.kubernetes import runner as kubernetes
from builder_contracts.runner.kubernetes.kubectl import Kubectl, NoAnswer
from builder_contracts.runner.kubernetes.runner import KubernetesRunner
from builder_contracts.runner.kubernetes.scale_set import ScaleSetName
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.runner.protocol import UnavailableRunner


class ClusterObserver:
    """The pods of one run, and the clusters that they are in."""

    def __init__(self, options: ObserverOptions) -> None:
        self._options = options
        self._run = RunLabels()
        self._lock = threading.Lock()
        self._used: dict[Kubectl, None] = {}

    def gather(self, contract: Contract) -> Facts:
        source, cluster = self._options.pods[contract.name], self._options.cluster
        if isinstance(source, ScaleSetName):
            kubectl = Kubectl(cluster.context, source.namespace)
            try:
                template = source.read(kubectl)
            except NoAnswer as error:
                reason = f"cannot read the scale set {source.namespace}/{source.name}: {error}"
                return gather(contract, UnavailableRunner(reason), forbidden={})
        else:
            template, kubectl = source, Kubectl(cluster.context, cluster.namespace or source.namespace)
        with self._lock:
            first = kubectl not in self._used
            self._used[kubectl] = None
        if first:
            kubernetes.sweep(kubectl)
        image = self._options.images.get(contract.name, "")
        witness = self._options.witness_image
        with KubernetesRunner(
            kubectl, self._run, contract, template, image=image, witness_image=witness
        ) as runner:
            return gather(contract, runner, forbidden={}, deadline=self._options.deadline)

    def close(self) -> Leftovers:
        with self._lock:
            used = list(self._used)
        left = Leftovers()
        for kubectl in used:
            left += kubernetes.close(kubectl, self._run)
        return left
