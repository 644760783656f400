{{/* Flags of headroom-scheduler. It waits for every API that its version knows, so on an older cluster it has to be told. */}}
{{- define "headroom.schedulerArgs" -}}
{{- $args := list "--config=/etc/headroom/scheduler-config.yaml" -}}
{{- $version := .Values.scheduler.emulatedVersion -}}
{{- if not (or $version (contains "--emulated-version" (join " " .Values.scheduler.extraArgs))) -}}
{{- $cluster := .Capabilities.KubeVersion -}}
{{- if semverCompare "<1.37.0-0" $cluster.Version -}}
{{- $version = printf "%s.%s" $cluster.Major (regexFind "^[0-9]+" $cluster.Minor) -}}
{{- end -}}
{{- end -}}
{{- with $version -}}
{{- $args = append $args (printf "--emulated-version=%s" .) -}}
{{- end -}}
{{- concat $args .Values.scheduler.extraArgs | toYaml -}}
{{- end -}}

{{/* Configuration of headroom-scheduler. */}}
{{- define "headroom.schedulerConfig" -}}
{{- $v := .Values.scheduler -}}
{{- $pluginConfig := $v.pluginConfig -}}
{{- with $v.args -}}
{{- $pluginConfig = append $pluginConfig (dict "name" "Headroom" "args" .) -}}
{{- end -}}
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection:
  qps: {{ int $v.clientConnection.qps }}
  burst: {{ int $v.clientConnection.burst }}
leaderElection:
  leaderElect: {{ $v.leaderElection }}
  resourceNamespace: {{ .Release.Namespace }}
  resourceName: {{ include "headroom.fullname" . }}-scheduler
profiles:
  - schedulerName: {{ $v.name }}
    plugins:
      # Placeholders come last in the queue. All profiles of a scheduler must sort it alike.
      queueSort:
        enabled:
          - name: HeadroomQueueSort
        disabled:
          - name: PrioritySort
      # Headroom comes before DefaultPreemption, also for groups of pods (PodGroupPostFilter, where the feature gate GenericWorkload is on).
      multiPoint:
        enabled:
          - name: Headroom
          - name: DefaultPreemption
        disabled:
          - name: DefaultPreemption
      # Headroom's Filter asks a NodeResourcesFit of its own, with and without the placeholders. Only the Filter is replaced.
      filter:
        disabled:
          - name: NodeResourcesFit
      # A consumer that gets devices of placeholders needs these gone before DynamicResources writes its claim, and after its volumes are bound.
      preBind:
        enabled:
          - name: VolumeBinding
          - name: Headroom
      # Named here to go first: it evicts, and binds the pods that it evicted for; DefaultBinder binds all others, ...
      bind:
        enabled:
          - name: Headroom
      # ... and takes placeholders before DefaultPreemption looks at other pods.
      postFilter:
        enabled:
          - name: Headroom
    {{- with $pluginConfig }}
    pluginConfig: {{- toYaml . | nindent 6 }}
    {{- end }}
{{- end -}}
