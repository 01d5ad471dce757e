package main

import (
	"context"
	"encoding/hex"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// What is known of a request, filled as it goes on.
type request struct {
	traceID, spanID, flags, tracestate string
	// The template of the path.
	path string
	// Of an API key; both are empty for the administrator.
	keyHash, principal string
	idempotencyKey     string
	// The state of the quota, where there is one.
	limit, remaining int64
}

func (r *request) traceparent() string {
	return "00-" + r.traceID + "-" + r.spanID + "-" + r.flags
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	return ctx.Value(requestKey{}).(*request)
}

var labels = []string{"method", "path", "status"}

var requests = promauto.NewCounterVec(prometheus.CounterOpts{
	Name: "foldforge_gateway_http_requests_total",
	Help: "HTTP responses.",
}, labels)

var durations = promauto.NewHistogramVec(prometheus.HistogramOpts{
	Name:    "foldforge_gateway_http_request_duration_seconds",
	Help:    "Time from the headers of a request to its response.",
	Buckets: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30},
}, labels)

// Gives each request its trace, counts it and logs it.
func observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		current := &request{path: "(unmatched)", idempotencyKey: r.Header.Get("Idempotency-Key")}
		current.trace(r.Header)
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		ctx := context.WithValue(r.Context(), requestKey{}, current)
		next.ServeHTTP(recorder, r.WithContext(ctx))

		duration := time.Since(start)
		status := strconv.Itoa(recorder.status)
		requests.WithLabelValues(r.Method, current.path, status).Inc()
		durations.WithLabelValues(r.Method, current.path, status).Observe(duration.Seconds())
		slog.LogAttrs(ctx, slog.LevelInfo, "request.completed",
			slog.String("trace_id", current.traceID),
			slog.String("span_id", current.spanID),
			slog.String("method", r.Method),
			slog.String("path", current.path),
			slog.Int("status", recorder.status),
			slog.Float64("duration_ms", float64(duration.Microseconds())/1000),
			slog.String("principal", current.principal),
		)
	})
}

var traceparent = regexp.MustCompile(`^00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$`)

// Continues the client's trace, or starts one.
func (r *request) trace(header http.Header) {
	r.spanID = randomHex(1)
	if match := traceparent.FindStringSubmatch(header.Get("traceparent")); match != nil {
		r.traceID, r.flags, r.tracestate = match[1], match[2], header.Get("tracestate")
		return
	}
	r.traceID, r.flags = randomHex(2), "01"
}

// 16 hex digits for each word. A trace id need not be secret.
func randomHex(words int) string {
	bytes := make([]byte, 0, 16)
	for range words {
		word := rand.Uint64()
		for shift := 0; shift < 64; shift += 8 {
			bytes = append(bytes, byte(word>>shift))
		}
	}
	return hex.EncodeToString(bytes)
}

var templates = map[string]string{
	"/v1/workflows":                 "/v1/workflows",
	"/v1/workflows/{workflow_id=*}": "/v1/workflows/{id}",
}

// Notes the template of the path, the label of the metrics, before anything can fail.
func matched(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
		pattern, _ := runtime.HTTPPattern(r.Context())
		requestOf(r.Context()).path = templates[pattern.String()]
		next(w, r, params)
	}
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}
