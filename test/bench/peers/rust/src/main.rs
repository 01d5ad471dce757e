//! A gateway of the usual parts of Rust: axum, tonic, prost, tracing and prometheus, each with its defaults. The
//! benchmark compares FoldForge's gateway with it. Its duties, for three routes:
//!
//! - bearer authentication: the static admin token in constant time, API keys by SHA-256 and AuthenticateApiKey, behind
//!   a cache with a time to live, with one lookup at a time per key;
//! - GET one workflow, GET a page (page_size, page_token), POST a workflow;
//! - validation: unknown properties and query parameters, types, required fields, ids, tools, page_size, media type;
//! - ConsumeQuota before SubmitWorkflow, the X-RateLimit headers, Location, Idempotency-Key;
//! - the contract's JSON, and its errors with code, message, retryable and trace_id;
//! - on each call a deadline of 10 s, traceparent, tracestate and ff-principal, and nothing else of the client's;
//! - one line of JSON per request with its trace id, a counter and a histogram by method, path and status.
//!
//! It differs from FoldForge's gateway: an error has no details, no check of the DAG and no 402; times have
//! milliseconds; and it has no filter by state or label, no ETag, CORS, security headers, load shedding, retries,
//! keepalive or metrics of calls.

mod auth;
mod calls;
mod errors;
mod json;
mod observe;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use axum::serve::ListenerExt;
use tonic::transport::Endpoint;

use crate::errors::ApiError;

/// The code that is generated from the contract.
pub mod foldforge {
    pub mod common {
        pub mod v1 {
            tonic::include_proto!("foldforge.common.v1");
        }
    }
    pub mod orchestrator {
        pub mod v1 {
            tonic::include_proto!("foldforge.orchestrator.v1");
        }
    }
}

const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Takes the address of the orchestrator and, in API_TOKEN, the admin token. Logs its own url; ends with its stdin.
#[tokio::main]
async fn main() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    tracing_subscriber::fmt().json().flatten_event(true).init();

    let orchestrator = std::env::args().nth(1).expect("the address of the orchestrator");
    let token = std::env::var("API_TOKEN").expect("API_TOKEN");
    let channel = Endpoint::from_shared(orchestrator).unwrap().connect_lazy();
    let client = calls::Client::new(channel);
    let authenticator = Arc::new(auth::Authenticator::new(&token, client.clone()));

    let app = Router::new()
        .route("/v1/workflows", get(calls::list_workflows).post(calls::submit_workflow))
        .route("/v1/workflows/{id}", get(calls::get_workflow))
        .with_state(client)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .route_layer(from_fn_with_state(authenticator, auth::authenticate))
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .fallback(|| async { ApiError::no_such_path() })
        .layer(from_fn(observe::observe))
        .route("/metrics", get(observe::metrics));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tracing::info!(url = format!("http://{address}"), "server.started");
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await.unwrap();
}
