// A gateway of the usual parts of Go: grpc-gateway, grpc-go, log/slog and client_golang, each with its defaults. The
// benchmark compares FoldForge's gateway with it. Its duties, for three routes:
//
//   - bearer authentication: the static admin token in constant time, API keys by SHA-256 and AuthenticateApiKey, behind
//     a cache with a time to live, with one lookup at a time per key;
//   - GET one workflow, GET a page (page_size, page_token), POST a workflow;
//   - validation: unknown properties and query parameters, types, required fields, ids, tools, page_size, media type;
//   - ConsumeQuota before SubmitWorkflow, the X-RateLimit headers, Location, Idempotency-Key;
//   - the contract's JSON, and its errors with code, message, retryable and trace_id;
//   - on each call a deadline of 10 s, traceparent, tracestate and ff-principal, and nothing else of the client's;
//   - one line of JSON per request with its trace id, a counter and a histogram by method, path and status.
//
// It differs from FoldForge's gateway: an error has no details, no check of the DAG and no 402; times have milliseconds;
// protojson also accepts camelCase names and numbers in quotes; and it has no filter by state or label, no ETag, CORS,
// security headers, load shedding, retries, keepalive or metrics of calls.
package main

import (
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	orchestratorv1 "foldforge.bench/peer/gen/foldforge/orchestrator/v1"
)

const maxBodyBytes = 1 << 20

// Takes the address of the orchestrator and, in API_TOKEN, the admin token. Logs its own url; ends with its stdin.
func main() {
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, nil)))

	connection, err := grpc.NewClient(
		strings.TrimPrefix(os.Args[1], "http://"),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(intercept),
	)
	if err != nil {
		log.Fatal(err)
	}
	client := orchestratorv1.NewOrchestratorServiceClient(connection)
	authenticator := newAuthenticator(os.Getenv("API_TOKEN"), client)
	mux := runtime.NewServeMux(
		runtime.WithMiddlewares(matched, authenticator.middleware, checkBody),
		runtime.WithMarshalerOption(runtime.MIMEWildcard, &contractJSON{}),
		runtime.WithForwardResponseRewriter(rewrite),
		runtime.WithForwardResponseOption(addHeaders),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithErrorHandler(writeError),
		runtime.WithRoutingErrorHandler(writeRoutingError),
		runtime.WithWriteContentLength(),
		runtime.SetQueryParameterParser(strictQuery{}),
	)
	if err := register(mux, client); err != nil {
		log.Fatal(err)
	}

	root := http.NewServeMux()
	root.Handle("GET /metrics", promhttp.Handler())
	root.Handle("/", observe(mux))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	slog.Info("server.started", "url", "http://"+listener.Addr().String())
	server := &http.Server{Handler: root, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.Serve(listener))
}
