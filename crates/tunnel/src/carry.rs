//! One connection: to the server with TLS, to the client through a socket only we can open.
//!
//! The socket's folder is there as long as the client takes to connect.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpStream, UnixListener, UnixStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{address::Address, certificate};

/// How long connecting may take, TLS and the answer to the wish for it included.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the client may take to come.
const COME: Duration = Duration::from_secs(10);
/// A server that is gone is noticed within the same time as without TLS.
const IDLE: Duration = Duration::from_secs(10);
const BETWEEN: Duration = Duration::from_secs(5);
const PROBES: u32 = 3;
const UNHEARD: Duration = Duration::from_secs(15);
/// "I would speak TLS", as PostgreSQL's protocol says it: its own length, and the number 1234 5679.
const TLS_WISH: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// The kinds of the server's first messages, and the question for a proof by SASL.
const AUTHENTICATION: u8 = b'R';
const ERROR: u8 = b'E';
const SASL: [u8; 4] = [0, 0, 0, 10];
/// How long a message may be with which a connection begins; libpq takes no longer ones either.
const BEGIN_BYTES_MAX: u32 = 30_000;
/// What the socket is called that libpq looks for at this port.
const SOCKET: &str = ".s.PGSQL.5432";
/// Folders that are tried before giving up.
const FOLDERS: u32 = 1_000;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    #[error("the server cannot be connected to: {0}")]
    Connect(io::Error),
    #[error("the server did not answer in time")]
    Slow,
    #[error("the server speaks no TLS (`ssl = on` in its settings)")]
    Plain,
    #[error("TLS with the server failed: {0}")]
    Tls(String),
    #[error("the file that `sslrootcert` names is not usable: {0}")]
    Roots(String),
    #[error("no socket can be made for the connection: {0}")]
    Socket(io::Error),
}

/// A socket at which one client, and no other, reaches the server.
#[derive(Debug)]
pub struct Local {
    folder: Folder,
}

impl Local {
    /// Connects to the server and looks at it, then waits in the background for the client.
    ///
    /// # Errors
    /// If there is no connection to a server that is as the address wants it.
    pub fn open(address: &Address) -> Result<Self, Lost> {
        let config = certificate::config(address)?;
        let name = ServerName::try_from(address.host.clone());
        let name = name.map_err(|_| Lost::Tls("the server's name is not one".to_owned()))?;
        let (folder, address) = (Folder::make().map_err(Lost::Socket)?, address.clone());
        let socket = folder.0.join(SOCKET);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Lost::Socket)?;
        let (tell, told) = mpsc::channel();
        let carry = async move {
            let connected = timeout(CONNECT, connect(&address, TlsConnector::from(config), name)).await;
            let ready = connected.unwrap_or(Err(Lost::Slow)).and_then(|stream| {
                let listener = UnixListener::bind(&socket).map_err(Lost::Socket)?;
                Ok((stream, listener))
            });
            match ready {
                Ok((stream, listener)) => {
                    let _gone = tell.send(Ok(()));
                    carry(stream, listener).await;
                }
                Err(lost) => {
                    let _gone = tell.send(Err(lost));
                }
            }
        };
        let run = move || runtime.block_on(carry);
        thread::Builder::new().name("nexus-tls".into()).spawn(run).map_err(Lost::Socket)?;
        told.recv().unwrap_or(Err(Lost::Slow))?;
        Ok(Self { folder })
    }

    /// `url` with this socket in the place of its server.
    pub fn url(&self, url: &str) -> String {
        let joint = if url.contains('?') { '&' } else { '?' };
        let folder: String =
            self.folder.0.to_string_lossy().bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("{url}{joint}host={folder}&hostaddr=&port=5432&sslmode=disable&sslrootcert=")
    }
}

/// Connects, wishes for TLS and looks at the server.
async fn connect(
    address: &Address,
    tls: TlsConnector,
    name: ServerName<'static>,
) -> Result<TlsStream<TcpStream>, Lost> {
    let at = address.at.as_deref().unwrap_or(&address.host);
    let mut stream = TcpStream::connect((at, address.port)).await.map_err(Lost::Connect)?;
    attend(&stream).map_err(Lost::Connect)?;
    stream.write_all(&TLS_WISH).await.map_err(Lost::Connect)?;
    // one byte and no more: whatever came with it in plain would be taken for the server's
    if stream.read_u8().await.map_err(Lost::Connect)? != b'S' {
        return Err(Lost::Plain);
    }
    tls.connect(name, stream).await.map_err(|error| Lost::Tls(error.to_string()))
}

/// A server that is gone is noticed by whoever waits for it.
fn attend(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(IDLE).with_interval(BETWEEN).with_retries(PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(UNHEARD))
}

/// Carries what both say until one of them ends.
async fn carry(mut stream: TlsStream<TcpStream>, listener: UnixListener) {
    let Ok(Ok((mut client, _))) = timeout(COME, listener.accept()).await else { return };
    drop(listener);
    let carried = async {
        introduce(&mut client, &mut stream).await?;
        copy_bidirectional(&mut client, &mut stream).await
    };
    // whichever of them broke off, the other one hears that it is over
    if let Err(error) = carried.await {
        tracing::debug!(%error, "a connection to the database broke off");
    }
}

/// Hands on how the client begins, and the server's answer without proofs that are bound to TLS: the client knows of
/// none around it, and would take their offer for a sign that somebody took it away.
async fn introduce(client: &mut UnixStream, server: &mut TlsStream<TcpStream>) -> io::Result<()> {
    let begin = body(client).await?;
    server.write_all(&with_length(&begin)?).await?;
    server.flush().await?;
    loop {
        let kind = server.read_u8().await?;
        let said = body(server).await?;
        let said = if kind == AUTHENTICATION { without_binding(&said) } else { said };
        client.write_u8(kind).await?;
        client.write_all(&with_length(&said)?).await?;
        // anything may follow a question for a proof, or an error; nothing else ends the beginning
        if matches!(kind, AUTHENTICATION | ERROR) {
            return client.flush().await;
        }
    }
}

/// A message's body; before it stands its length, itself included.
async fn body(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?.checked_sub(4).filter(|length| *length <= BEGIN_BYTES_MAX);
    let length = length.ok_or(io::ErrorKind::InvalidData)?;
    let mut body = vec![0; usize::try_from(length).unwrap_or_default()];
    from.read_exact(&mut body).await?;
    Ok(body)
}

fn with_length(body: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(body.len().saturating_add(4)).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok([length.to_be_bytes().as_slice(), body].concat())
}

/// A question for a proof that names only ways which are not bound to TLS, as long as there is one.
fn without_binding(said: &[u8]) -> Vec<u8> {
    let Some(ways) = said.strip_prefix(&SASL) else { return said.to_vec() };
    let ways = ways.split(|byte| *byte == 0).filter(|way| !way.is_empty() && !way.ends_with(b"-PLUS"));
    let ways: Vec<&[u8]> = ways.collect();
    if ways.is_empty() {
        return said.to_vec();
    }
    let named = ways.into_iter().flat_map(|way| way.iter().copied().chain([0]));
    SASL.into_iter().chain(named).chain([0]).collect()
}

/// A folder for one socket, which goes when this is dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn make() -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let within = std::env::temp_dir();
        for _ in 0..FOLDERS {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = within.join(format!("nexus-tls-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                // of an earlier process that was killed, or of somebody else
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let gone = remove(&self.0);
        if let Err(error) = gone {
            tracing::warn!(%error, folder = %self.0.display(), "a folder for a socket is left behind");
        }
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_file(folder.join(SOCKET)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::remove_dir(folder)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
        os::unix::{fs::PermissionsExt as _, net::UnixStream},
    };

    use super::*;
    use crate::address::Mode;

    /// A server that answers the wish for TLS with this, and no more.
    fn server(answer: &'static [u8]) -> Address {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut wish = [0; 8];
            stream.read_exact(&mut wish).unwrap();
            assert_eq!(wish, TLS_WISH);
            stream.write_all(answer).unwrap();
        });
        Address { mode: Mode::Require, host: "127.0.0.1".to_owned(), at: None, port, roots: None }
    }

    #[test]
    fn a_server_without_tls_is_refused_whatever_it_says_instead() {
        for (answer, expected) in [
            (&b"N"[..], "speaks no TLS"),
            (b"E\0\0\0\x08oops", "speaks no TLS"),
            (b"", "cannot be connected to"),
            (b"Snothing of TLS", "TLS with the server failed"),
        ] {
            let lost = Local::open(&server(answer)).unwrap_err().to_string();
            assert!(lost.contains(expected), "{answer:?}: {lost}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address { port: listener.local_addr().unwrap().port(), ..server(b"N") };
        drop(listener);
        assert!(matches!(Local::open(&address), Err(Lost::Connect(_))));
    }

    #[test]
    fn of_the_ways_to_prove_a_password_those_that_are_bound_to_tls_are_left_out() {
        for (said, expected) in [
            (&b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"[..], &b"\0\0\0\x0aSCRAM-SHA-256\0\0"[..]),
            (b"\0\0\0\x0aSCRAM-SHA-256\0\0", b"\0\0\0\x0aSCRAM-SHA-256\0\0"),
            (b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0\0", b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0\0"),
            (b"\0\0\0\x05salt", b"\0\0\0\x05salt"),
            (b"\0\0\0\0", b"\0\0\0\0"),
            (b"", b""),
        ] {
            assert_eq!(without_binding(said), expected);
        }
    }

    #[test]
    fn the_folder_is_ours_alone_and_goes() {
        let folder = Folder::make().unwrap();
        let path = folder.0.clone();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let listener = std::os::unix::net::UnixListener::bind(path.join(SOCKET)).unwrap();
        let local = Local { folder };
        let url = local.url("postgres://u:p@h/d?sslmode=require");
        assert!(url.starts_with("postgres://u:p@h/d?sslmode=require&host=%2F"), "{url}");
        assert!(local.url("postgres://u:p@h/d").starts_with("postgres://u:p@h/d?host=%2F"));
        drop(local);
        drop(listener);
        assert!(!path.exists() && UnixStream::connect(path.join(SOCKET)).is_err());
    }
}
