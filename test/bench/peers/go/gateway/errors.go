package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var (
	errUnauthenticated = status.Error(codes.Unauthenticated, "a valid bearer token is required: send the header Authorization: Bearer <token>")
	errUnavailable     = status.Error(codes.Unavailable, internalMessage)
	errNotJSON         = &runtime.HTTPStatusError{
		HTTPStatus: http.StatusUnsupportedMediaType,
		Err:        status.Error(codes.InvalidArgument, "the body has to be application/json"),
	}
)

// The only message for a failure behind the gateway.
const internalMessage = "internal server error"

type errorBody struct {
	Code      string `json:"code"`
	Message   string `json:"message"`
	Retryable bool   `json:"retryable"`
	TraceID   string `json:"trace_id"`
}

// The contract's table from gRPC code to response. Any other code is internal.
var meanings = map[codes.Code]struct {
	name       string
	status     int
	retryable  bool
	retryAfter int
}{
	codes.InvalidArgument:    {"INVALID_ARGUMENT", http.StatusBadRequest, false, 0},
	codes.FailedPrecondition: {"FAILED_PRECONDITION", http.StatusBadRequest, false, 0},
	codes.OutOfRange:         {"OUT_OF_RANGE", http.StatusBadRequest, false, 0},
	codes.Unauthenticated:    {"UNAUTHENTICATED", http.StatusUnauthorized, false, 0},
	codes.PermissionDenied:   {"PERMISSION_DENIED", http.StatusForbidden, false, 0},
	codes.NotFound:           {"NOT_FOUND", http.StatusNotFound, false, 0},
	codes.AlreadyExists:      {"ALREADY_EXISTS", http.StatusConflict, false, 0},
	codes.Aborted:            {"ABORTED", http.StatusConflict, true, 0},
	codes.ResourceExhausted:  {"RESOURCE_EXHAUSTED", http.StatusTooManyRequests, true, 60},
	codes.Unimplemented:      {"UNIMPLEMENTED", http.StatusNotImplemented, false, 0},
	codes.Unavailable:        {"UNAVAILABLE", http.StatusServiceUnavailable, true, 2},
	codes.DeadlineExceeded:   {"DEADLINE_EXCEEDED", http.StatusGatewayTimeout, false, 0},
	codes.Internal:           {"INTERNAL", http.StatusInternalServerError, false, 0},
}

// Writes any error with the contract's status and body.
func writeError(
	ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error,
) {
	var withStatus *runtime.HTTPStatusError
	if errors.As(err, &withStatus) {
		err = withStatus.Err
	}
	failure := status.Convert(err)
	meaning, known := meanings[failure.Code()]
	if !known {
		meaning = meanings[codes.Internal]
	}
	current := requestOf(ctx)
	body := errorBody{meaning.name, failure.Message(), meaning.retryable, current.traceID}
	if meaning.status >= http.StatusInternalServerError {
		body.Message = internalMessage
	}
	if failure.Code() == codes.DeadlineExceeded {
		body.Retryable = r.Method == http.MethodGet || current.idempotencyKey != ""
	}
	if withStatus != nil {
		meaning.status = withStatus.HTTPStatus
	}

	text, _ := json.Marshal(body)
	header := w.Header()
	header.Set("Content-Type", jsonType)
	header.Set("Content-Length", strconv.Itoa(len(text)))
	header.Set("Cache-Control", "no-store")
	if failure.Code() == codes.Unauthenticated {
		header.Set("WWW-Authenticate", "Bearer")
	}
	if meaning.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(meaning.retryAfter))
	}
	setRateLimit(ctx, w)
	w.WriteHeader(meaning.status)
	w.Write(text)
}

// An unknown path or method.
func writeRoutingError(
	ctx context.Context, mux *runtime.ServeMux, marshaler runtime.Marshaler,
	w http.ResponseWriter, r *http.Request, httpStatus int,
) {
	code := codes.InvalidArgument
	if httpStatus == http.StatusNotFound {
		code = codes.NotFound
	}
	err := &runtime.HTTPStatusError{HTTPStatus: httpStatus, Err: status.Error(code, http.StatusText(httpStatus))}
	writeError(ctx, mux, marshaler, w, r, err)
}
