package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	commonv1 "foldforge.bench/peer/gen/foldforge/common/v1"
	orchestratorv1 "foldforge.bench/peer/gen/foldforge/orchestrator/v1"
)

// The contract's JSON: bodies are read by protojson, responses written by encoding/json.
type contractJSON struct {
	runtime.JSONPb
}

func (contractJSON) Marshal(value any) ([]byte, error) { return json.Marshal(value) }

func (contractJSON) NewEncoder(w io.Writer) runtime.Encoder { return json.NewEncoder(w) }

func (contractJSON) ContentType(any) string { return jsonType }

const jsonType = "application/json; charset=utf-8"

type workflow struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	State        string            `json:"state"`
	Steps        []step            `json:"steps"`
	Labels       map[string]string `json:"labels"`
	StepStatuses []stepStatus      `json:"step_statuses"`
	CreatedAt    timestamp         `json:"created_at"`
	UpdatedAt    timestamp         `json:"updated_at"`
}

type step struct {
	ID        string         `json:"id"`
	Tool      string         `json:"tool"`
	DependsOn []string       `json:"depends_on"`
	Params    map[string]any `json:"params"`
	Resources *resources     `json:"resources,omitempty"`
}

type resources struct {
	GPUType        string `json:"gpu_type"`
	GPUCount       uint32 `json:"gpu_count"`
	CPUCores       uint32 `json:"cpu_cores"`
	MemoryMB       uint32 `json:"memory_mb"`
	TimeoutSeconds uint32 `json:"timeout_seconds"`
}

type stepStatus struct {
	StepID     string       `json:"step_id"`
	State      string       `json:"state"`
	Fraction   float32      `json:"fraction"`
	Outputs    []artifact   `json:"outputs"`
	Sequences  []sequence   `json:"sequences"`
	Error      *errorDetail `json:"error,omitempty"`
	StartedAt  *timestamp   `json:"started_at,omitempty"`
	FinishedAt *timestamp   `json:"finished_at,omitempty"`
}

type artifact struct {
	URI         string             `json:"uri"`
	ContentType string             `json:"content_type"`
	SizeBytes   uint64             `json:"size_bytes"`
	SHA256      string             `json:"sha256"`
	Metrics     map[string]float64 `json:"metrics"`
}

type sequence struct {
	FASTA       string  `json:"fasta"`
	GlobalScore float64 `json:"global_score"`
	SeqRecovery float64 `json:"seq_recovery"`
	SampleIndex uint32  `json:"sample_index"`
}

type errorDetail struct {
	Code      string `json:"code"`
	Message   string `json:"message"`
	Retryable bool   `json:"retryable"`
}

type page struct {
	Workflows     []workflow `json:"workflows"`
	NextPageToken string     `json:"next_page_token"`
}

type timestamp time.Time

func (t timestamp) MarshalJSON() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000Z"`), nil
}

func timestampOf(message *timestamppb.Timestamp) *timestamp {
	if message == nil {
		return nil
	}
	time := timestamp(message.AsTime())
	return &time
}

// Gives the orchestrator's messages the contract's shape.
func rewrite(_ context.Context, message proto.Message) (any, error) {
	switch message := message.(type) {
	case *orchestratorv1.Workflow:
		return workflowOf(message), nil
	case *orchestratorv1.ListWorkflowsResponse:
		return page{mapped(message.Workflows, workflowOf), message.NextPageToken}, nil
	default:
		return message, nil
	}
}

func workflowOf(message *orchestratorv1.Workflow) workflow {
	labels := message.GetSpec().GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	return workflow{
		ID:           message.GetId(),
		Name:         message.GetSpec().GetName(),
		State:        stateOf(message.GetState()),
		Steps:        mapped(message.GetSpec().GetSteps(), stepOf),
		Labels:       labels,
		StepStatuses: mapped(message.GetStepStatuses(), stepStatusOf),
		CreatedAt:    timestamp(message.GetCreatedAt().AsTime()),
		UpdatedAt:    timestamp(message.GetUpdatedAt().AsTime()),
	}
}

func stepOf(message *orchestratorv1.Step) step {
	result := step{
		ID:        message.GetId(),
		Tool:      message.GetTool(),
		DependsOn: message.GetDependsOn(),
		Params:    message.GetParams().AsMap(),
	}
	if result.DependsOn == nil {
		result.DependsOn = []string{}
	}
	if r := message.GetResources(); r != nil {
		result.Resources = &resources{r.GpuType, r.GpuCount, r.CpuCores, r.MemoryMb, r.TimeoutSeconds}
	}
	return result
}

func stepStatusOf(message *orchestratorv1.StepStatus) stepStatus {
	result := stepStatus{
		StepID:     message.GetStepId(),
		State:      stateOf(message.GetState()),
		Fraction:   message.GetFraction(),
		Outputs:    mapped(message.GetOutputs(), artifactOf),
		Sequences:  mapped(message.GetSequences(), sequenceOf),
		StartedAt:  timestampOf(message.GetStartedAt()),
		FinishedAt: timestampOf(message.GetFinishedAt()),
	}
	if e := message.GetError(); e != nil {
		result.Error = &errorDetail{e.Code, e.Message, e.Retryable}
	}
	return result
}

func artifactOf(message *commonv1.Artifact) artifact {
	metrics := message.GetMetrics()
	if metrics == nil {
		metrics = map[string]float64{}
	}
	return artifact{message.GetUri(), message.GetContentType(), message.GetSizeBytes(), message.GetSha256(), metrics}
}

func sequenceOf(message *orchestratorv1.DesignedSequence) sequence {
	return sequence{message.GetFasta(), message.GetGlobalScore(), message.GetSeqRecovery(), message.GetSampleIndex()}
}

func stateOf(state commonv1.JobState) string {
	return strings.TrimPrefix(state.String(), "JOB_STATE_")
}

// Never nil, which would be null in JSON.
func mapped[From, To any](from []From, convert func(From) To) []To {
	to := make([]To, len(from))
	for i, value := range from {
		to[i] = convert(value)
	}
	return to
}

// Bounds the body, which has to be JSON.
func checkBody(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
		if r.Method == http.MethodPost {
			if mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); mediaType != "application/json" {
				writeError(r.Context(), nil, nil, w, r, errNotJSON)
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
		}
		next(w, r, params)
	}
}
