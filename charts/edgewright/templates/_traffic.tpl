{{- /* What a NetworkPolicy of ours allows; of a dictionary {root, more}. */}}
{{- define "edgewright.traffic" -}}
policyTypes: [Ingress, Egress]
ingress:
  - ports:
      - {port: http, protocol: TCP}
    {{- with .root.Values.networkPolicy.metricsFrom }}
    from:
      {{- toYaml . | nindent 6 }}
    {{- end }}
egress:
  - ports:
      - {port: 53, protocol: UDP}
      - {port: 53, protocol: TCP}
  # The API server is no pod: a policy knows it by port, and by address if you say it.
  - ports:
      {{- range .root.Values.networkPolicy.apiServer.ports }}
      - {port: {{ . }}, protocol: TCP}
      {{- end }}
    {{- with .root.Values.networkPolicy.apiServer.cidrs }}
    to:
      {{- range . }}
      - ipBlock: {cidr: {{ . }}}
      {{- end }}
    {{- end }}
  {{- with .more }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* For a Prometheus that finds its targets by annotations. */}}
{{- define "edgewright.scrapeAnnotations" -}}
prometheus.io/scrape: "true"
prometheus.io/port: "8080"
prometheus.io/path: /metrics
{{- end }}
