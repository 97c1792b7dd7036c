package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// How a plugin misbehaves is an argument of it, or what it is called with. What is done here is what
// ../src/bin/faults_ours.rs does, with its own means; both print what ../src/bin/faults/ reads.

// How long a plugin may take to start, in both.
const startTimeout = 2 * time.Second

var evilPlugins = map[string]plugin.PluginSet{
	overNetRPC: {overNetRPC: &evilNetRPCPlugin{}},
	overGRPC:   {overGRPC: &evilGRPCPlugin{}},
}

type evilNetRPCPlugin struct{ netRPCPlugin }

func (*evilNetRPCPlugin) Server(*plugin.MuxBroker) (any, error) { return &evilNetRPCServer{}, nil }

type evilNetRPCServer struct{}

// Echo is called by net/rpc.
func (*evilNetRPCServer) Echo(message []byte, reply *[]byte) error {
	var err error
	*reply, err = act(string(message))
	return err
}

type evilGRPCPlugin struct{ grpcPlugin }

func (*evilGRPCPlugin) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	server.RegisterService(&echoService, evilGRPCServer{})
	return nil
}

type evilGRPCServer struct{}

func (evilGRPCServer) Echo(_ context.Context, message *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error) {
	reply, err := act(string(message.Value))
	return wrapperspb.Bytes(reply), err
}

func linger() {
	for {
		time.Sleep(time.Hour)
	}
}

// act is what a method of the plugin does.
func act(how string) ([]byte, error) {
	switch how {
	case "panic":
		panic("a defect of the plugin")
	case "hold":
		linger()
	case "toil":
		for {
		}
	case "line":
		writeAll(1, make([]byte, 1<<20))
	case "flood":
		line := []byte(strings.Repeat("all work and no play ", 50) + "\n")
		for range 64 << 20 / len(line) {
			writeAll(2, line)
		}
	case "json":
		writeAll(2, []byte("{\"@message\":1}\n"))
	case "text":
		// Called by name where the plugin is to close its connection.
		closeSockets()
		linger()
	case "child", "child, then exit":
		child := exec.Command("sleep", "600")
		child.Stdout, child.Stderr = os.NewFile(1, "stdout"), os.NewFile(2, "stderr")
		if err := child.Start(); err != nil {
			return nil, err
		}
		if how == "child, then exit" {
			os.Exit(0)
		}
	}
	return []byte(how), nil
}

func writeAll(descriptor int, bytes []byte) {
	for len(bytes) > 0 {
		count, err := syscall.Write(descriptor, bytes)
		if err != nil && err != syscall.EINTR && err != syscall.EAGAIN {
			return
		}
		bytes = bytes[max(count, 0):]
	}
}

func closeSockets() {
	for descriptor := 3; descriptor < 64; descriptor++ {
		if _, err := syscall.Getsockname(descriptor); err == nil {
			syscall.Shutdown(descriptor, syscall.SHUT_RDWR)
			syscall.Close(descriptor)
		}
	}
}

// serveEvil is the main function of the plugin.
func serveEvil(transport, how string) {
	switch how {
	case "exits":
		os.Exit(0)
	case "garbage":
		bytes := make([]byte, 64<<10)
		rand.Read(bytes)
		writeAll(1, bytes)
		linger()
	case "hangs":
		linger()
	case "half":
		writeAll(1, []byte("1|1|unix|"))
		linger()
	case "prints":
		fmt.Println("loading")
	case "reads nothing":
		listener := announce(transport)
		// Kept, so that it is not closed when it is collected.
		var connections []net.Conn
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			connections = append(connections, connection)
		}
	case "promises":
		promise(announce(transport))
	}
	config := &plugin.ServeConfig{
		HandshakeConfig: handshake,
		Plugins:         evilPlugins[transport],
		Logger:          hclog.NewNullLogger(),
	}
	if transport == overGRPC {
		config.GRPCServer = plugin.DefaultGRPCServer
	}
	plugin.Serve(config)
	if how == "lingers" {
		linger()
	}
}

// announce says hello by hand.
func announce(transport string) net.Listener {
	path := fmt.Sprintf("%s/faults-%d", os.TempDir(), os.Getpid())
	listener, err := net.Listen("unix", path)
	if err != nil {
		os.Exit(1)
	}
	fmt.Printf("1|1|unix|%s|%s\n", path, transport)
	return listener
}

// promise answers a call with the header of a message of nearly 2 GiB, and no more.
func promise(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go (&http2.Server{}).ServeConn(connection, &http2.ServeConnOpts{Handler: http.HandlerFunc(promiseOnce)})
	}
}

func promiseOnce(writer http.ResponseWriter, request *http.Request) {
	writer.Header().Set("Content-Type", "application/grpc")
	if request.URL.Path != echoMethod {
		writer.Header().Set("Grpc-Status", "12")
		return
	}
	writer.Write([]byte{0, 0x7f, 0xff, 0xff, 0xf0})
	writer.(http.Flusher).Flush()
	<-request.Context().Done()
}

// event tells the watcher.
func event(format string, arguments ...any) {
	text := fmt.Sprintf(format, arguments...)
	fmt.Println(strings.ReplaceAll(text, "\n", " "))
}

// hostFault does one case, as ../src/bin/faults/list.rs says.
func hostFault(transport, how, called string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake,
		Plugins:          evilPlugins[transport],
		Cmd:              exec.Command(program, "evil", transport, how),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolNetRPC, plugin.ProtocolGRPC},
		StartTimeout:     startTimeout,
		// Reads the lines of the plugin, as it does unless it is told otherwise.
		Logger: hclog.New(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Trace}),
	})
	event("begin")
	caller, err := dispense(client, transport)
	if err != nil {
		event("error %v", err)
	} else {
		process := client.ReattachConfig().Pid
		event("ready %d", process)
		call(client, caller, called, process)
	}
	wait := bufio.NewReader(os.Stdin)
	// The watcher looks around, and says when to go on.
	wait.ReadString('\n')
	client.Kill()
	event("stopped")
	wait.ReadString('\n')
	return nil
}

// call calls the plugin once, or more often.
func call(client *plugin.Client, caller Caller, called string, process int) {
	tell := func(reply []byte, err error) {
		if err != nil {
			event("error %v", err)
		} else {
			event("answer %.20s", reply)
		}
	}
	switch called {
	case "hundred":
		var group sync.WaitGroup
		errs := make([]error, 100)
		for index := range errs {
			group.Go(func() { _, errs[index] = caller.Echo([]byte("hold")) })
		}
		time.Sleep(500 * time.Millisecond)
		event("begin")
		syscall.Kill(process, syscall.SIGKILL)
		group.Wait()
		tell(nil, errs[0])
	case "stop":
		syscall.Kill(process, syscall.SIGSTOP)
		event("answer stopped")
	case "toil", "hold":
		go caller.Echo([]byte(called))
		time.Sleep(100 * time.Millisecond)
		event("answer it runs")
	case "exit of the host":
		event("answer")
		os.Exit(3)
	case "panic":
		// Another call runs meanwhile.
		other := make(chan error)
		go func() {
			_, err := caller.Echo([]byte("hold"))
			other <- err
		}()
		time.Sleep(100 * time.Millisecond)
		event("begin")
		_, err := caller.Echo([]byte("panic"))
		event("end")
		select {
		case err := <-other:
			event("also the other call failed: %v", err)
		case <-time.After(time.Second):
			event("also the other call goes on")
		}
		tell(nil, err)
	case "again":
		caller.Echo([]byte("panic"))
		event("begin")
		tell(caller.Echo([]byte("hello")))
	case "child, then exit":
		event("begin")
		caller.Echo([]byte(called))
		for !client.Exited() {
			time.Sleep(time.Millisecond)
		}
		event("answer the end is known")
	case "large":
		tell(caller.Echo(make([]byte, 8<<20)))
	default:
		event("begin")
		reply, err := caller.Echo([]byte(called))
		if err == nil {
			// Whether it goes on after that.
			_, err = caller.Echo([]byte("hello"))
		}
		tell(reply, err)
	}
}
