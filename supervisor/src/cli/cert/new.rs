//! `lockgate cert new`: issues a certificate.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use lockgate_certs::bundle::bundle;
use lockgate_certs::leaf::{AUTOMATIC_DAYS, self_signed};
use lockgate_certs::{Authority, CertificateFiles, KeyKind, LeafRequest, Subject};
use lockgate_config::Home;
use lockgate_files::{Existing, write_private, write_public};

use crate::bootstrap::places::HomeArgument;
use crate::certificates::own::OwnCertificates;
use crate::failure::Failure;
use crate::os::environment::Environment;
use crate::os::terminal;
use crate::setup::{home_record, prepare_directories};

/// Makes a certificate and its key. Into the home it also holds the machine's own names and addresses, and a running
/// registry shows it from then on; overwriting needs consent.
///
/// With --bundle it makes none, but one file of those that an authority sent: yours first, then each issuer.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    home: HomeArgument,
    /// A host name that it is for; can be given several times
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// An address that it is for; can be given several times
    #[arg(long = "ip", value_name = "ADDRESS")]
    addresses: Vec<IpAddr>,
    /// Days until it ends
    #[arg(long, default_value_t = AUTOMATIC_DAYS)]
    days: u32,
    /// An RSA key of 2048 or 4096 bits instead of ECDSA P-256
    #[arg(long, value_name = "BITS")]
    rsa: Option<u32>,
    /// Subject field C: two letters
    #[arg(short = 'C', long)]
    country: Option<String>,
    /// Subject field ST
    #[arg(short = 'S', long)]
    state: Option<String>,
    /// Subject field L
    #[arg(short = 'L', long)]
    locality: Option<String>,
    /// Subject field O
    #[arg(short = 'O', long)]
    organization: Option<String>,
    /// Subject field CN [default: the first name]
    #[arg(short = 'N', long)]
    common_name: Option<String>,
    /// Sign it by itself instead of by the home's authority
    #[arg(long)]
    self_signed: bool,
    /// Write registry.crt and registry.key here instead of into the home
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Put these certificates into --out DIR/registry.crt instead, in the order that servers show them: a server's and
    /// its intermediate authorities
    #[arg(
        long,
        value_name = "FILE",
        num_args = 1..,
        requires = "out",
        conflicts_with_all = [
            "names", "addresses", "days", "rsa", "country", "state", "locality", "organization", "common_name",
            "self_signed",
        ]
    )]
    bundle: Vec<PathBuf>,
    /// Overwrite without asking
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let home = arguments.home.home(environment);
    let files = arguments.files(&home);
    if !arguments.bundle.is_empty() {
        return write_bundle(&arguments.bundle, &files.certificate, arguments.force);
    }
    let request = arguments.request()?;
    consent(&[&files.certificate, &files.key], arguments.force)?;
    if arguments.out.is_none() {
        // A leaf that lies ready is no sign that something has served.
        home_record::begin(&home).map_err(Failure::new)?;
    }
    let issued = if arguments.self_signed {
        self_signed(&request).map_err(Failure::new)?
    } else {
        prepare_directories(&home)?;
        let own = OwnCertificates::new(&home, &[]);
        if own.ensure_authority().map_err(Failure::new)? {
            println!("made a new authority, {}", home.ca_certificate().display());
        }
        let authority = Authority::load(&home.ca_certificate(), &home.ca_key()).map_err(Failure::new)?;
        authority.issue(&request).map_err(Failure::new)?
    };
    write_private(&files.key, issued.key_pem.reveal(), Existing::Overwrite).map_err(Failure::new)?;
    write_public(&files.certificate, &issued.chain_pem, Existing::Overwrite).map_err(Failure::new)?;
    println!("made {}\nmade {}", files.certificate.display(), files.key.display());
    Ok(())
}

fn write_bundle(parts: &[PathBuf], file: &Path, forced: bool) -> Result<(), Failure> {
    let bundle = bundle(parts).map_err(Failure::new)?;
    consent(&[file], forced)?;
    write_public(file, &bundle.chain_pem, Existing::Overwrite).map_err(Failure::new)?;
    println!("made {}", file.display());
    for subject in &bundle.subjects {
        println!("  {subject}");
    }
    println!("In config.yml: http.tls.certificate is this file, http.tls.key the key of the first.");
    Ok(())
}

/// Asks before files are overwritten.
fn consent(files: &[&Path], forced: bool) -> Result<(), Failure> {
    for file in files {
        if forced || !file.exists() {
            continue;
        }
        let file = file.display();
        if !terminal::agrees(&format!("{file} exists. Overwrite?")).map_err(Failure::new)? {
            return Err(Failure::new(format!(
                "{file}: exists already and is left as it is; --force overwrites it"
            )));
        }
    }
    Ok(())
}

impl Arguments {
    fn files(&self, home: &Home) -> CertificateFiles {
        match &self.out {
            Some(directory) => CertificateFiles {
                certificate: directory.join("registry.crt"),
                key: directory.join("registry.key"),
            },
            None => CertificateFiles {
                certificate: home.leaf_certificate(),
                key: home.leaf_key(),
            },
        }
    }

    fn request(&self) -> Result<LeafRequest, Failure> {
        let hosts: Vec<_> = self
            .names
            .iter()
            .cloned()
            .chain(self.addresses.iter().map(IpAddr::to_string))
            .collect();
        // The home's leaf is looked after: without the machine's own names it would be issued again at the next start.
        let automatic = self.out.is_none() || hosts.is_empty();
        let request = if automatic {
            LeafRequest::automatic(&hosts)
        } else {
            LeafRequest::for_hosts(&hosts)
        };
        let mut request = request.map_err(Failure::usage)?;
        request.days = self.days;
        if let Some(bits) = self.rsa {
            request.key =
                KeyKind::rsa(bits).ok_or_else(|| Failure::usage(format!("--rsa {bits}: expected 2048 or 4096")))?;
        }
        request.subject = Subject {
            country: self.country.clone(),
            state: self.state.clone(),
            locality: self.locality.clone(),
            organization: self.organization.clone(),
            common_name: self.common_name.clone(),
        };
        Ok(request)
    }
}
