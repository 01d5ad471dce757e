// A gRPC server of grpc-go with default settings, for grpc-go.test.ts. It serves every method: an event stream begins
// with one message and stays open; any other call does what the request's first field says, "sleep 1s" or
// "fail 1000", which is an error with so long a message.
package main

import (
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// Messages as bytes: this program needs no generated code.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "proto" }

func (bytesCodec) Marshal(message any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*message.(*[]byte))}, nil
}

func (bytesCodec) Unmarshal(data mem.BufferSlice, message any) error {
	*message.(*[]byte) = data.Materialize()
	return nil
}

func serve(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	if strings.HasPrefix(method, "/grpc.health.v1.") {
		return status.Error(codes.Unimplemented, "no health checks")
	}
	var request []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	// Field 1, a string of less than 128 bytes: "w1".
	response := []byte{0x0a, 2, 'w', '1'}
	if strings.HasSuffix(method, "/StreamWorkflowEvents") {
		if err := stream.SendMsg(&response); err != nil {
			return err
		}
		<-stream.Context().Done()
		return stream.Context().Err()
	}
	var pause string
	var length int
	if len(request) > 2 {
		fmt.Sscanf(string(request[2:]), "sleep %s", &pause)
		fmt.Sscanf(string(request[2:]), "fail %d", &length)
	}
	duration, _ := time.ParseDuration(pause)
	time.Sleep(duration)
	if length > 0 {
		return status.Error(codes.InvalidArgument, strings.Repeat("x", length))
	}
	return stream.SendMsg(&response)
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	server := grpc.NewServer(grpc.ForceServerCodecV2(bytesCodec{}), grpc.UnknownServiceHandler(serve))
	panic(server.Serve(listener))
}
