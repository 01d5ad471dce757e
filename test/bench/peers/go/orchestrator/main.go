// The orchestrator of the benchmark, in Go: like ../../orchestrator.ts it responds to every call with bytes that are
// encoded in advance, but collects its garbage while it serves, so that its pauses are not in the latencies.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// Messages as bytes: this program need not decode them.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "proto" }

func (bytesCodec) Marshal(message any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*message.(*[]byte))}, nil
}

func (bytesCodec) Unmarshal(mem.BufferSlice, any) error { return nil }

// Takes the responses in RESPONSES, base64 by the path of their method. Writes its url; ends with its stdin.
func main() {
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	var responses map[string][]byte
	if err := json.Unmarshal([]byte(os.Getenv("RESPONSES")), &responses); err != nil {
		log.Fatal(err)
	}
	serve := func(_ any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		var request []byte
		if err := stream.RecvMsg(&request); err != nil {
			return err
		}
		response, known := responses[method]
		if !known {
			return status.Error(codes.Unimplemented, method)
		}
		return stream.SendMsg(&response)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("{\"url\":\"http://%s\"}\n", listener.Addr())
	server := grpc.NewServer(grpc.ForceServerCodecV2(bytesCodec{}), grpc.UnknownServiceHandler(serve))
	log.Fatal(server.Serve(listener))
}
