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
      multiPoint:
        enabled:
          - name: Headroom
      # Headroom's Filter asks a NodeResourcesFit of its own, with and without the placeholders. Only the Filter is replaced.
      filter:
        disabled:
          - name: NodeResourcesFit
      # Named here to go first: it evicts and leaves the binding to DefaultBinder, ...
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
