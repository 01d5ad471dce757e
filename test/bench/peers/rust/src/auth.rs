use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use moka::future::Cache;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::calls::{self, Client};
use crate::errors::ApiError;
use crate::foldforge::orchestrator::v1::AuthenticateApiKeyRequest;
use crate::observe::Trace;

const CACHE_TTL: Duration = Duration::from_secs(30);
const CACHE_SIZE: u64 = 10_000;

/// Who makes a request.
#[derive(Clone)]
pub enum Caller {
    Admin,
    Key { hash: String, principal: Arc<str> },
}

impl Caller {
    pub fn principal(&self) -> Option<&str> {
        match self {
            Self::Admin => None,
            Self::Key { principal, .. } => Some(principal),
        }
    }
}

pub struct Authenticator {
    admin_digest: [u8; 32],
    client: Client,
    /// Principals by the hash of their key, and the keys that were denied, apart so that junk displaces no good key.
    allowed: Cache<String, Arc<str>>,
    denied: Cache<String, ()>,
}

impl Authenticator {
    pub fn new(admin_token: &str, client: Client) -> Self {
        Self {
            admin_digest: Sha256::digest(admin_token).into(),
            client,
            allowed: Cache::builder().max_capacity(CACHE_SIZE).time_to_live(CACHE_TTL).build(),
            denied: Cache::builder().max_capacity(CACHE_SIZE).time_to_live(CACHE_TTL).build(),
        }
    }

    async fn authenticate(&self, headers: &HeaderMap, trace: &Trace) -> Result<Caller, ApiError> {
        let token = bearer_token(headers).ok_or_else(ApiError::unauthenticated)?;
        let digest: [u8; 32] = Sha256::digest(token).into();
        if digest.ct_eq(&self.admin_digest).into() {
            return Ok(Caller::Admin);
        }
        let hash = hex::encode(digest);
        let principal = match self.allowed.get(&hash).await {
            Some(principal) => principal,
            None => self.look_up(&hash, trace).await?,
        };
        Ok(Caller::Key { hash, principal })
    }

    /// Asks the orchestrator for a key, once for all requests that wait for it.
    async fn look_up(&self, hash: &str, trace: &Trace) -> Result<Arc<str>, ApiError> {
        if self.denied.contains_key(hash) {
            return Err(ApiError::unauthenticated());
        }
        let request = async {
            let message = AuthenticateApiKeyRequest { key_hash: hash.to_owned() };
            let request = calls::request(message, trace, &Caller::Admin);
            let response = self.client.clone().authenticate_api_key(request).await;
            let response = response.map_err(|_| ApiError::unavailable())?.into_inner();
            if !response.allowed {
                self.denied.insert(hash.to_owned(), ()).await;
                return Err(ApiError::unauthenticated());
            }
            Ok(response.principal.into())
        };
        let result = self.allowed.try_get_with_by_ref(hash, request).await;
        result.map_err(|error| (*error).clone())
    }
}

/// Runs after the route has matched and before the body is read.
pub async fn authenticate(
    State(authenticator): State<Arc<Authenticator>>,
    mut request: Request,
    next: Next,
) -> Response {
    let trace = request.extensions().get::<Trace>().expect("observe runs first").clone();
    match authenticator.authenticate(request.headers(), &trace).await {
        Err(error) => error.into_response(),
        Ok(caller) => {
            request.extensions_mut().insert(caller.clone());
            let mut response = next.run(request).await;
            response.extensions_mut().insert(caller);
            response
        }
    }
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim_start();
    let is_token = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ');
    is_token.then_some(token)
}
