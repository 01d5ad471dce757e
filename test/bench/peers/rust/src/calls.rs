use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::auth::Caller;
use crate::errors::ApiError;
use crate::foldforge::orchestrator::v1::orchestrator_service_client::OrchestratorServiceClient;
use crate::foldforge::orchestrator::v1::{
    ConsumeQuotaRequest, ConsumeQuotaResponse, GetWorkflowRequest, ListWorkflowsRequest,
    SubmitWorkflowRequest,
};
use crate::json::{self, WorkflowSpec};
use crate::observe::Trace;

pub type Client = OrchestratorServiceClient<Channel>;

const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_PAGE_SIZE: u32 = 20;
const TOOLS: &[&str] = &["rfdiffusion", "proteinmpnn", "boltz", "af2"];

/// Gives a call its deadline and its metadata.
pub fn request<T>(message: T, trace: &Trace, caller: &Caller) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    let metadata = request.metadata_mut();
    let mut insert = |name: &'static str, value: &str| {
        if let Ok(value) = value.parse() {
            metadata.insert(name, value);
        }
    };
    insert("traceparent", &trace.traceparent());
    if let Some(tracestate) = &trace.tracestate {
        insert("tracestate", tracestate);
    }
    if let Some(principal) = caller.principal() {
        insert("ff-principal", principal);
    }
    request
}

pub async fn get_workflow(
    State(mut client): State<Client>,
    Extension(trace): Extension<Trace>,
    Extension(caller): Extension<Caller>,
    Path(workflow_id): Path<String>,
) -> Result<Response, ApiError> {
    if !is_id(&workflow_id) {
        return Err(ApiError::invalid("the id of the workflow is not valid"));
    }
    let call = request(GetWorkflowRequest { workflow_id }, &trace, &caller);
    let workflow = client.get_workflow(call).await?.into_inner();
    Ok(json_response(json::workflow_text(&workflow)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    page_size: Option<u32>,
    #[serde(default)]
    page_token: String,
}

pub async fn list_workflows(
    State(mut client): State<Client>,
    Extension(trace): Extension<Trace>,
    Extension(caller): Extension<Caller>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::invalid(error.body_text()))?;
    let page_size = query.page_size.unwrap_or(DEFAULT_PAGE_SIZE);
    if !(1..=100).contains(&page_size) {
        return Err(ApiError::invalid("page_size is a number from 1 to 100"));
    }
    let message = ListWorkflowsRequest { page_size, page_token: query.page_token, ..Default::default() };
    let page = client.list_workflows(request(message, &trace, &caller)).await?.into_inner();
    Ok(json_response(json::page_text(&page)))
}

/// Counts a submission against the quota of its API key before it is made.
pub async fn submit_workflow(
    State(mut client): State<Client>,
    Extension(trace): Extension<Trace>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if text("content-type").split(';').next() != Some("application/json") {
        return Err(ApiError::not_json());
    }
    let body = body.map_err(|error| ApiError::invalid(error.body_text()))?;
    let spec: WorkflowSpec =
        serde_json::from_slice(&body).map_err(|error| ApiError::invalid(error.to_string()))?;
    check_spec(&spec)?;
    let steps = spec.steps.len();

    let mut limits = Vec::new();
    if let Caller::Key { hash, .. } = &caller {
        let message = ConsumeQuotaRequest { key_hash: hash.clone() };
        let quota = client.consume_quota(request(message, &trace, &caller)).await?.into_inner();
        limits = rate_limit_headers(&quota);
        if !quota.allowed {
            let message = format!("quota exhausted: {} submissions per window", quota.limit);
            return Err(ApiError::new(Code::ResourceExhausted, message).with_headers(limits));
        }
    }
    let message = SubmitWorkflowRequest {
        spec: Some(spec.into()),
        idempotency_key: text("idempotency-key").to_owned(),
    };
    let workflow = client.submit_workflow(request(message, &trace, &caller)).await?.into_inner();
    tracing::info!(
        trace_id = trace.trace_id,
        span_id = trace.span_id,
        workflow_id = workflow.id,
        steps,
        "workflow.submit"
    );

    let mut response = json_response(json::workflow_text(&workflow));
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(location) = format!("/v1/workflows/{}", workflow.id).parse() {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response.headers_mut().extend(limits);
    Ok(response)
}

fn rate_limit_headers(quota: &ConsumeQuotaResponse) -> Vec<(HeaderName, HeaderValue)> {
    if quota.limit <= 0 {
        return Vec::new();
    }
    let remaining = (quota.limit - quota.used).max(0);
    vec![
        (HeaderName::from_static("x-ratelimit-limit"), quota.limit.into()),
        (HeaderName::from_static("x-ratelimit-remaining"), remaining.into()),
    ]
}

/// Checks what the contract says of a submission beyond its types.
fn check_spec(spec: &WorkflowSpec) -> Result<(), ApiError> {
    if spec.name.is_empty() || spec.steps.is_empty() {
        return Err(ApiError::invalid("name and steps are required"));
    }
    let is_valid = |step: &json::Step| !step.id.is_empty() && TOOLS.contains(&step.tool.as_str());
    if !spec.steps.iter().all(is_valid) {
        return Err(ApiError::invalid("each step has an id, and a tool of the contract"));
    }
    Ok(())
}

fn is_id(text: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"._~:-".contains(&b);
    !text.is_empty() && !text.starts_with('.') && text.bytes().all(is_allowed)
}

fn json_response(body: String) -> Response {
    let headers = [(header::CONTENT_TYPE, json::MEDIA_TYPE), (header::CACHE_CONTROL, "no-store")];
    (headers, body).into_response()
}
