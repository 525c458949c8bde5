// Relay lets the container node reach the API server, which listens on loopback only: it takes connections
// that come in over one network interface and passes them on. No other interface leads to it.
package main

import (
	"context"
	"flag"
	"io"
	"log"
	"net"
	"syscall"
)

func main() {
	listen := flag.String("listen", "", "address and port to take connections at")
	device := flag.String("device", "", "network interface that they must come in over")
	target := flag.String("target", "", "address and port to pass them on to")
	flag.Parse()
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(socket uintptr) { failed = syscall.BindToDevice(int(socket), *device) })
		if err != nil {
			return err
		}
		return failed
	}}
	listener, err := config.Listen(context.Background(), "tcp4", *listen)
	if err != nil {
		log.Fatal(err)
	}
	for {
		caller, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go pass(caller.(*net.TCPConn), *target)
	}
}

func pass(caller *net.TCPConn, target string) {
	defer caller.Close()
	dialled, err := net.Dial("tcp4", target)
	if err != nil {
		log.Print(err)
		return
	}
	server := dialled.(*net.TCPConn)
	defer server.Close()
	go copyHalf(server, caller)
	copyHalf(caller, server)
}

// copyHalf passes one direction on until its end, and the end too.
func copyHalf(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		from.Close()
		return
	}
	to.CloseWrite()
}
