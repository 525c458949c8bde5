// Pins the Prometheus Operator whose definitions the charts' objects are checked against; checksums in go.sum.
module edgewright.dev/tests/monitoring

go 1.21

require github.com/prometheus-operator/prometheus-operator v0.85.0
