//! Accepts connections, serves them, and lets them end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use arc_swap::ArcSwap;
use lockgate_files::BufferPool;
use pingora::apps::{HttpServerApp, HttpServerOptions, ServerApp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};
use rustix::net::sockopt;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::downstream::connection::Connection;
use crate::downstream::head::{self, ReceivedHead};
use crate::downstream::limits::{
    ACCEPT_BACKOFF, H2_CONNECTION_WINDOW, H2_STREAM_WINDOW, HANDSHAKE_TIMEOUT, MAX_HEAD_SIZE, MAX_REFUSED_CONNECTIONS,
};
use crate::downstream::plain_http;
use crate::downstream::socket::BufferedSocket;
use crate::downstream::tls::Tls;
use crate::downstream::transport::Transport;
use crate::request::active_count::{ActiveCount, ActiveGuard};
use crate::request::connection_info::ConnectionInfo;
use crate::request::error::{ErrorCode, ProxyError};
use crate::request::error_response::to_http1;
use crate::request::head_error::HeadError;
use crate::request::limits::{DRAIN_GRACE, LEAVE_GRACE};
use crate::request::raw_head::RawHead;
use crate::request::service::Service;
use crate::request::settings::ProxySettings;
use crate::request::shutdown::Shutdown;
use crate::request::{access_log, redirect};

/// What a listening socket is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ListenerPurpose {
    /// Serves the registry at this port.
    Public(u16),
    /// Answers 301 to https at this port.
    Redirect(u16),
}

/// What all connections share.
pub(crate) struct Server {
    proxy: Arc<HttpProxy<Service>>,
    settings: Arc<ArcSwap<ProxySettings>>,
    tls: Option<Arc<Tls>>,
    buffers: BufferPool,
    connections: ActiveCount,
    requests: ActiveCount,
    shutdown: watch::Sender<Shutdown>,
    /// The same for Pingora, which knows only one way to end.
    draining: watch::Sender<bool>,
    cut: watch::Sender<bool>,
}

impl Server {
    /// A server that accepts nothing yet.
    pub(crate) fn new(service: Service, tls: Option<Arc<Tls>>) -> Self {
        let conf = ServerConf {
            // The registry's own answer decides how often a request is sent again, not a count.
            max_retries: usize::MAX,
            // No upstream speaks TLS: the machine's authorities need not be read.
            ca_file: Some("/dev/null".to_owned()),
            ..ServerConf::default()
        };
        let (settings, buffers, requests, shutdown) = (
            service.settings.clone(),
            service.buffers.clone(),
            service.requests.clone(),
            service.shutdown.clone(),
        );
        let mut proxy = http_proxy(&Arc::new(conf), service);
        let mut options = HttpServerOptions::default();
        options.h2_idle_timeout = Some(settings.load().limits.idle_timeout);
        proxy.server_options = Some(options);
        proxy.h2_options = Some(h2_options());
        Self {
            proxy: Arc::new(proxy),
            settings,
            tls,
            buffers,
            connections: ActiveCount::default(),
            requests,
            shutdown,
            draining: watch::Sender::new(false),
            cut: watch::Sender::new(false),
        }
    }

    /// Accepts connections until drained.
    pub(crate) async fn accept(self: Arc<Self>, listener: TcpListener, purpose: ListenerPurpose) {
        let mut draining = self.draining.subscribe();
        let mut is_exhausted = false;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = draining.wait_for(|draining| *draining) => break,
            };
            match accepted {
                Ok((tcp, remote)) => {
                    is_exhausted = false;
                    self.clone().spawn(tcp, remote, purpose);
                }
                // The client left before it was accepted.
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Once per shortage: the loop goes on trying, the log stays readable.
                    if !std::mem::replace(&mut is_exhausted, true) {
                        tracing::error!(%error, "no further connections can be accepted; trying again");
                    }
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
        self.accept_backlog(&listener, purpose);
    }

    /// Accepts those whom the kernel has connected already: nobody else would.
    fn accept_backlog(self: &Arc<Self>, listener: &TcpListener, purpose: ListenerPurpose) {
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Ok((tcp, remote))) = listener.poll_accept(&mut context) {
            self.clone().spawn(tcp, remote, purpose);
        }
    }

    /// Accepts no more, and lets what is in flight end, however long it takes: others serve already.
    pub(crate) async fn leave(&self) {
        self.end(Shutdown::Leaving);
        self.settled(LEAVE_GRACE).await;
        self.cut.send_replace(true);
    }

    /// Accepts no more, lets what is in flight end, cuts what is left after `http.draintimeout`.
    pub(crate) async fn drain(&self) {
        self.end(Shutdown::Draining);
        let deadline = self.settings.load().drain_timeout;
        tokio::select! {
            () = self.settled(DRAIN_GRACE) => {}
            () = tokio::time::sleep(deadline) => {
                tracing::warn!(requests = self.requests.open(), "requests are cut: http.draintimeout is over");
            }
        }
        self.cut.send_replace(true);
    }

    fn end(&self, shutdown: Shutdown) {
        self.shutdown.send_replace(shutdown);
        self.draining.send_replace(true);
    }

    /// Completes when no connection is open, or none with a request. `grace`: how long connections may rest.
    async fn settled(&self, grace: Duration) {
        // A client that went away without a word may hold a connection, but no request.
        let all_answered = async {
            tokio::time::sleep(grace * 4).await;
            self.requests.empty().await;
        };
        tokio::select! {
            () = self.connections.empty() => {}
            () = all_answered => {}
        }
    }

    /// Serves a connection in a task of its own.
    fn spawn(self: Arc<Self>, tcp: TcpStream, remote: SocketAddr, purpose: ListenerPurpose) {
        let limit = self.settings.load().limits.max_connections;
        let open = self.connections.open();
        if open >= limit.saturating_add(MAX_REFUSED_CONNECTIONS) {
            tracing::debug!(%remote, open, "too many connections, closed");
            return;
        }
        let guard = self.connections.enter();
        let mut cut = self.cut.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                () = self.serve(tcp, remote, purpose, open >= limit, guard) => {}
                _ = cut.wait_for(|cut| *cut) => {}
            }
        });
    }

    /// Serves a connection to its end; `refused`: it is one too many.
    async fn serve(
        &self,
        tcp: TcpStream,
        remote: SocketAddr,
        purpose: ListenerPurpose,
        refused: bool,
        guard: ActiveGuard,
    ) {
        if let Err(error) = prepare(&tcp) {
            tracing::debug!(%remote, %error, "the client left");
            return;
        }
        let tls = matches!(purpose, ListenerPurpose::Public(_)) && self.tls.is_some();
        let info = Arc::new(ConnectionInfo {
            remote,
            tls,
            refused,
            answered_early: AtomicBool::new(false),
        });
        let idle = self.settings.load().limits.idle_timeout;
        let socket = BufferedSocket::new(tcp, self.buffers.clone());
        let Some(transport) = self.handshake(socket, &info).await else {
            return;
        };
        let connection = Connection::new(transport, info, idle, guard);
        match purpose {
            ListenerPurpose::Public(port) if tls && connection.is_plain() => {
                self.refuse_plain_http(connection, port).await;
            }
            ListenerPurpose::Public(_) if connection.is_http2() => self.serve_http2(connection).await,
            ListenerPurpose::Public(_) => self.serve_http1(connection).await,
            ListenerPurpose::Redirect(port) => self.serve_redirect(connection, port).await,
        }
    }

    async fn handshake(&self, mut socket: BufferedSocket, peer: &ConnectionInfo) -> Option<Transport> {
        let Some(tls) = self.tls.as_ref().filter(|_| peer.tls) else {
            return Some(Transport::Plain(socket));
        };
        let challenges = self.settings.load().challenges.clone();
        let handshake = async {
            if plain_http::begins(socket.first_byte().await?) {
                return Ok(Some(Transport::Plain(socket)));
            }
            let accepted = tls.accept(socket, challenges.as_deref()).await?;
            Ok::<_, io::Error>(accepted.map(|stream| Transport::Tls(Box::new(stream))))
        };
        match timeout(HANDSHAKE_TIMEOUT, handshake).await {
            Ok(Ok(transport)) => transport,
            // Scanners and clients that do not trust the certificate: common, and nobody's fault here.
            Ok(Err(error)) => {
                tracing::debug!(remote = %peer.remote, %error, "TLS handshake failed");
                None
            }
            Err(_) => {
                tracing::debug!(remote = %peer.remote, "TLS handshake took too long");
                None
            }
        }
    }

    async fn serve_http2(&self, connection: Connection) {
        // Pingora announces the end (GOAWAY) when the watch changes; a refused connection ends with its first answers.
        let (ended, end) = watch::channel(false);
        let shutdown = if connection.peer().refused {
            ended.send_replace(true);
            end
        } else {
            self.draining.subscribe_unseen()
        };
        self.proxy.process_new(Box::new(connection), &shutdown).await;
    }

    async fn serve_http1(&self, mut connection: Connection) {
        let (mut shutdown, draining) = (self.shutdown.subscribe(), self.draining.subscribe());
        let mut kept = None;
        loop {
            let idle = self.settings.load().limits.idle_timeout;
            let head = match head::read(&mut connection, idle, &mut shutdown).await {
                ReceivedHead::Complete(head) => head,
                ReceivedHead::Gone => return connection.close().await,
                ReceivedHead::Refused(error) => return self.refuse(connection, error).await,
            };
            let mut session = ServerSession::new_http1(Box::new(connection));
            match kept.take() {
                Some(settings) => pingora::apps::HttpPersistentSettings::apply_to_session(settings, &mut session),
                None => session.set_keepalive(Some(0)),
            }
            // Not pipelining in Pingora's sense: this is the very request the session is for.
            session.set_pipelined_prefix(head);
            let Some(reused) = self.proxy.process_new_http(session, &draining).await else {
                return;
            };
            let (stream, settings) = reused.consume();
            let Ok(same) = stream.into_any().downcast::<Connection>() else {
                return;
            };
            connection = *same;
            kept = settings;
        }
    }

    async fn serve_redirect(&self, mut connection: Connection, port: u16) {
        let mut shutdown = self.shutdown.subscribe();
        let settings = self.settings.load_full();
        let head = match head::read(&mut connection, settings.limits.idle_timeout, &mut shutdown).await {
            ReceivedHead::Complete(head) => head,
            ReceivedHead::Gone => return connection.close().await,
            ReceivedHead::Refused(error) => return self.refuse(connection, error).await,
        };
        let head = RawHead::parse(&head);
        let (status, answer) = redirect::answer(head, settings.host.as_ref(), port, settings.challenges.as_deref());
        if settings.access_log {
            access_log::write_short(connection.peer().remote.ip(), head, status);
        }
        answer_and_close(connection, &answer).await;
    }

    /// Answers plain HTTP where TLS is spoken.
    async fn refuse_plain_http(&self, mut connection: Connection, port: u16) {
        let mut shutdown = self.shutdown.subscribe();
        let settings = self.settings.load_full();
        let head = match head::read(&mut connection, HANDSHAKE_TIMEOUT, &mut shutdown).await {
            ReceivedHead::Complete(head) => head,
            ReceivedHead::Gone => return connection.close().await,
            ReceivedHead::Refused(error) => return self.refuse(connection, error).await,
        };
        let head = RawHead::parse(&head);
        tracing::debug!(remote = %connection.peer().remote, "plain HTTP on the port for HTTPS");
        if settings.access_log {
            access_log::write_short(connection.peer().remote.ip(), head, ErrorCode::PlainHttp.status());
        }
        answer_and_close(connection, &plain_http::answer(head, &settings, port)).await;
    }

    async fn refuse(&self, connection: Connection, error: HeadError) {
        let error = ProxyError::from(error);
        let (remote, status) = (connection.peer().remote, error.status());
        tracing::debug!(%remote, status, reason = error.message(), "refused");
        if self.settings.load().access_log {
            access_log::write_short(remote.ip(), None, status);
        }
        answer_and_close(connection, &to_http1(&error)).await;
    }
}

/// A receiver for which the present value counts as news.
trait SubscribeUnseen {
    fn subscribe_unseen(&self) -> watch::Receiver<bool>;
}

impl SubscribeUnseen for watch::Sender<bool> {
    fn subscribe_unseen(&self) -> watch::Receiver<bool> {
        let mut receiver = self.subscribe();
        if *receiver.borrow() {
            receiver.mark_changed();
        }
        receiver
    }
}

async fn answer_and_close(mut connection: Connection, answer: &[u8]) {
    // Whatever follows the head is not read; the answer must survive it.
    connection.peer().answered_early.store(true, Ordering::Relaxed);
    if connection.write_all(answer).await.is_ok() {
        let _ = connection.flush().await;
    }
}

fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    // A client whose machine vanished is found within two minutes.
    sockopt::set_socket_keepalive(tcp, true)?;
    sockopt::set_tcp_keepidle(tcp, Duration::from_secs(60))?;
    sockopt::set_tcp_keepintvl(tcp, Duration::from_secs(15))?;
    sockopt::set_tcp_keepcnt(tcp, 4)?;
    Ok(())
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, TimedOut};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | TimedOut
    )
}

fn h2_options() -> H2Options {
    let mut options = default_h2_options();
    options.initial_window_size(H2_STREAM_WINDOW);
    options.initial_connection_window_size(H2_CONNECTION_WINDOW);
    options.max_header_list_size(u32::try_from(MAX_HEAD_SIZE).unwrap_or(u32::MAX));
    options
}
