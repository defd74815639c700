//! The debug listener, `http.debug`: health and metrics, for whoever looks after the registry. A server of its own: no
//! path of the registry leads here, and none from here to the registry.

use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse, HttpServer, web};
use lockgate_config::DebugServer;

use super::context::app::App;
use crate::control::Listener;

/// Of the text exposition format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A server for `listener`; to be run and dropped beside the registry's.
pub(crate) fn server(app: Arc<App>, listener: Listener, debug: &DebugServer) -> std::io::Result<Server> {
    let metrics = debug.prometheus.clone();
    let server = HttpServer::new(move || {
        let (app, metrics) = (app.clone(), metrics.clone());
        let answer = move |request: HttpRequest| {
            let response = respond(&app, metrics.as_deref(), &request);
            async { response }
        };
        actix_web::App::new().default_service(web::to(answer))
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(1);
    let server = match listener {
        Listener::Tcp(socket) => server.listen(socket)?,
        Listener::Unix(socket) => server.listen_uds(socket)?,
    };
    Ok(server.run())
}

fn respond(app: &App, metrics: Option<&str>, request: &HttpRequest) -> HttpResponse {
    if !request.method().is_safe() {
        return HttpResponse::NotFound().finish();
    }
    match request.path() {
        "/debug/health" => health(app),
        path if Some(path) == metrics => HttpResponse::Ok()
            .content_type(EXPOSITION)
            .body(app.metrics.as_ref().map(|metrics| metrics.text()).unwrap_or_default()),
        _ => HttpResponse::NotFound().finish(),
    }
}

/// As distribution answers: the checks that failed, each with its reason; 503 when there is one.
fn health(app: &App) -> HttpResponse {
    let failed: serde_json::Map<_, _> = app
        .health
        .problem()
        .map(|reason| ("storagedriver_filesystem".to_owned(), (*reason).clone().into()))
        .into_iter()
        .collect();
    let mut response = match failed.is_empty() {
        true => HttpResponse::Ok(),
        false => HttpResponse::ServiceUnavailable(),
    };
    response.content_type(ContentType::json()).json(failed)
}
