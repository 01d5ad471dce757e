use std::sync::LazyLock;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use prometheus::{HistogramVec, IntCounterVec, TextEncoder};
use prometheus::{histogram_opts, register_histogram_vec, register_int_counter_vec};

use crate::auth::Caller;
use crate::errors::ApiError;

/// The position of a request in its trace.
#[derive(Clone)]
pub struct Trace {
    pub trace_id: String,
    pub span_id: String,
    flags: String,
    pub tracestate: Option<String>,
}

impl Trace {
    /// Continues the client's trace, or starts one.
    fn from_headers(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let span_id = format!("{:016x}", rand::random::<u64>());
        match text("traceparent").and_then(parent_from) {
            Some((trace_id, flags)) => Self {
                trace_id: trace_id.to_owned(),
                span_id,
                flags: flags.to_owned(),
                tracestate: text("tracestate").map(str::to_owned),
            },
            None => Self {
                trace_id: format!("{:032x}", rand::random::<u128>()),
                span_id,
                flags: "01".to_owned(),
                tracestate: None,
            },
        }
    }

    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{}", self.trace_id, self.span_id, self.flags)
    }
}

/// The trace id and flags of a `traceparent`.
fn parent_from(header: &str) -> Option<(&str, &str)> {
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut parts = header.split('-');
    let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_valid = version == "00"
        && is_hex(trace_id, 32)
        && is_hex(span_id, 16)
        && is_hex(flags, 2)
        && parts.next().is_none();
    is_valid.then_some((trace_id, flags))
}

const LABELS: &[&str] = &["method", "path", "status"];

static REQUESTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("foldforge_gateway_http_requests_total", "HTTP responses.", LABELS).unwrap()
});

static DURATIONS: LazyLock<HistogramVec> = LazyLock::new(|| {
    let options = histogram_opts!(
        "foldforge_gateway_http_request_duration_seconds",
        "Time from the headers of a request to its response.",
        vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]
    );
    register_histogram_vec!(options, LABELS).unwrap()
});

/// Gives each request its trace, counts it and logs it. Writes the body of an error, which has the trace id.
pub async fn observe(mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let is_idempotent = method == "GET" || request.headers().contains_key("idempotency-key");
    let trace = Trace::from_headers(request.headers());
    request.extensions_mut().insert(trace.clone());

    let mut response = next.run(request).await;
    let caller = response.extensions_mut().remove::<Caller>();
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        response = error.into_body(&trace.trace_id, is_idempotent);
    }

    let path = path.as_ref().map_or("(unmatched)", MatchedPath::as_str);
    let status = response.status();
    let labels = [method.as_str(), path, status.as_str()];
    let duration = start.elapsed();
    REQUESTS.with_label_values(&labels).inc();
    DURATIONS.with_label_values(&labels).observe(duration.as_secs_f64());
    tracing::info!(
        trace_id = trace.trace_id,
        span_id = trace.span_id,
        method = method.as_str(),
        path,
        status = status.as_u16(),
        duration_ms = duration.as_micros() as f64 / 1000.0,
        principal = caller.as_ref().and_then(Caller::principal),
        "request.completed"
    );
    response
}

pub async fn metrics() -> String {
    TextEncoder::new().encode_to_string(&prometheus::gather()).unwrap()
}
