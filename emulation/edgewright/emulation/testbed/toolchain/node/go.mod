// Two small programs of the container node; they need nothing but Go.
module edgewright.dev/toolchain/node

go 1.26.0
