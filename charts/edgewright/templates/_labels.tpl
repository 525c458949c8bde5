{{- /* What the objects of the chart and the pods have in common. */}}

{{- define "edgewright.labels" -}}
app.kubernetes.io/name: edgewright
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* What selects the pods of a component; the operator labels agents so too. A Deployment's selector cannot change. */}}
{{- define "edgewright.selector" -}}
app.kubernetes.io/name: edgewright-{{ . }}
{{- end }}

{{- /* Of the pods of a component; of a dictionary {component, root}. Not the chart's version, or every new chart
       would restart them. */}}
{{- define "edgewright.podLabels" -}}
{{ include "edgewright.selector" .component }}
app.kubernetes.io/part-of: edgewright
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- end }}

{{- /* Of a dictionary {image, root}. */}}
{{- define "edgewright.image" -}}
{{- with .image -}}
{{ .repository }}:{{ .tag | default $.root.Chart.AppVersion }}{{ with .digest }}@{{ . }}{{ end }}
{{- end }}
{{- end }}

{{- define "edgewright.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "edgewright.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* One answers while its loop is alive, the other when it is connected. The first start compiles the model. */}}
{{- define "edgewright.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{- /* Replicas apart from each other where there is room; of a component's name. */}}
{{- define "edgewright.spread" -}}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "edgewright.selector" $ | nindent 6 }}
{{- end }}
{{- end }}

{{- /* Where the pods may run; of a dictionary {part, root, component}. */}}
{{- define "edgewright.scheduling" -}}
{{- with .root.Values.priorityClass.name }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  {{- include "edgewright.spread" .component | trim | nindent 2 }}
{{- end }}
