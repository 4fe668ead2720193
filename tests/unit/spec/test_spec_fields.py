"""The table is total over the API, and the documentation is made from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.spec.api import definitions, type_of
from vmpod.spec import containerfields, podfields, volumefields
from vmpod.spec.contract import KINDS, Entry, everything, inside
from vmpod.spec.fields import Effect, Table
from vmpod.spec.fieldsdoc import TABLES, markdown, proofs_of
from vmpod.spec.proofs import PROOFS

ROOT = Path(__file__).parents[3]

API: list[tuple[Table, str]] = [
    (
        podfields.POD_SPEC,
        """
        volumes initContainers containers ephemeralContainers restartPolicy
        terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy nodeSelector
        serviceAccountName serviceAccount automountServiceAccountToken nodeName hostNetwork hostPID
        hostIPC shareProcessNamespace securityContext imagePullSecrets hostname subdomain affinity
        schedulerName tolerations hostAliases priorityClassName priority dnsConfig readinessGates
        runtimeClassName enableServiceLinks preemptionPolicy overhead topologySpreadConstraints
        setHostnameAsFQDN os hostUsers schedulingGates resourceClaims resources hostnameOverride
        workloadRef schedulingGroup evictionResponders
        """,
    ),
    (
        containerfields.CONTAINER,
        """
        name image command args workingDir ports envFrom env resources resizePolicy restartPolicy
        restartPolicyRules volumeMounts volumeDevices livenessProbe readinessProbe startupProbe
        lifecycle terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext
        stdin stdinOnce tty
        """,
    ),
    (
        podfields.POD_SECURITY,
        """
        seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot supplementalGroups
        supplementalGroupsPolicy fsGroup sysctls fsGroupChangePolicy seccompProfile appArmorProfile
        seLinuxChangePolicy
        """,
    ),
    (
        containerfields.CONTAINER_SECURITY,
        """
        capabilities privileged seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot
        readOnlyRootFilesystem allowPrivilegeEscalation procMount seccompProfile appArmorProfile
        cgroupOptions
        """,
    ),
    (
        volumefields.VOLUME,
        """
        name emptyDir hostPath configMap secret downwardAPI projected persistentVolumeClaim image
        ephemeral nfs awsElasticBlockStore azureDisk azureFile cephfs cinder csi fc flexVolume
        flocker gcePersistentDisk gitRepo glusterfs iscsi photonPersistentDisk portworxVolume
        quobyte rbd scaleIO storageos vsphereVolume
        """,
    ),
    (volumefields.EMPTY_DIR, "medium sizeLimit mode"),
    (volumefields.HOST_PATH, "path type"),
    (
        containerfields.MOUNT,
        "name mountPath subPath subPathExpr readOnly recursiveReadOnly mountPropagation bindMountOptions",
    ),
    (
        containerfields.PROBE,
        """
        exec httpGet tcpSocket grpc initialDelaySeconds timeoutSeconds periodSeconds
        successThreshold failureThreshold terminationGracePeriodSeconds
        """,
    ),
    (containerfields.LIFECYCLE, "postStart preStop stopSignal"),
    (containerfields.HOOK, "exec httpGet tcpSocket sleep"),
    (containerfields.ENV, "name value valueFrom"),
    (containerfields.ENV_SOURCE, "configMapKeyRef secretKeyRef fieldRef resourceFieldRef fileKeyRef"),
]


@pytest.mark.parametrize(("table", "names"), API, ids=[table.title for table, _ in API])
def test_every_field_of_the_api_is_known(table: Table, names: str) -> None:
    assert sorted(table.names) == sorted(names.split())


# Types of the API by the names of its schemas.
CORE = "io.k8s.api.core.v1."
GONE = {"workloadRef"}
"""Fields of versions before the newest."""
COMING = {"cgroupOptions"}
"""Fields of a version after the newest that has schemas."""


def unknown(kind: str, table: Table, path: str, seen: set[tuple[str, str]]) -> Iterator[str]:
    """Paths of fields that the API has and we do not know, or the other way round."""
    properties = definitions()[kind].get("properties", {})
    for name in sorted(set(properties) ^ set(table.names) - GONE - COMING):
        yield f"{path}.{name}"
    for name in set(properties) & set(table.names):
        inner, of = inside(table, name), type_of(properties[name])
        if inner and of and (of, inner.title) not in seen:
            seen.add((of, inner.title))
            yield from unknown(of, inner, f"{path}.{name}", seen)


@pytest.mark.parametrize("kind", ["Pod", "ConfigMap", "Secret"])
def test_every_field_of_the_newest_api_is_known(kind: str) -> None:
    """At any depth, of everything that is not refused as a whole."""
    assert list(unknown(CORE + kind, KINDS[kind], kind, set())) == []


def test_every_field_of_a_job_is_known() -> None:
    assert list(unknown("io.k8s.api.batch.v1.Job", KINDS["Job"], "Job", set())) == []


@pytest.mark.parametrize("table", TABLES, ids=[table.title for table in TABLES])
def test_tables_are_sound(table: Table) -> None:
    assert len(table.names) == len(table.fields), "a name stands twice"
    for field in table.fields:
        assert field.effect is Effect.WORKS or field.text, f"{field.name} has no reason"


@pytest.mark.parametrize("table", TABLES, ids=[table.title for table in TABLES])
def test_every_field_that_does_something_is_proven(table: Table) -> None:
    """By a test that is there. What a field does not do needs no proof but its refusal."""
    proofs = proofs_of(table.title)
    assert proofs.keys() == {field.name for field in table.fields if field.effect.read}
    assert sorted(proofs) == sorted(" ".join(PROOFS.get(table.title, {}).values()).split()), "proven twice"
    for proof in set(proofs.values()):
        file, _, name = proof.partition("::")
        text = (ROOT / "tests/machine" / file).read_text()
        assert f"\ndef {name}(" in text, proof


def test_the_contract_reaches_every_type() -> None:
    """By `explain`, from the kinds down."""
    reached = {kind.title for kind in KINDS.values()}
    reached |= {each.table.title for kind in KINDS for each in everything(Entry(kind)) if each.table}
    assert reached == {table.title for table in TABLES}


def test_documentation_is_fresh() -> None:
    """Make it anew with `python -m vmpod.spec.fieldsdoc > docs/fields.md`."""
    assert (ROOT / "docs/fields.md").read_text() == markdown()
