{{/* Flags of headroom-controller. */}}
{{- define "headroom.controllerArgs" -}}
{{- $name := printf "%s-controller" (include "headroom.fullname" .) -}}
{{- $args := list -}}
{{- if .Values.controller.leaderElection -}}
{{- $args = append $args "--leader-elect" -}}
{{- if ne $name "headroom-controller" -}}
{{- $args = append $args (printf "--leader-elect-lease-name=%s" $name) -}}
{{- end -}}
{{- else -}}
{{- $args = append $args "--leader-elect=false" -}}
{{- end -}}
{{- with include "headroom.placeholderScheduler" . -}}
{{- $args = append $args (printf "--placeholder-scheduler-name=%s" .) -}}
{{- end -}}
{{- if eq .Values.rbac.scope "Namespaced" -}}
{{- $args = append $args (printf "--namespaces=%s" (join "," .Values.rbac.namespaces)) -}}
{{- end -}}
{{- with .Values.controller.placeholders -}}
{{- $min := int (ternary -10 .minPriority (kindIs "invalid" .minPriority)) -}}
{{- $max := int (ternary -1 .maxPriority (kindIs "invalid" .maxPriority)) -}}
{{- if gt $min $max -}}
{{- fail (printf "controller.placeholders.minPriority (%d) is above controller.placeholders.maxPriority (%d): no placeholder could have a priority between them" $min $max) -}}
{{- end -}}
{{- if not (kindIs "invalid" .maxPriority) -}}
{{- $args = append $args (printf "--max-priority=%d" (int .maxPriority)) -}}
{{- end -}}
{{- if not (kindIs "invalid" .minPriority) -}}
{{- $args = append $args (printf "--min-priority=%d" (int .minPriority)) -}}
{{- end -}}
{{- if .allowPreemptingPriorityClass -}}
{{- $args = append $args "--allow-preempting-priority-class" -}}
{{- end -}}
{{- if .allowReserved -}}
{{- $args = append $args "--allow-reserved" -}}
{{- end -}}
{{- if .ladder -}}
{{- $args = append $args "--ladder" -}}
{{- end -}}
{{- with .defaultImage -}}
{{- $args = append $args (printf "--default-image=%s" .) -}}
{{- end -}}
{{- with .allowedImages -}}
{{- $args = append $args (printf "--allowed-images=%s" (join "," .)) -}}
{{- end -}}
{{- if and .podSecurityLevel (ne .podSecurityLevel "baseline") -}}
{{- $args = append $args (printf "--pod-security-level=%s" .podSecurityLevel) -}}
{{- end -}}
{{- end -}}
{{- if .Values.controller.hideNamesOfOtherNamespaces -}}
{{- $args = append $args "--hide-names-of-other-namespaces" -}}
{{- end -}}
{{- with .Values.controller.units -}}
{{- if ne (int .maxPerHeadroom) 10000 -}}
{{- $args = append $args (printf "--max-units-per-headroom=%d" (int .maxPerHeadroom)) -}}
{{- end -}}
{{- if .maxPerNamespace -}}
{{- $args = append $args (printf "--max-units-per-namespace=%d" (int .maxPerNamespace)) -}}
{{- end -}}
{{- if .max -}}
{{- $args = append $args (printf "--max-units=%d" (int .max)) -}}
{{- end -}}
{{- if ne (int .maxPending) 500 -}}
{{- $args = append $args (printf "--max-pending-units=%d" (int .maxPending)) -}}
{{- end -}}
{{- end -}}
{{- with .Values.controller.prices -}}
{{- if .node -}}
{{- $args = append $args (printf "--node-price=%v" .node) -}}
{{- end -}}
{{- with .label -}}
{{- $args = append $args (printf "--price-label=%s" .) -}}
{{- end -}}
{{- end -}}
{{- concat $args .Values.controller.extraArgs | toYaml -}}
{{- end -}}
