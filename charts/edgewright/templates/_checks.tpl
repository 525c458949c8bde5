{{- /* What a schema cannot say: whether the cluster is ready for these values. Without a cluster (`helm template`)
       `lookup` finds nothing, and nothing is checked. */}}

{{- define "edgewright.checks" -}}
{{- include "edgewright.checkRegions" . }}
{{- include "edgewright.checkPrometheus" . }}
{{- if lookup "v1" "Namespace" "" "kube-system" }}
{{- include "edgewright.checkCrds" . }}
{{- include "edgewright.checkMonitoring" . }}
{{- end }}
{{- end }}

{{- define "edgewright.checkRegions" -}}
{{- $connected := lookup "v1" "Namespace" "" "kube-system" }}
{{- range .Values.regions }}
{{- if or (hasPrefix "kube-" .) (eq . $.Release.Namespace) }}
{{- fail (printf "regions: %s cannot be a region. The operator may create Deployments in a region, and whoever may do that in %s can use every Secret and ServiceAccount there; choose a namespace of its own." . .) }}
{{- end }}
{{- if and $connected (not (lookup "v1" "Namespace" "" .)) }}
{{- fail (printf "regions: namespace %s does not exist. Create it with `kubectl create namespace %s`, or take it out of regions." . .) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "edgewright.checkPrometheus" -}}
{{- with .Values.metrics }}
{{- if (urlParse .prometheusUrl).userinfo }}
{{- fail "metrics.prometheusUrl holds credentials, which everybody who may read the Deployment would see. Put them into a Secret (`kubectl create secret generic NAME --from-literal=username=... --from-literal=password=...`, or a key token), and give its name as metrics.prometheusCredentials." }}
{{- end }}
{{- if and .prometheusCredentials (not .prometheusUrl) }}
{{- fail "metrics.prometheusCredentials: there is no Prometheus to give them to; set metrics.prometheusUrl." }}
{{- end }}
{{- end }}
{{- end }}

{{- define "edgewright.checkCrds" -}}
{{- $remedy := "Install the chart edgewright-crds of the same version first: `helm upgrade --install edgewright-crds charts/edgewright-crds`, or `kubectl apply --server-side -k manifests/crds`." }}
{{- range list "servicedags" "edgecontrollers" "edgetopologies" "nodeloads" }}
{{- $name := printf "%s.edgewright.dev" . }}
{{- $found := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" $name }}
{{- if not $found }}
{{- fail (printf "the cluster has no CustomResourceDefinition %s. %s" $name $remedy) }}
{{- end }}
{{- $version := dig "metadata" "labels" "app.kubernetes.io/version" "0.0.0" $found }}
{{- if semverCompare (printf "<%s" $.Chart.AppVersion) $version }}
{{- fail (printf "CustomResourceDefinition %s is of version %s, older than this chart's %s: what the operator writes would be dropped. %s" $name $version $.Chart.AppVersion $remedy) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "edgewright.checkMonitoring" -}}
{{- with .Values.metrics }}
{{- $wanted := dict "ServiceMonitor" .serviceMonitor "PodMonitor" .podMonitor "PrometheusRule" .rules }}
{{- range $kind, $switch := $wanted }}
{{- if and $switch.enabled (not ($.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" $kind))) }}
{{- $value := get (dict "ServiceMonitor" "serviceMonitor" "PodMonitor" "podMonitor" "PrometheusRule" "rules") $kind }}
{{- fail (printf "metrics.%s.enabled: the cluster has no kind %s (monitoring.coreos.com/v1). Install the Prometheus Operator first, or set metrics.%s.enabled=false." $value $kind $value) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
