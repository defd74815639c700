//! The server: actix-http over connections of our own.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol};
use actix_service::{IntoServiceFactory as _, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::dev::{AppConfig, Server};
use actix_web::web;
use lockgate_admission::open_file_limit;
use lockgate_config::Config;
use lockgate_wire::REGISTRY_KEEP_ALIVE;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::connection::Connection;
use super::context::app::App;
use super::serve::serve;
use crate::control::{Frontend, Listener};

/// How long a connection that is over may take to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Answers are written in one piece up to this size.
const WRITE_BUFFER: usize = 64 * 1024;

/// What actix-http calls a connection.
type Accepted<S> = (Connection<S>, Protocol, Option<SocketAddr>);

/// How a server treats its clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerLimits {
    /// How long what is in flight has when it is told to stop.
    pub(crate) drain_timeout: Duration,
    /// How many connections are open at once; further ones wait to be accepted. `None` leaves it to who is in front.
    pub(crate) connections: Option<usize>,
}

impl ServerLimits {
    pub(crate) fn new(config: &Config, frontend: Frontend) -> Self {
        let http = &config.http;
        let connections = http.limits.within(open_file_limit()).max_connections;
        Self {
            // Whoever says that it is over has a deadline of their own: the shorter of the two, or the longer after a
            // hand-over.
            drain_timeout: http.drain_timeout.max(http.hand_over_timeout),
            connections: (frontend == Frontend::Other).then_some(connections),
        }
    }
}
pub(crate) fn server(app: Arc<App>, listener: Listener, limits: ServerLimits) -> io::Result<Server> {
    let app = web::Data::from(app);
    let workers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut builder = Server::build().workers(workers);
    if let Some(connections) = limits.connections {
        builder = builder.max_concurrent_connections((connections / workers).max(1));
    }
    let builder = builder
        .disable_signals()
        .shutdown_timeout(limits.drain_timeout.as_secs().max(1));
    let signal = builder.graceful_shutdown_signal();
    let stopping = move || {
        let signal = signal.clone();
        async move { signal.notified().await }
    };
    let server = match listener {
        Listener::Tcp(socket) => builder.listen("registry", socket, move || {
            let accept = |socket: TcpStream| async {
                let peer = socket.peer_addr().ok();
                Ok((Connection::new(socket), Protocol::Http1, peer))
            };
            fn_service(accept).and_then(service(app.clone(), stopping.clone()))
        })?,
        Listener::Unix(socket) => builder.listen_uds("registry", socket, move || {
            let accept = |socket: UnixStream| async { Ok((Connection::new(socket), Protocol::Http1, None)) };
            fn_service(accept).and_then(service(app.clone(), stopping.clone()))
        })?,
    };
    Ok(server.run())
}

/// Serves HTTP/1.1 on accepted connections.
fn service<S, F>(
    app: web::Data<App>,
    stopping: impl Fn() -> F + 'static,
) -> impl ServiceFactory<Accepted<S>, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    F: Future<Output = ()> + 'static,
{
    let answers = actix_web::App::new()
        .app_data(app)
        .default_service(web::to(serve))
        .into_factory()
        .map_err(|error: actix_web::Error| error.error_response());
    HttpService::build()
        .graceful_shutdown_signal(stopping)
        .on_connect_ext(|connection: &Connection<S>, data| {
            data.insert(connection.broken());
        })
        .keep_alive(REGISTRY_KEEP_ALIVE)
        // The connection has its own.
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(CLOSE_TIMEOUT)
        .h1_allow_half_closed(false)
        .h1_write_buffer_size(WRITE_BUFFER)
        .finish(map_config(answers, |()| AppConfig::default()))
}
