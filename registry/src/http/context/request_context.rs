//! One request as the handlers see it: who asks, under which URL, with which rights.

use std::fmt;

use actix_web::HttpRequest;
use actix_web::http::Method;

use super::app::App;
use super::origin::RequestOrigin;
use super::settings::HttpSettings;
use crate::auth::{Actions, ChallengeError, Decision, Principal, Scope};
use crate::http::error::ApiError;
use crate::http::routing::required_scope;
use crate::http::routing::route::Route;
use crate::oci::RepositoryName;

/// A request that was routed and whose sender is known.
pub(crate) struct RequestContext<'a> {
    pub(crate) app: &'a App,
    pub(crate) settings: &'a HttpSettings,
    pub(crate) request: &'a HttpRequest,
    pub(crate) origin: &'a RequestOrigin,
    pub(crate) principal: &'a Principal,
}

impl RequestContext<'_> {
    pub(crate) fn is_head(&self) -> bool {
        self.request.method() == Method::HEAD
    }

    /// A header's text; `None` when it is absent or no text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// The `Location` of `path` (beginning with `/v2/`), absolute when the public URL is known.
    pub(crate) fn location(&self, path: &str) -> String {
        let base = self.origin.base.as_deref().unwrap_or("");
        format!("{base}{}{path}", self.settings.prefix)
    }

    /// Whether the sender may pull from `repository`.
    pub(crate) fn may_pull(&self, repository: &RepositoryName) -> bool {
        self.decide(&Scope::repository(repository, Actions::PULL)) == Decision::Granted
    }

    /// Refuses unless the sender may do what `route` takes; where that is nothing, unless they are known at all.
    pub(crate) fn require(&self, route: &Route) -> Result<(), ApiError> {
        let scope = required_scope::required_scope(route);
        let decision = match &scope {
            Some(scope) => self.decide(scope),
            None => self.app.access.ping(self.principal),
        };
        match decision {
            Decision::Granted => Ok(()),
            Decision::NeedsLogin => {
                let scopes: Vec<_> = scope
                    .into_iter()
                    .chain(required_scope::mount_source_scope(route))
                    .collect();
                Err(ApiError::needs_login(
                    self.principal.account(),
                    &self.challenges(&scopes),
                ))
            }
            Decision::Denied => Err(ApiError::denied(scope.as_ref())),
        }
    }

    /// Tells the log what is about to be removed, and by whom; refuses when the log does not take that.
    pub(crate) async fn audit(&self, what: fmt::Arguments<'_>) -> Result<(), ApiError> {
        let user = self.principal.account().unwrap_or("-");
        let logged = (self.app.audit)(
            &|| tracing::info!(target: "audit", client = %self.origin.client, user, "audit: removing {what}"),
        );
        if logged.await {
            Ok(())
        } else {
            Err(ApiError::not_audited())
        }
    }

    /// Refuses to mount with a token that does not reach `source`, where the rules would grant one that does; the
    /// challenge names both scopes, as distribution's.
    pub(crate) fn require_mount(&self, source: &RepositoryName, target: &RepositoryName) -> Result<(), ApiError> {
        if self.may_pull(source) || !self.may_know_of(source) {
            return Ok(());
        }
        let scopes = [
            Scope::repository(target, Actions::PULL | Actions::PUSH),
            Scope::repository(source, Actions::PULL),
        ];
        Err(ApiError::needs_login(
            self.principal.account(),
            &self.challenges(&scopes),
        ))
    }

    /// Whether the sender may know that `repository` exists, where they did not name it.
    pub(crate) fn may_know_of(&self, repository: &RepositoryName) -> bool {
        self.app
            .access
            .may_know_of(self.principal, repository, self.origin.client)
    }

    fn decide(&self, scope: &Scope) -> Decision {
        self.app.access.authorize(self.principal, scope, self.origin.client)
    }

    fn challenges(&self, scopes: &[Scope]) -> Vec<String> {
        let error = match self.principal.by_token() {
            true => ChallengeError::InsufficientScope,
            false => ChallengeError::None,
        };
        let base = format!("{}{}", self.origin.realm_base, self.settings.prefix);
        self.app.access.challenge(scopes, &base, error)
    }
}
