package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/rpc"
	"os"
	"os/exec"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Caller sends bytes to the plugin and gets them back.
type Caller interface {
	Echo(message []byte) ([]byte, error)
}

var handshake = plugin.HandshakeConfig{
	ProtocolVersion:  1,
	MagicCookieKey:   "PEERS_PLUGIN",
	MagicCookieValue: "echo",
}

// What the host dispenses, over the one transport and the other.
const (
	overNetRPC = "netrpc"
	overGRPC   = "grpc"
)

var plugins = map[string]plugin.PluginSet{
	overNetRPC: {overNetRPC: &netRPCPlugin{}},
	overGRPC:   {overGRPC: &grpcPlugin{}},
}

func servePlugin() {
	transport := os.Args[1]
	config := &plugin.ServeConfig{
		HandshakeConfig: handshake,
		Plugins:         plugins[transport],
		Logger:          hclog.NewNullLogger(),
	}
	if transport == overGRPC {
		config.GRPCServer = func(options []grpc.ServerOption) *grpc.Server {
			// 4 MiB unless raised; the host's side of go-plugin has no limit.
			return grpc.NewServer(append(options, grpc.MaxRecvMsgSize(math.MaxInt32))...)
		}
	}
	plugin.Serve(config)
}

// start starts this executable as a plugin and dispenses its caller.
func start(transport string) (*plugin.Client, Caller, error) {
	set, ok := plugins[transport]
	if !ok {
		return nil, nil, fmt.Errorf("no transport is called %q", transport)
	}
	program, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake,
		Plugins:          set,
		Cmd:              exec.Command(program, transport),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolNetRPC, plugin.ProtocolGRPC},
		Logger:           hclog.NewNullLogger(),
	})
	caller, err := dispense(client, transport)
	if err != nil {
		client.Kill()
		return nil, nil, err
	}
	return client, caller, nil
}

func dispense(client *plugin.Client, transport string) (Caller, error) {
	protocol, err := client.Client()
	if err != nil {
		return nil, err
	}
	raw, err := protocol.Dispense(transport)
	if err != nil {
		return nil, err
	}
	return raw.(Caller), nil
}

// exchange makes one call and looks at how much came back, as all peers do.
func exchange(caller Caller, message []byte) ([]byte, error) {
	reply, err := caller.Echo(message)
	if err == nil && len(reply) != len(message) {
		err = fmt.Errorf("%d bytes came back for %d", len(reply), len(message))
	}
	return reply, err
}

// check makes one call and looks at every byte that came back.
func check(caller Caller, message []byte) error {
	reply, err := caller.Echo(message)
	if err == nil && !bytes.Equal(reply, message) {
		err = fmt.Errorf("other bytes came back than were sent")
	}
	return err
}

type netRPCPlugin struct{}

func (*netRPCPlugin) Server(*plugin.MuxBroker) (any, error) { return &netRPCServer{}, nil }

func (*netRPCPlugin) Client(_ *plugin.MuxBroker, client *rpc.Client) (any, error) {
	return &netRPCCaller{client}, nil
}

type netRPCServer struct{}

// Echo is called by net/rpc.
func (*netRPCServer) Echo(message []byte, reply *[]byte) error {
	*reply = message
	return nil
}

type netRPCCaller struct{ client *rpc.Client }

func (caller *netRPCCaller) Echo(message []byte) ([]byte, error) {
	var reply []byte
	err := caller.client.Call("Plugin.Echo", message, &reply)
	return reply, err
}

type grpcPlugin struct{ plugin.NetRPCUnsupportedPlugin }

func (*grpcPlugin) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	server.RegisterService(&echoService, echoServer{})
	return nil
}

func (*grpcPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, connection *grpc.ClientConn) (any, error) {
	return &grpcCaller{connection}, nil
}

const echoMethod = "/peers.Echo/Echo"

// echoService is what protoc would generate for
//
//	service Echo { rpc Echo(google.protobuf.BytesValue) returns (google.protobuf.BytesValue); }
var echoService = grpc.ServiceDesc{
	ServiceName: "peers.Echo",
	HandlerType: (*echoHandler)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Echo", Handler: handleEcho}},
}

type echoHandler interface {
	Echo(context.Context, *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error)
}

type echoServer struct{}

func (echoServer) Echo(_ context.Context, message *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error) {
	return message, nil
}

func handleEcho(
	server any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor,
) (any, error) {
	message := new(wrapperspb.BytesValue)
	if err := decode(message); err != nil {
		return nil, err
	}
	handler := func(ctx context.Context, message any) (any, error) {
		return server.(echoHandler).Echo(ctx, message.(*wrapperspb.BytesValue))
	}
	if interceptor == nil {
		return handler(ctx, message)
	}
	return interceptor(ctx, message, &grpc.UnaryServerInfo{Server: server, FullMethod: echoMethod}, handler)
}

type grpcCaller struct{ connection *grpc.ClientConn }

func (caller *grpcCaller) Echo(message []byte) ([]byte, error) {
	reply := new(wrapperspb.BytesValue)
	err := caller.connection.Invoke(context.Background(), echoMethod, wrapperspb.Bytes(message), reply)
	return reply.Value, err
}
