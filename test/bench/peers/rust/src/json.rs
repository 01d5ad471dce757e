//! The contract's JSON: a submission is read into structs and converted; a response is written from the message.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Timestamp, Value};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};

use crate::foldforge::common::v1::{Artifact, ErrorDetail, JobState, ResourceSpec};
use crate::foldforge::orchestrator::v1 as proto;

pub const MEDIA_TYPE: &str = "application/json; charset=utf-8";

/// A submission, as a client sends it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkflowSpec {
    pub name: String,
    pub steps: Vec<Step>,
    #[serde(default)]
    labels: HashMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub id: String,
    pub tool: String,
    #[serde(default)]
    depends_on: Vec<String>,
    params: Option<serde_json::Map<String, serde_json::Value>>,
    resources: Option<Resources>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Resources {
    gpu_type: String,
    gpu_count: u32,
    cpu_cores: u32,
    memory_mb: u32,
    timeout_seconds: u32,
}

impl From<WorkflowSpec> for proto::WorkflowSpec {
    fn from(spec: WorkflowSpec) -> Self {
        let steps = spec.steps.into_iter().map(proto::Step::from).collect();
        Self { name: spec.name, steps, labels: spec.labels }
    }
}

impl From<Step> for proto::Step {
    fn from(step: Step) -> Self {
        Self {
            id: step.id,
            tool: step.tool,
            depends_on: step.depends_on,
            params: step.params.map(struct_from),
            resources: step.resources.map(|resources| ResourceSpec {
                gpu_type: resources.gpu_type,
                gpu_count: resources.gpu_count,
                cpu_cores: resources.cpu_cores,
                memory_mb: resources.memory_mb,
                timeout_seconds: resources.timeout_seconds,
            }),
        }
    }
}

fn struct_from(object: serde_json::Map<String, serde_json::Value>) -> Struct {
    Struct { fields: object.into_iter().map(|(name, value)| (name, value_from(value))).collect() }
}

fn value_from(value: serde_json::Value) -> Value {
    let kind = match value {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(value) => Kind::BoolValue(value),
        serde_json::Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or_default()),
        serde_json::Value::String(value) => Kind::StringValue(value),
        serde_json::Value::Array(values) => {
            Kind::ListValue(ListValue { values: values.into_iter().map(value_from).collect() })
        }
        serde_json::Value::Object(object) => Kind::StructValue(struct_from(object)),
    };
    Value { kind: Some(kind) }
}

pub fn workflow_text(message: &proto::Workflow) -> String {
    serde_json::to_string(&Workflow::from(message)).expect("all keys are strings")
}

pub fn page_text(message: &proto::ListWorkflowsResponse) -> String {
    let workflows = message.workflows.iter().map(Workflow::from).collect();
    let page = Page { workflows, next_page_token: &message.next_page_token };
    serde_json::to_string(&page).expect("all keys are strings")
}

#[derive(Serialize)]
struct Page<'a> {
    workflows: Vec<Workflow<'a>>,
    next_page_token: &'a str,
}

/// A workflow, into which its spec is flattened.
#[derive(Serialize)]
struct Workflow<'a> {
    id: &'a str,
    name: &'a str,
    state: &'a str,
    steps: Vec<StepJson<'a>>,
    labels: Option<&'a HashMap<String, String>>,
    step_statuses: Vec<StepStatus<'a>>,
    created_at: String,
    updated_at: String,
}

#[derive(Serialize)]
struct StepJson<'a> {
    id: &'a str,
    tool: &'a str,
    depends_on: &'a [String],
    params: StructJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Resources>,
}

#[derive(Serialize)]
struct StepStatus<'a> {
    step_id: &'a str,
    state: &'a str,
    fraction: f32,
    outputs: Vec<ArtifactJson<'a>>,
    sequences: Vec<Sequence<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
}

#[derive(Serialize)]
struct ArtifactJson<'a> {
    uri: &'a str,
    content_type: &'a str,
    size_bytes: u64,
    sha256: &'a str,
    metrics: &'a HashMap<String, f64>,
}

#[derive(Serialize)]
struct Sequence<'a> {
    fasta: &'a str,
    global_score: f64,
    seq_recovery: f64,
    sample_index: u32,
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    code: &'a str,
    message: &'a str,
    retryable: bool,
}

impl<'a> From<&'a proto::Workflow> for Workflow<'a> {
    fn from(message: &'a proto::Workflow) -> Self {
        let spec = message.spec.as_ref();
        Self {
            id: &message.id,
            name: spec.map_or("", |spec| &spec.name),
            state: state_name(message.state()),
            steps: spec.map_or_else(Vec::new, |spec| spec.steps.iter().map(StepJson::from).collect()),
            labels: spec.map(|spec| &spec.labels),
            step_statuses: message.step_statuses.iter().map(StepStatus::from).collect(),
            created_at: time_text(message.created_at.as_ref().unwrap_or(&Timestamp::default())),
            updated_at: time_text(message.updated_at.as_ref().unwrap_or(&Timestamp::default())),
        }
    }
}

impl<'a> From<&'a proto::Step> for StepJson<'a> {
    fn from(message: &'a proto::Step) -> Self {
        Self {
            id: &message.id,
            tool: &message.tool,
            depends_on: &message.depends_on,
            params: StructJson(message.params.as_ref()),
            resources: message.resources.as_ref().map(|resources| Resources {
                gpu_type: resources.gpu_type.clone(),
                gpu_count: resources.gpu_count,
                cpu_cores: resources.cpu_cores,
                memory_mb: resources.memory_mb,
                timeout_seconds: resources.timeout_seconds,
            }),
        }
    }
}

impl<'a> From<&'a proto::StepStatus> for StepStatus<'a> {
    fn from(message: &'a proto::StepStatus) -> Self {
        Self {
            step_id: &message.step_id,
            state: state_name(message.state()),
            fraction: message.fraction,
            outputs: message.outputs.iter().map(ArtifactJson::from).collect(),
            sequences: message.sequences.iter().map(Sequence::from).collect(),
            error: message.error.as_ref().map(ErrorJson::from),
            started_at: message.started_at.as_ref().map(time_text),
            finished_at: message.finished_at.as_ref().map(time_text),
        }
    }
}

impl<'a> From<&'a Artifact> for ArtifactJson<'a> {
    fn from(message: &'a Artifact) -> Self {
        Self {
            uri: &message.uri,
            content_type: &message.content_type,
            size_bytes: message.size_bytes,
            sha256: &message.sha256,
            metrics: &message.metrics,
        }
    }
}

impl<'a> From<&'a proto::DesignedSequence> for Sequence<'a> {
    fn from(message: &'a proto::DesignedSequence) -> Self {
        Self {
            fasta: &message.fasta,
            global_score: message.global_score,
            seq_recovery: message.seq_recovery,
            sample_index: message.sample_index,
        }
    }
}

impl<'a> From<&'a ErrorDetail> for ErrorJson<'a> {
    fn from(message: &'a ErrorDetail) -> Self {
        Self { code: &message.code, message: &message.message, retryable: message.retryable }
    }
}

fn state_name(state: JobState) -> &'static str {
    state.as_str_name().trim_start_matches("JOB_STATE_")
}

/// RFC 3339 with milliseconds; the epoch for a time that is out of range.
fn time_text(time: &Timestamp) -> String {
    let nanos = u32::try_from(time.nanos).unwrap_or_default();
    let time = DateTime::from_timestamp(time.seconds, nanos).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A `google.protobuf.Struct` as a JSON object.
struct StructJson<'a>(Option<&'a Struct>);

impl Serialize for StructJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0.iter().flat_map(|object| &object.fields) {
            map.serialize_entry(name, &ValueJson(value))?;
        }
        map.end()
    }
}

/// A `google.protobuf.Value` as JSON.
struct ValueJson<'a>(&'a Value);

impl Serialize for ValueJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.kind {
            None | Some(Kind::NullValue(_)) => serializer.serialize_unit(),
            Some(Kind::BoolValue(value)) => serializer.serialize_bool(*value),
            Some(Kind::NumberValue(value)) => serializer.serialize_f64(*value),
            Some(Kind::StringValue(value)) => serializer.serialize_str(value),
            Some(Kind::StructValue(value)) => StructJson(Some(value)).serialize(serializer),
            Some(Kind::ListValue(list)) => {
                let mut sequence = serializer.serialize_seq(Some(list.values.len()))?;
                for value in &list.values {
                    sequence.serialize_element(&ValueJson(value))?;
                }
                sequence.end()
            }
        }
    }
}
