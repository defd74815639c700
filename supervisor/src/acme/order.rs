//! One order: prove each name, get a certificate for all of them.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, ChallengeType, Error, Identifier, NewOrder, Order, OrderStatus,
    RetryPolicy,
};
use lockgate_certs::challenge::AcmeChallengeError;

use super::account::{self, AccountError};
use super::challenge::{ChallengeKind, ChallengeResponder};
use super::error_chain::explain;
use super::http::AcmeHttpClient;
use super::store::AcmeStore;

/// How long the server may take to validate the challenges, and to sign.
const SERVER_TIMEOUT: Duration = Duration::from_secs(90);

/// The error type of RFC 8555 section 6.7 for an account that the server has forgotten.
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// One order: names, account and challenges.
pub(super) struct OrderRequest<'a> {
    pub(super) store: &'a AcmeStore,
    /// The URL of the server's directory (RFC 8555 section 7.1.1).
    pub(super) directory: &'a str,
    /// Empty when there is none.
    pub(super) email: &'a str,
    pub(super) hosts: &'a [String],
    /// Challenges to try, the preferred one first.
    pub(super) kinds: &'a [ChallengeKind],
    pub(super) responder: &'a ChallengeResponder,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("{}", explain(.0))]
    Account(#[from] AccountError),
    /// The server refused a step, or could not be reached.
    #[error("{what}: {}", explain(.source))]
    Acme { what: &'static str, source: Error },
    /// Names that the server could not validate, each with its reason.
    #[error("{0}")]
    Unproven(String),
    #[error("{host}: the server offers none of the challenges that can be answered here ({tried})")]
    NoChallenge { host: String, tried: String },
    #[error("{host}: the challenge cannot be answered: {source}")]
    Answer { host: String, source: AcmeChallengeError },
    /// The order has an unexpected state.
    #[error("the order became {0:?}")]
    State(OrderStatus),
}

/// Orders a certificate; returns its key and chain as one PEM text.
pub(super) async fn order(http: &AcmeHttpClient, request: &OrderRequest<'_>) -> Result<String, OrderError> {
    let account = account::account(http, request.store, request.directory, request.email).await?;
    let mut order = match begin(&account, request.hosts).await {
        Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
            let account = account::replace(http, request.store, request.directory, request.email).await?;
            begin(&account, request.hosts).await
        }
        begun => begun,
    }
    .map_err(|source| failed("the order was not taken", source))?;

    prove(&mut order, request).await?;
    let policy = RetryPolicy::new().timeout(SERVER_TIMEOUT);
    let ready = order.poll_ready(&policy).await;
    if !matches!(ready, Ok(OrderStatus::Ready | OrderStatus::Valid)) {
        let unproven = unproven(&mut order).await;
        return Err(match ready {
            _ if !unproven.is_empty() => OrderError::Unproven(unproven.join("; ")),
            Ok(status) => OrderError::State(status),
            Err(source) => failed("the names were not looked at", source),
        });
    }
    let key = order
        .finalize()
        .await
        .map_err(|source| failed("the request was not taken", source))?;
    let chain = order
        .poll_certificate(&policy)
        .await
        .map_err(|source| failed("the certificate was not made", source))?;
    Ok(key + &chain)
}

async fn begin(account: &Account, hosts: &[String]) -> Result<Order, Error> {
    let identifiers: Vec<_> = hosts.iter().cloned().map(Identifier::Dns).collect();
    account.new_order(&NewOrder::new(&identifiers)).await
}

async fn prove(order: &mut Order, request: &OrderRequest<'_>) -> Result<(), OrderError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let authorization = authorization.map_err(|source| failed("the names' states are not known", source))?;
        // Proven in an earlier order, and remembered.
        if authorization.status != AuthorizationStatus::Valid {
            answer(authorization, request).await?;
        }
    }
    Ok(())
}

async fn answer(mut authorization: AuthorizationHandle<'_>, request: &OrderRequest<'_>) -> Result<(), OrderError> {
    let host = authorization.identifier().to_string();
    let offered = |kind: &&ChallengeKind| {
        let challenges = &authorization.challenges;
        challenges.iter().any(|challenge| challenge.r#type == kind.acme())
    };
    let no_challenge = || OrderError::NoChallenge {
        host: host.clone(),
        tried: request
            .kinds
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    };
    let kind = *request.kinds.iter().find(offered).ok_or_else(no_challenge)?;
    let mut challenge = authorization.challenge(kind.acme()).ok_or_else(no_challenge)?;
    tracing::info!(host, challenge = %kind, "answering a challenge");
    request
        .responder
        .put(kind, &host, &challenge.token, &challenge.key_authorization())
        .map_err(|source| OrderError::Answer {
            host: host.clone(),
            source,
        })?;
    challenge
        .set_ready()
        .await
        .map_err(|source| failed("a challenge was not taken", source))
}

/// The server's reason for each challenge that failed.
async fn unproven(order: &mut Order) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if authorization.refresh().await.is_err() {
            continue;
        }
        let host = authorization.identifier().to_string();
        for challenge in &authorization.challenges {
            if let Some(problem) = &challenge.error {
                let detail = problem.detail.as_deref().unwrap_or("no reason given");
                reasons.push(format!("{host}: {} failed: {detail}", name(&challenge.r#type)));
            }
        }
    }
    reasons
}

fn name(kind: &ChallengeType) -> String {
    match kind {
        ChallengeType::Http01 => ChallengeKind::Http.to_string(),
        ChallengeType::TlsAlpn01 => ChallengeKind::TlsAlpn.to_string(),
        other => format!("{other:?}"),
    }
}

fn failed(what: &'static str, source: Error) -> OrderError {
    OrderError::Acme { what, source }
}
