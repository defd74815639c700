//! A temporary home with an authority, and a TLS server on a port of its own.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use lockgate_certs::{Authority, CertificateFiles, Issued, LeafRequest, Subject, provider};
use lockgate_files::{Existing, write_private, write_public};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};

/// A directory with an authority; removed when dropped.
pub(crate) struct Home {
    directory: tempfile::TempDir,
    pub(crate) authority: Authority,
}

impl Home {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::create(&Subject::of_authority("test")).unwrap();
        let home = Self { directory, authority };
        write_public(&home.path("ca.crt"), home.authority.certificate_pem(), Existing::Keep).unwrap();
        write_private(&home.path("ca.key"), home.authority.key_pem().reveal(), Existing::Keep).unwrap();
        home
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `<name>.crt` and `<name>.key` for these hosts.
    pub(crate) fn issue(&self, name: &str, hosts: &[&str]) -> CertificateFiles {
        self.write(name, &self.authority.issue(&request(hosts)).unwrap())
    }

    /// Replaces both files as a careful tool does: each by a rename.
    pub(crate) fn write(&self, name: &str, issued: &Issued) -> CertificateFiles {
        let pair = self.pair(name);
        issued.write(&pair, Existing::Overwrite, None).unwrap();
        pair
    }

    pub(crate) fn pair(&self, name: &str) -> CertificateFiles {
        CertificateFiles {
            certificate: self.path(&format!("{name}.crt")),
            key: self.path(&format!("{name}.key")),
        }
    }
}

pub(crate) fn request(hosts: &[&str]) -> LeafRequest {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    LeafRequest::for_hosts(&hosts).unwrap()
}

/// A server that answers each line with the same line.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(config: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let config = config.clone();
                std::thread::spawn(move || echo(stream.unwrap(), config));
            }
        });
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the accept that is waiting.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn echo(mut stream: TcpStream, config: Arc<ServerConfig>) {
    let mut connection = ServerConnection::new(config).unwrap();
    let mut tls = rustls::Stream::new(&mut connection, &mut stream);
    let mut buffer = [0; 64];
    while let Ok(length @ 1..) = tls.read(&mut buffer) {
        if tls.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

/// A client's end of a connection.
pub(crate) struct Client {
    connection: ClientConnection,
    stream: TcpStream,
}

impl Client {
    /// Connects and exchanges a line, so that in TLS 1.3 the server's verdict on the client is known too.
    pub(crate) fn connect(server: &Server, name: &str, config: &Arc<ClientConfig>) -> std::io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = Self {
            connection: ClientConnection::new(config.clone(), name).map_err(std::io::Error::other)?,
            stream: TcpStream::connect(server.address)?,
        };
        client.exchange()?;
        Ok(client)
    }

    pub(crate) fn exchange(&mut self) -> std::io::Result<()> {
        let mut tls = rustls::Stream::new(&mut self.connection, &mut self.stream);
        tls.write_all(b"ping\n")?;
        let mut answer = [0; 5];
        tls.read_exact(&mut answer)?;
        match &answer {
            b"ping\n" => Ok(()),
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }

    pub(crate) fn leaf(&self) -> CertificateDer<'static> {
        self.connection.peer_certificates().unwrap()[0].clone()
    }

    pub(crate) fn connection(&self) -> &ClientConnection {
        &self.connection
    }
}

/// What a client trusts and shows.
pub(crate) struct Settings<'a> {
    pub(crate) trusted: &'a Path,
    pub(crate) versions: &'a [&'static SupportedProtocolVersion],
    pub(crate) own: Option<&'a CertificateFiles>,
}

impl<'a> Settings<'a> {
    pub(crate) fn trusting(trusted: &'a Path) -> Self {
        Self {
            trusted,
            versions: rustls::ALL_VERSIONS,
            own: None,
        }
    }

    pub(crate) fn build(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.trusted).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match self.own {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = vec![leaf_der(&pair.certificate)];
                let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        })
    }
}

pub(crate) fn leaf_der(certificate: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(certificate).unwrap()
}
