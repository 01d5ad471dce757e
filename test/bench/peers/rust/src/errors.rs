use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tonic::{Code, Status};

use crate::json;

/// The only message for a failure behind the gateway.
const INTERNAL_MESSAGE: &str = "internal server error";

/// An error for the client. `observe` writes its body, since only it knows the trace.
#[derive(Clone)]
pub struct ApiError {
    code: Code,
    message: String,
    /// In place of the code's own.
    status: Option<StatusCode>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Serialize)]
struct Body<'a> {
    code: &'a str,
    message: &'a str,
    retryable: bool,
    trace_id: &'a str,
}

impl ApiError {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), status: None, headers: Vec::new() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    pub fn unauthenticated() -> Self {
        Self::new(Code::Unauthenticated, "a valid bearer token is required: send the header Authorization: Bearer <token>")
    }

    pub fn unavailable() -> Self {
        Self::new(Code::Unavailable, INTERNAL_MESSAGE)
    }

    pub fn no_such_path() -> Self {
        Self::new(Code::NotFound, "there is no such path")
    }

    pub fn method_not_allowed() -> Self {
        let status = Some(StatusCode::METHOD_NOT_ALLOWED);
        Self { status, ..Self::invalid("the path has no such method") }
    }

    pub fn not_json() -> Self {
        let status = Some(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        Self { status, ..Self::invalid("the body has to be application/json") }
    }

    pub fn with_headers(self, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self { headers, ..self }
    }

    /// The response, with the contract's body.
    pub fn into_body(self, trace_id: &str, is_idempotent: bool) -> Response {
        let (code, status, retryable, retry_after) = meaning(self.code, is_idempotent);
        let message = if status.is_server_error() { INTERNAL_MESSAGE } else { &self.message };
        let body = Body { code, message, retryable, trace_id };
        let headers = [(header::CONTENT_TYPE, json::MEDIA_TYPE), (header::CACHE_CONTROL, "no-store")];
        let text = serde_json::to_string(&body).expect("only strings and a bool");
        let mut response = (self.status.unwrap_or(status), headers, text).into_response();
        if self.code == Code::Unauthenticated {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        if retry_after > 0 {
            response.headers_mut().insert(header::RETRY_AFTER, retry_after.into());
        }
        response.headers_mut().extend(self.headers);
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Status> for ApiError {
    fn from(status: Status) -> Self {
        Self::new(status.code(), status.message())
    }
}

/// The contract's table from gRPC code to name, status, whether to retry, and after how many seconds.
fn meaning(code: Code, is_idempotent: bool) -> (&'static str, StatusCode, bool, u32) {
    match code {
        Code::InvalidArgument => ("INVALID_ARGUMENT", StatusCode::BAD_REQUEST, false, 0),
        Code::FailedPrecondition => ("FAILED_PRECONDITION", StatusCode::BAD_REQUEST, false, 0),
        Code::OutOfRange => ("OUT_OF_RANGE", StatusCode::BAD_REQUEST, false, 0),
        Code::Unauthenticated => ("UNAUTHENTICATED", StatusCode::UNAUTHORIZED, false, 0),
        Code::PermissionDenied => ("PERMISSION_DENIED", StatusCode::FORBIDDEN, false, 0),
        Code::NotFound => ("NOT_FOUND", StatusCode::NOT_FOUND, false, 0),
        Code::AlreadyExists => ("ALREADY_EXISTS", StatusCode::CONFLICT, false, 0),
        Code::Aborted => ("ABORTED", StatusCode::CONFLICT, true, 0),
        Code::ResourceExhausted => ("RESOURCE_EXHAUSTED", StatusCode::TOO_MANY_REQUESTS, true, 60),
        Code::Unimplemented => ("UNIMPLEMENTED", StatusCode::NOT_IMPLEMENTED, false, 0),
        Code::Unavailable => ("UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE, true, 2),
        // tonic reports a deadline of its own as Cancelled.
        Code::DeadlineExceeded | Code::Cancelled => {
            ("DEADLINE_EXCEEDED", StatusCode::GATEWAY_TIMEOUT, is_idempotent, 0)
        }
        _ => ("INTERNAL", StatusCode::INTERNAL_SERVER_ERROR, false, 0),
    }
}
