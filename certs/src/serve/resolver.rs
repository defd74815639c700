//! Certificates by SNI that follow their files: a new pair is picked up without a restart, a wrong one is refused and
//! the old one goes on.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use lockgate_files::Stamp;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::x509::HostName;
use crate::x509::load::{self, CertificateFiles, LoadError};

/// Chooses the certificate of a connection: the exact name, then a wildcard over one label, then the default.
pub struct Resolver {
    /// What handshakes read, without a lock.
    table: ArcSwap<Table>,
    /// What the files were when last looked at.
    watched: Mutex<Vec<Watched>>,
}

/// What [`Resolver::refresh`] found, once for each change of the files.
#[derive(Debug)]
pub enum ReloadEvent {
    /// New handshakes get the new certificate.
    Reloaded {
        /// The alias that it is for; `None`: the default.
        name: Option<HostName>,
        /// The certificate's file, which may be a copy of the one that is configured.
        certificate: PathBuf,
    },
    /// The new files are wrong or half written; the old certificate goes on.
    Refused {
        /// The alias that it is for; `None`: the default.
        name: Option<HostName>,
        /// The certificate's file, which may be a copy of the one that is configured.
        certificate: PathBuf,
        /// Why the new pair cannot be used.
        error: LoadError,
    },
}

impl fmt::Display for ReloadEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Reloaded { name, .. } | Self::Refused { name, .. }) = self;
        let of_name = name.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
        match self {
            Self::Reloaded { .. } => write!(f, "the certificate{of_name} was reloaded"),
            // The error names the file.
            Self::Refused { error, .. } => {
                write!(
                    f,
                    "the new certificate{of_name} is refused, the old one goes on: {error}"
                )
            }
        }
    }
}

impl Resolver {
    /// Loads every pair. `aliases` are SNI names (`*.example.com` covers one label) with a certificate of their own.
    pub fn new(default: CertificateFiles, aliases: Vec<(String, CertificateFiles)>) -> Result<Arc<Self>, LoadError> {
        let watched = load_all(default, aliases)?;
        Ok(Arc::new(Self {
            table: ArcSwap::from_pointee(Table::of(&watched)),
            watched: Mutex::new(watched),
        }))
    }

    /// Takes another set of pairs, all or, when one of them cannot be used, none.
    pub fn replace(
        &self,
        default: CertificateFiles,
        aliases: Vec<(String, CertificateFiles)>,
    ) -> Result<(), LoadError> {
        let new = load_all(default, aliases)?;
        let mut watched = self.watched();
        self.table.store(Arc::new(Table::of(&new)));
        *watched = new;
        Ok(())
    }

    /// Looks whether files have changed (two `stat` calls a pair) and reloads those pairs. Call it about once a second.
    pub fn refresh(&self) -> Vec<ReloadEvent> {
        let mut watched = self.watched();
        let events: Vec<ReloadEvent> = watched.iter_mut().filter_map(Watched::refresh).collect();
        if events.iter().any(|event| matches!(event, ReloadEvent::Reloaded { .. })) {
            self.table.store(Arc::new(Table::of(&watched)));
        }
        events
    }

    fn watched(&self) -> MutexGuard<'_, Vec<Watched>> {
        // A panic between two fields of a pair cannot happen: every change is one assignment.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.table.load().select(hello.server_name()).clone())
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table.load();
        f.debug_struct("Resolver")
            .field("exact", &table.exact.keys())
            .field("wildcards", &table.wildcards.keys())
            .finish_non_exhaustive()
    }
}

struct Table {
    default: Arc<CertifiedKey>,
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// Wildcards by the name that follows their `*.`.
    wildcards: HashMap<String, Arc<CertifiedKey>>,
}

impl Table {
    /// The first of `watched` is the default.
    fn of(watched: &[Watched]) -> Self {
        let mut table = Self {
            default: watched[0].current.clone(),
            exact: HashMap::new(),
            wildcards: HashMap::new(),
        };
        for one in watched {
            let Some(name) = &one.name else { continue };
            let (names, name) = match name.as_str().strip_prefix("*.") {
                Some(parent) => (&mut table.wildcards, parent),
                None => (&mut table.exact, name.as_str()),
            };
            names.insert(name.to_owned(), one.current.clone());
        }
        table
    }

    /// SNI compares without regard to case (RFC 6066 section 3).
    fn select(&self, server_name: Option<&str>) -> &Arc<CertifiedKey> {
        let (false, Some(name)) = (self.exact.is_empty() && self.wildcards.is_empty(), server_name) else {
            return &self.default;
        };
        let name = name.to_ascii_lowercase();
        let wildcard = || name.split_once('.').and_then(|(_, parent)| self.wildcards.get(parent));
        self.exact.get(&name).or_else(wildcard).unwrap_or(&self.default)
    }
}

struct Watched {
    /// The SNI name; `None` for the certificate of all other names.
    name: Option<HostName>,
    pair: CertificateFiles,
    stamps: [Option<Stamp>; 2],
    /// The stamps of a pair that could not be used when it was seen first.
    unfit: Option<[Option<Stamp>; 2]>,
    current: Arc<CertifiedKey>,
}

impl Watched {
    fn load(name: Option<HostName>, pair: CertificateFiles) -> Result<Self, LoadError> {
        // Stamped before it is read: a change in between is seen as one by the next look.
        let stamps = pair.stamps();
        let current = load::certified_key(&pair.certificate, &pair.key)?;
        Ok(Self {
            name,
            pair,
            stamps,
            unfit: None,
            current,
        })
    }

    fn refresh(&mut self) -> Option<ReloadEvent> {
        let stamps = self.pair.stamps();
        if stamps == self.stamps {
            return None;
        }
        let (name, certificate) = (self.name.clone(), self.pair.certificate.clone());
        let loaded = load::certified_key(&certificate, &self.pair.key);
        // Two files are not replaced at once: what does not fit is refused when the next look finds it unchanged.
        if loaded.is_err() && self.unfit.as_ref() != Some(&stamps) {
            self.unfit = Some(stamps);
            return None;
        }
        (self.stamps, self.unfit) = (stamps, None);
        match loaded {
            // The key is compared by its public half, which is in the leaf.
            Ok(new) if new.cert == self.current.cert => None,
            Ok(new) => {
                self.current = new;
                Some(ReloadEvent::Reloaded { name, certificate })
            }
            Err(error) => Some(ReloadEvent::Refused {
                name,
                certificate,
                error,
            }),
        }
    }
}

fn load_all(default: CertificateFiles, aliases: Vec<(String, CertificateFiles)>) -> Result<Vec<Watched>, LoadError> {
    let mut watched = vec![Watched::load(None, default)?];
    for (name, pair) in aliases {
        watched.push(Watched::load(Some(name.parse()?), pair)?);
    }
    Ok(watched)
}
