"""Which test proves a field: the contract's third column.

For each type the tests, as FILE::NAME below tests/machine, and the fields whose work would be missed by them.
A test of the tests reads this, and fails for a field without one.
"""

from __future__ import annotations

_RICH = "test_machine_running.py::"
_LIFE = "test_machine_life.py::"
_RIGHTS = "test_machine_security.py::"
_VOLUMES = "test_machine_volumes.py::"
_DIAL = "../unit/agent/test_agent_dial.py::"
_PROBES = "../unit/agent/test_agent_life.py::"
_OPTIONAL = "../unit/spec/test_spec_environment.py::test_optional_references_to_nothing_define_nothing"
_FOREGROUND = "test_machine_foreground.py::"
_WORK = "test_machine_containers.py::test_a_directory_to_work_in_is_made_and_little_memory_is_enough"
_APPLY = "test_machine_apply.py::"
_MAKES = "../unit/spec/test_spec_workloads.py::"
_CLAIMS = "test_machine_claims.py::"
_PERSISTENT = "../unit/spec/test_spec_persistent.py::"
_JOBS = "test_machine_jobs.py::"
_DECIDES = "../unit/plan/test_plan_jobs.py::"
_LOADS = "../unit/spec/test_spec_load.py::"

PROOFS: dict[str, dict[str, str]] = {
    "Pod": {_RICH + "test_detached_run_returns_when_ready": "apiVersion kind metadata spec"},
    "metadata": {
        _VOLUMES + "test_files_tell_a_pod_about_itself": "name labels",
        _FOREGROUND + "test_two_pods_of_one_manifest": "namespace",
        _FOREGROUND + "test_names_that_are_made_up": "generateName",
        _APPLY + "test_apply": "annotations",
    },
    "PodSpec": {
        _RICH + "test_detached_run_returns_when_ready": "containers",
        _FOREGROUND + "test_init_steps_outputs_and_the_first_failure": "initContainers",
        _RICH + "test_config_and_secret_volumes": "volumes",
        _LIFE + "test_containers_that_are_not_well_are_started_again": "restartPolicy",
        _RICH + "test_names_and_resolver": "hostname",
        "test_machine_lifecycle.py::test_stop_waits_for_the_containers_and_replace_starts_anew": (
            "terminationGracePeriodSeconds"
        ),
        _RIGHTS + "test_users_and_groups": "securityContext",
        _RIGHTS + "test_what_a_pod_is_limited_to": "resources",
        _RIGHTS + "test_names": "dnsPolicy dnsConfig hostAliases subdomain setHostnameAsFQDN",
        "../unit/spec/test_spec_naming.py::test_names_of_a_machine": "hostnameOverride",
        _RIGHTS + "test_processes_that_are_shared": "shareProcessNamespace",
        _RIGHTS + "test_the_machines_own_processes": "hostPID hostIPC hostNetwork",
        _LIFE + "test_rules_deadlines_and_last_words": "activeDeadlineSeconds",
        "../unit/spec/test_spec_faults_pod.py::test_spec": "os",
    },
    "resources of a pod": {
        _RIGHTS + "test_what_a_pod_is_limited_to": "limits",
        "../unit/plan/test_plan_size.py::test_what_the_pod_is_limited_to_goes_before_the_sum": "requests",
    },
    "requests, limits of a pod": {
        _RIGHTS + "test_what_a_pod_is_limited_to": "cpu memory",
        _RIGHTS + "test_how_many_processes_a_pod_may_have": "pids",
        "../unit/plan/test_plan_make.py::test_huge_pages_of_the_pod_as_a_whole": "hugepages-2Mi",
    },
    "os": {"../unit/spec/test_spec_faults_pod.py::test_spec": "name"},
    "hostAliases": {_RIGHTS + "test_names": "ip hostnames"},
    "dnsConfig": {_RIGHTS + "test_names": "nameservers searches options"},
    "options of dnsConfig": {_RIGHTS + "test_names": "name value"},
    "securityContext of a pod": {
        _LOADS + "test_pod_fields": "runAsUser runAsGroup runAsNonRoot",
        _RIGHTS + "test_users_and_groups": "supplementalGroups",
        _RIGHTS + "test_the_machines_own_processes": "supplementalGroupsPolicy",
        _RIGHTS + "test_volumes_belong_to_the_file_systems_group": "fsGroup",
        _CLAIMS + "test_the_file_systems_group": "fsGroupChangePolicy",
        _RIGHTS + "test_settings_of_the_kernel": "sysctls",
        "../unit/spec/test_spec_naming.py::test_what_containers_have_of_their_pod": "seccompProfile",
    },
    "sysctls": {_RIGHTS + "test_settings_of_the_kernel": "name value"},
    "Container (also in initContainers)": {
        _CLAIMS + "test_a_claim_as_a_device": "volumeDevices",
        _FOREGROUND + "test_init_steps_outputs_and_the_first_failure": "name image command",
        _APPLY + "test_apply": "args",
        _RICH + "test_published_ports": "ports",
        _RICH + "test_environment": "env envFrom",
        _RICH + "test_limits_are_in_the_cgroup": "resources",
        _RICH + "test_config_and_secret_volumes": "volumeMounts",
        _WORK: "workingDir",
        "test_machine_registry.py::test_pull_policies": "imagePullPolicy",
        _RIGHTS + "test_capabilities": "securityContext",
        _LIFE + "test_everything_starts_in_order": "restartPolicy lifecycle startupProbe",
        _LIFE + "test_rules_deadlines_and_last_words": (
            "restartPolicyRules terminationMessagePath terminationMessagePolicy"
        ),
        _LIFE + "test_containers_that_are_not_well_are_started_again": "livenessProbe",
        _LIFE + "test_readiness_follows_what_the_server_says": "readinessProbe",
        "test_machine_attach.py::test_attach": "stdin stdinOnce",
        "test_machine_resize.py::test_limits_of_a_container_that_runs": "resizePolicy",
        "test_machine_attach.py::test_a_terminal": "tty",
    },
    "securityContext of a container": {
        _RIGHTS + "test_users_and_groups": "runAsUser runAsGroup",
        _RIGHTS + "test_nobody_starts_as_root_by_mistake": "runAsNonRoot",
        _RIGHTS + "test_a_privileged_container_has_all_of_the_machine": "privileged",
        _RIGHTS + "test_a_root_file_system_that_is_read_only": "readOnlyRootFilesystem",
        _RIGHTS + "test_capabilities": "allowPrivilegeEscalation capabilities",
        _RIGHTS + "test_proc_without_masks": "procMount",
        _RIGHTS + "test_filters_of_system_calls": "seccompProfile",
    },
    "resizePolicy": {
        "test_machine_resize.py::test_limits_of_a_container_that_runs": "resourceName restartPolicy"
    },
    "capabilities": {_RIGHTS + "test_capabilities": "add drop"},
    "seccompProfile": {_RIGHTS + "test_filters_of_system_calls": "type localhostProfile"},
    "ports": {
        _RICH + "test_published_ports": "containerPort protocol hostPort hostIP",
        _LIFE + "test_readiness_follows_what_the_server_says": "name",
    },
    "env": {_RICH + "test_environment": "name value valueFrom"},
    "valueFrom of env": {
        _RICH + "test_environment": "configMapKeyRef secretKeyRef",
        _VOLUMES + "test_variables_tell_a_pod_about_itself": "fieldRef resourceFieldRef fileKeyRef",
    },
    "configMapKeyRef, secretKeyRef": {
        _RICH + "test_environment": "name key",
        _OPTIONAL: "optional",
    },
    "fieldRef": {_VOLUMES + "test_variables_tell_a_pod_about_itself": "apiVersion fieldPath"},
    "resourceFieldRef": {_VOLUMES + "test_files_tell_a_pod_about_itself": "containerName resource divisor"},
    "fileKeyRef": {_VOLUMES + "test_variables_tell_a_pod_about_itself": "volumeName path key optional"},
    "envFrom": {_RICH + "test_environment": "prefix configMapRef secretRef"},
    "configMapRef, secretRef": {
        _RICH + "test_environment": "name",
        _OPTIONAL: "optional",
    },
    "resources": {_RICH + "test_limits_are_in_the_cgroup": "requests limits"},
    "requests, limits": {
        _RICH + "test_limits_are_in_the_cgroup": "cpu memory",
        _VOLUMES + "test_who_writes_too_much_is_evicted": "ephemeral-storage",
        "test_machine_hugepages.py::test_huge_pages_of_a_pod": "hugepages-2Mi",
    },
    "volumeDevices": {_CLAIMS + "test_a_claim_as_a_device": "name devicePath"},
    "volumeMounts": {
        _RICH + "test_config_and_secret_volumes": "name mountPath",
        _RICH + "test_empty_directories": "readOnly subPath",
        _VOLUMES + "test_a_sub_path_made_of_variables": "subPathExpr recursiveReadOnly",
        _VOLUMES + "test_mounts_can_be_closed": "bindMountOptions",
        "../unit/spec/test_spec_facts.py::test_mounts_that_make_no_sense": "mountPropagation",
    },
    "livenessProbe, readinessProbe, startupProbe": {
        _LIFE + "test_everything_starts_in_order": "exec",
        _LIFE + "test_readiness_follows_what_the_server_says": "httpGet periodSeconds failureThreshold",
        _LIFE + "test_containers_that_are_not_well_are_started_again": "tcpSocket grpc timeoutSeconds",
        _PROBES + "test_successes_in_a_row_are_counted": "successThreshold",
        _PROBES + "test_a_liveness_probe_that_fails_starts_the_container_again": (
            "initialDelaySeconds terminationGracePeriodSeconds"
        ),
    },
    "lifecycle": {
        _LIFE + "test_everything_starts_in_order": "postStart",
        _LIFE + "test_at_the_end_the_hook_comes_first_and_the_sidecar_last": "preStop stopSignal",
    },
    "postStart, preStop": {
        _LIFE + "test_everything_starts_in_order": "exec",
        _LIFE + "test_at_the_end_the_hook_comes_first_and_the_sidecar_last": "httpGet sleep",
    },
    "exec": {_LIFE + "test_everything_starts_in_order": "command"},
    "httpGet": {
        _LIFE + "test_readiness_follows_what_the_server_says": "path port",
        _LIFE + "test_containers_that_are_not_well_are_started_again": "scheme",
        _DIAL + "test_headers": "httpHeaders",
        _LIFE + "test_at_the_end_the_hook_comes_first_and_the_sidecar_last": "host",
    },
    "httpHeaders": {_DIAL + "test_headers": "name value"},
    "tcpSocket": {
        _LIFE + "test_containers_that_are_not_well_are_started_again": "port",
        _DIAL + "test_tcp": "host",
    },
    "grpc": {_DIAL + "test_grpc_that_serves": "port service", _DIAL + "test_grpc_over_tls": "mode"},
    "sleep": {_LIFE + "test_at_the_end_the_hook_comes_first_and_the_sidecar_last": "seconds"},
    "restartPolicyRules": {_LIFE + "test_all_containers_may_be_started_again": "action exitCodes"},
    "exitCodes": {_PROBES + "test_restart_rules_go_before_the_policy": "operator values"},
    "volumes": {
        _RICH + "test_config_and_secret_volumes": "name configMap secret",
        _RICH + "test_empty_directories": "emptyDir",
        _RICH + "test_host_path_keeps_owners": "hostPath",
        _VOLUMES + "test_files_tell_a_pod_about_itself": "downwardAPI",
        _VOLUMES + "test_several_sources_in_one_directory": "projected",
        _VOLUMES + "test_an_image_as_a_volume": "image",
        _VOLUMES + "test_a_volume_of_the_pod_alone": "ephemeral",
        _CLAIMS + "test_data_outlives_pods_and_their_machines": "persistentVolumeClaim",
    },
    "emptyDir": {
        _RICH + "test_empty_directories": "medium",
        _VOLUMES + "test_owners_and_modes": "mode",
        _VOLUMES + "test_who_writes_too_much_is_evicted": "sizeLimit",
    },
    "hostPath": {
        _RICH + "test_host_path_keeps_owners": "path",
        "test_machine_hostfiles.py::test_a_file_of_the_host": "type",
    },
    "configMap": {
        _RICH + "test_config_and_secret_volumes": "name items",
        _LOADS + "test_volume": "defaultMode optional",
        _VOLUMES + "test_owners_and_modes": "defaultUser",
    },
    "secret": {
        _RICH + "test_config_and_secret_volumes": "secretName items defaultMode",
        _LOADS + "test_volume": "optional",
        _VOLUMES + "test_owners_and_modes": "defaultUser",
    },
    "items of configMap, secret": {
        _RICH + "test_config_and_secret_volumes": "key path mode",
        _VOLUMES + "test_owners_and_modes": "user",
    },
    "downwardAPI": {
        _VOLUMES + "test_files_tell_a_pod_about_itself": "items defaultMode",
        _VOLUMES + "test_owners_and_modes": "defaultUser",
    },
    "downwardAPI of projected": {_VOLUMES + "test_several_sources_in_one_directory": "items"},
    "items of downwardAPI": {
        _VOLUMES + "test_files_tell_a_pod_about_itself": "path fieldRef resourceFieldRef mode",
        _VOLUMES + "test_owners_and_modes": "user",
    },
    "projected": {
        _VOLUMES + "test_several_sources_in_one_directory": "sources defaultMode",
        _VOLUMES + "test_owners_and_modes": "defaultUser",
    },
    "sources of projected": {
        _VOLUMES + "test_several_sources_in_one_directory": "configMap secret downwardAPI"
    },
    "configMap, secret of projected": {
        _VOLUMES + "test_several_sources_in_one_directory": "name items",
        "../unit/spec/test_spec_naming.py::test_an_optional_source_may_be_missing": "optional",
    },
    "image": {
        _VOLUMES + "test_an_image_as_a_volume": "reference",
        "../unit/spec/test_spec_facts.py::test_volumes_that_make_no_sense": "pullPolicy",
    },
    "ephemeral": {_VOLUMES + "test_a_volume_of_the_pod_alone": "volumeClaimTemplate"},
    "volumeClaimTemplate": {_VOLUMES + "test_a_volume_of_the_pod_alone": "metadata spec"},
    "spec of volumeClaimTemplate": {_VOLUMES + "test_a_volume_of_the_pod_alone": "resources volumeMode"},
    "PersistentVolumeClaim": {
        _CLAIMS + "test_data_outlives_pods_and_their_machines": "apiVersion kind metadata spec"
    },
    "persistentVolumeClaim": {
        _CLAIMS + "test_data_outlives_pods_and_their_machines": "claimName",
        _CLAIMS + "test_several_pods_read": "readOnly",
    },
    "volumeClaimTemplates": {_CLAIMS + "test_a_stateful_set_claims_for_each_pod": "metadata spec"},
    "spec of a claim": {
        _CLAIMS + "test_several_pods_read": "accessModes",
        _CLAIMS + "test_a_claim_is_as_large_as_it_says_and_can_grow": "resources",
        "../unit/spec/test_spec_claims.py::test_claims_that_make_no_sense": "volumeMode",
        _PERSISTENT + "test_which_claim_gets_which_volume": "storageClassName volumeName",
    },
    "PersistentVolume": {_CLAIMS + "test_a_directory_of_the_host": "apiVersion kind metadata spec"},
    "spec of PersistentVolume": {
        _CLAIMS + "test_a_directory_of_the_host": "hostPath capacity accessModes",
        _PERSISTENT + "test_pods_get_the_directory": "local",
        _PERSISTENT + "test_which_claim_gets_which_volume": "storageClassName claimRef",
        _PERSISTENT + "test_volumes_that_make_no_sense": "volumeMode",
    },
    "capacity": {_PERSISTENT + "test_which_claim_gets_which_volume": "storage"},
    "local": {_PERSISTENT + "test_pods_get_the_directory": "path"},
    "claimRef": {_PERSISTENT + "test_which_claim_gets_which_volume": "name namespace"},
    "resources of a claim": {
        _CLAIMS + "test_a_claim_is_as_large_as_it_says_and_can_grow": "requests",
        "../unit/spec/test_spec_claims.py::test_claims_that_make_no_sense": "limits",
    },
    "requests, limits of a claim": {_CLAIMS + "test_a_claim_is_as_large_as_it_says_and_can_grow": "storage"},
    "Deployment, ReplicaSet": {_APPLY + "test_replicas_are_machines": "apiVersion kind metadata spec"},
    "StatefulSet": {_MAKES + "test_a_stateful_set": "apiVersion kind metadata spec"},
    "DaemonSet": {_MAKES + "test_a_daemon_set_is_one_pod": "apiVersion kind metadata spec"},
    "spec of Deployment, ReplicaSet": {_APPLY + "test_replicas_are_machines": "template replicas selector"},
    "spec of StatefulSet": {
        _MAKES + "test_a_stateful_set": "template serviceName replicas selector ordinals podManagementPolicy",
        _CLAIMS + "test_a_stateful_set_claims_for_each_pod": (
            "volumeClaimTemplates persistentVolumeClaimRetentionPolicy"
        ),
    },
    "spec of DaemonSet": {_MAKES + "test_a_daemon_set_is_one_pod": "template selector"},
    "ReplicationController": {_MAKES + "test_a_replication_controller": "apiVersion kind metadata spec"},
    "spec of ReplicationController": {_MAKES + "test_a_replication_controller": "template replicas selector"},
    "selector": {
        _MAKES + "test_what_makes_no_pods": "matchLabels",
        _MAKES + "test_selectors_with_expressions": "matchExpressions",
    },
    "matchExpressions": {_MAKES + "test_expressions_that_do_not_fit": "key operator values"},
    "Job": {_JOBS + "test_in_the_foreground": "apiVersion kind metadata spec"},
    "spec of Job": {
        _JOBS + "test_in_the_foreground": "template completions parallelism",
        _JOBS + "test_in_the_background": "completionMode",
        _JOBS + "test_failures_up_to_the_limit": "backoffLimit",
        _JOBS + "test_an_index_that_fails_for_itself": "backoffLimitPerIndex",
        _DECIDES + "test_too_many_failed_indexes": "maxFailedIndexes",
        _JOBS + "test_a_failure_that_ends_all": "podFailurePolicy",
        _JOBS + "test_enough_is_enough": "successPolicy",
        _JOBS + "test_a_deadline": "activeDeadlineSeconds",
        _JOBS + "test_removed_when_its_time_is_over": "ttlSecondsAfterFinished",
        _JOBS + "test_interrupted_suspended_and_resumed": "suspend",
        _DECIDES + "test_a_pod_that_stops_keeps_its_place": "podReplacementPolicy",
    },
    "podFailurePolicy": {_JOBS + "test_a_failure_that_ends_all": "rules"},
    "rules of podFailurePolicy": {
        _JOBS + "test_a_failure_that_ends_all": "action onExitCodes",
        _JOBS + "test_a_machine_that_dies_can_be_told_from_a_failure": "onPodConditions",
    },
    "onExitCodes of podFailurePolicy": {
        _DECIDES + "test_a_failure_that_fails_the_job": "containerName operator values"
    },
    "onPodConditions of podFailurePolicy": {
        _DECIDES + "test_a_failure_that_does_not_count": "type status",
    },
    "successPolicy": {_JOBS + "test_enough_is_enough": "rules"},
    "rules of successPolicy": {_DECIDES + "test_an_early_success": "succeededIndexes succeededCount"},
    "template": {_APPLY + "test_replicas_are_machines": "metadata spec"},
    "persistentVolumeClaimRetentionPolicy": {
        _CLAIMS + "test_a_stateful_set_claims_for_each_pod": "whenDeleted whenScaled"
    },
    "ordinals": {_MAKES + "test_a_stateful_set": "start"},
    "ConfigMap": {
        _RICH + "test_environment": "apiVersion kind metadata data",
        _LOADS + "test_config_map_and_secret": "binaryData",
        _APPLY + "test_what_configmaps_and_secrets_say_reaches_a_pod_that_runs": "immutable",
    },
    "Secret": {
        _RICH + "test_secrets_are_nowhere_on_the_host": "apiVersion kind metadata stringData",
        _LOADS + "test_config_map_and_secret": "data type",
        "../unit/runtime/test_runtime_changes.py"
        "::test_what_is_immutable_does_not_change_for_a_pod_that_has_it": "immutable",
    },
    "Other kinds": {_APPLY + "test_a_service_is_a_name": "Service"},
    "List": {_LOADS + "test_what_a_cluster_shows_can_be_run": "apiVersion kind metadata items"},
}
