//! The account at the ACME server: made once, its key kept in the store.

use instant_acme::{Account, AccountCredentials, Error, NewAccount};
use lockgate_files::WriteError;

use super::http::AcmeHttpClient;
use super::store::AcmeStore;

/// Why there is no account.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error("the account: {0}")]
    Acme(#[from] Error),
    #[error("{}: not understood: {source}; move it away for a new account", .path.display())]
    Malformed {
        path: std::path::PathBuf,
        source: serde_json::Error,
    },
    #[error("{}: {source}", .path.display())]
    Read {
        path: std::path::PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// The account that is kept, or a new one. A new one agrees to the server's terms, as distribution does.
pub(super) async fn account(
    http: &AcmeHttpClient,
    store: &AcmeStore,
    directory: &str,
    email: &str,
) -> Result<Account, AccountError> {
    let path = store.account();
    match std::fs::read(&path) {
        Ok(text) => {
            let kept: AccountCredentials = serde_json::from_slice(&text).map_err(|source| AccountError::Malformed {
                path: path.clone(),
                source,
            })?;
            Ok(builder(http).from_credentials(kept).await?)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => create(http, store, directory, email).await,
        Err(source) => Err(AccountError::Read { path, source }),
    }
}

/// Puts the kept account aside, which the server does not know any more, and makes another.
pub(super) async fn replace(
    http: &AcmeHttpClient,
    store: &AcmeStore,
    directory: &str,
    email: &str,
) -> Result<Account, AccountError> {
    let path = store.account();
    tracing::warn!(
        "the ACME server does not know the account in {}: making another",
        path.display()
    );
    std::fs::rename(&path, path.with_extension("json.unknown")).map_err(|source| AccountError::Read {
        path: path.clone(),
        source,
    })?;
    create(http, store, directory, email).await
}

async fn create(
    http: &AcmeHttpClient,
    store: &AcmeStore,
    directory: &str,
    email: &str,
) -> Result<Account, AccountError> {
    let contact = format!("mailto:{email}");
    let contacts = [contact.as_str()];
    let new = NewAccount {
        contact: if email.is_empty() { &[] } else { &contacts },
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let (account, credentials) = builder(http).create(&new, directory.to_owned(), None).await?;
    let text = serde_json::to_string(&credentials).expect("texts can be written");
    store.write(&store.account(), &text)?;
    tracing::info!(
        directory,
        "registered an ACME account and agreed to the terms of service"
    );
    Ok(account)
}

fn builder(http: &AcmeHttpClient) -> instant_acme::AccountBuilder {
    Account::builder_with_http(Box::new(http.clone()))
}
