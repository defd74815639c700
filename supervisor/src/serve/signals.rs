//! Signals of a serving process: a thread of their own waits for them, since handlers may do next to nothing.

use std::io;

use lockgate_config::{Config, Home};
use nix::sys::signal::Signal;
use tokio::sync::{mpsc, watch};

use crate::logging::Logging;
use crate::source::{Source, explain};
use crate::supervise::signals::heard;

/// Reloads that may wait while one is applied.
const RELOADS: usize = 4;

/// What a serving process has been told.
#[derive(Debug, Clone)]
pub(super) struct Orders(watch::Receiver<u32>);

impl Orders {
    /// Completes when told to drain.
    pub(super) fn drain(&self) -> impl Future<Output = ()> + Send + 'static {
        self.told(1)
    }

    /// Completes when told a second time.
    pub(super) fn end_now(&self) -> impl Future<Output = ()> + Send + 'static {
        self.told(2)
    }

    fn told(&self, times: u32) -> impl Future<Output = ()> + Send + 'static {
        let mut orders = self.0.clone();
        async move {
            if orders.wait_for(|told| *told >= times).await.is_err() {
                // Nobody can tell any more.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Blocks the signals in every thread that comes after, and starts the one that waits for them.
///
/// Ctrl-C reaches the whole foreground process group: a supervised process leaves it to its supervisor, which decides
/// who drains first.
pub(super) fn listen(
    source: Source,
    home: Home,
    logging: Logging,
    supervised: bool,
) -> io::Result<(Orders, mpsc::Receiver<Config>)> {
    heard().thread_block()?;
    let (order, orders) = watch::channel(0);
    let (reload, reloads) = mpsc::channel(RELOADS);
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        loop {
            match heard().wait() {
                Ok(Signal::SIGINT) if supervised => {}
                Ok(Signal::SIGTERM | Signal::SIGINT) => order.send_modify(|told| *told += 1),
                Ok(Signal::SIGHUP) => read_again(&source, &home, &logging, &reload),
                Ok(Signal::SIGUSR1) => logging.reopen(),
                Ok(_) => {}
                Err(errno) => tracing::error!("cannot wait for signals: {errno}"),
            }
        }
    })?;
    Ok((Orders(orders), reloads))
}

/// A configuration with mistakes is told about and changes nothing.
fn read_again(source: &Source, home: &Home, logging: &Logging, reload: &mpsc::Sender<Config>) {
    match source.load() {
        Ok(accepted) => {
            logging.reload(&accepted.config.log, &home.log());
            if reload.try_send(accepted.config).is_err() {
                tracing::warn!("not reloaded: earlier reloads are still being applied");
            }
        }
        Err(error) => {
            for line in explain(&error) {
                tracing::error!("the old configuration goes on: {line}");
            }
        }
    }
}
