package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	orchestratorv1 "foldforge.bench/peer/gen/foldforge/orchestrator/v1"
)

const callTimeout = 10 * time.Second

// Routes the requests to the orchestrator's client.
func register(mux *runtime.ServeMux, client orchestratorv1.OrchestratorServiceClient) error {
	return orchestratorv1.RegisterOrchestratorServiceHandlerClient(context.Background(), mux, submitting{client})
}

// Counts a submission against the quota of its API key before it is made.
type submitting struct {
	orchestratorv1.OrchestratorServiceClient
}

func (s submitting) SubmitWorkflow(
	ctx context.Context, in *orchestratorv1.SubmitWorkflowRequest, options ...grpc.CallOption,
) (*orchestratorv1.Workflow, error) {
	if err := checkSpec(in.GetSpec()); err != nil {
		return nil, err
	}
	current := requestOf(ctx)
	in.IdempotencyKey = current.idempotencyKey
	if current.keyHash != "" {
		quota, err := s.ConsumeQuota(ctx, &orchestratorv1.ConsumeQuotaRequest{KeyHash: current.keyHash})
		if err != nil {
			return nil, err
		}
		current.limit, current.remaining = quota.Limit, max(0, quota.Limit-quota.Used)
		if !quota.Allowed {
			return nil, status.Errorf(codes.ResourceExhausted, "quota exhausted: %d submissions per window", quota.Limit)
		}
	}
	workflow, err := s.OrchestratorServiceClient.SubmitWorkflow(ctx, in, options...)
	if err == nil {
		slog.LogAttrs(ctx, slog.LevelInfo, "workflow.submit",
			slog.String("trace_id", current.traceID),
			slog.String("span_id", current.spanID),
			slog.String("workflow_id", workflow.GetId()),
			slog.Int("steps", len(in.GetSpec().GetSteps())),
		)
	}
	return workflow, err
}

func (s submitting) GetWorkflow(
	ctx context.Context, in *orchestratorv1.GetWorkflowRequest, options ...grpc.CallOption,
) (*orchestratorv1.Workflow, error) {
	if !id.MatchString(in.GetWorkflowId()) {
		return nil, status.Error(codes.InvalidArgument, "the id of the workflow is not valid")
	}
	return s.OrchestratorServiceClient.GetWorkflow(ctx, in, options...)
}

// Gives each call its deadline and its metadata, in place of the headers that grpc-gateway would forward.
func intercept(
	ctx context.Context, method string, in, out any,
	connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	current := requestOf(ctx)
	pairs := []string{"traceparent", current.traceparent()}
	if current.tracestate != "" {
		pairs = append(pairs, "tracestate", current.tracestate)
	}
	if current.principal != "" {
		pairs = append(pairs, "ff-principal", current.principal)
	}
	return invoke(metadata.NewOutgoingContext(ctx, metadata.Pairs(pairs...)), method, in, out, connection, options...)
}

var (
	id    = regexp.MustCompile(`^[A-Za-z0-9_~:-][A-Za-z0-9._~:-]*$`)
	tools = []string{"rfdiffusion", "proteinmpnn", "boltz", "af2"}
)

// Checks what the contract says of a submission beyond its types.
func checkSpec(spec *orchestratorv1.WorkflowSpec) error {
	if spec.GetName() == "" || len(spec.GetSteps()) == 0 {
		return status.Error(codes.InvalidArgument, "name and steps are required")
	}
	for _, step := range spec.Steps {
		if step.GetId() == "" || !slices.Contains(tools, step.GetTool()) {
			return status.Error(codes.InvalidArgument, "each step has an id, and a tool of the contract")
		}
	}
	return nil
}

// Reads the parameters of a page, and rejects any other.
type strictQuery struct{}

func (strictQuery) Parse(message proto.Message, values url.Values, _ *utilities.DoubleArray) error {
	list, isList := message.(*orchestratorv1.ListWorkflowsRequest)
	if isList {
		list.PageSize = 20
	}
	for name, value := range values {
		switch {
		case isList && name == "page_size" && len(value) == 1:
			size, err := strconv.ParseUint(value[0], 10, 32)
			if err != nil || size < 1 || size > 100 {
				return status.Error(codes.InvalidArgument, "page_size is a number from 1 to 100")
			}
			list.PageSize = uint32(size)
		case isList && name == "page_token" && len(value) == 1:
			list.PageToken = value[0]
		default:
			return status.Errorf(codes.InvalidArgument, "unknown query parameter %q", name)
		}
	}
	return nil
}

// Adds the headers that depend on the message, and the status of a submission.
func addHeaders(ctx context.Context, w http.ResponseWriter, message proto.Message) error {
	w.Header().Set("Cache-Control", "no-store")
	if method, _ := runtime.RPCMethod(ctx); method != orchestratorv1.OrchestratorService_SubmitWorkflow_FullMethodName {
		return nil
	}
	setRateLimit(ctx, w)
	w.Header().Set("Location", "/v1/workflows/"+message.(*orchestratorv1.Workflow).GetId())
	w.WriteHeader(http.StatusCreated)
	return nil
}

func setRateLimit(ctx context.Context, w http.ResponseWriter) {
	if current := requestOf(ctx); current.limit > 0 {
		w.Header().Set("X-RateLimit-Limit", strconv.FormatInt(current.limit, 10))
		w.Header().Set("X-RateLimit-Remaining", strconv.FormatInt(current.remaining, 10))
	}
}
