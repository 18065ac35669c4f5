//! A throw-away Redis or Valkey on the loopback that keeps nothing on disk.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::node::until;

/// Set where the tests must not go without a server.
const REQUIRED: &str = "NEXUS_TEST_REDIS";

pub struct Server {
    pub address: SocketAddr,
    program: &'static str,
    /// What it is told beside its place.
    arguments: Vec<String>,
    child: Child,
}

impl Server {
    /// `None` where there is no such server on this machine.
    pub fn start() -> Option<Self> {
        Self::start_as(&[])
    }

    /// The same that is told this besides. With a certificate it speaks TLS at its port, and nothing in plain.
    pub fn start_as(arguments: &[&str]) -> Option<Self> {
        let (program, address) = (program()?, free_address());
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let child = run(program, address, &arguments);
        Some(Self { address, program, arguments, child })
    }

    /// A sentinel that knows this server as `main`, with its settings in a folder.
    pub fn start_sentinel(of: SocketAddr, folder: &Path) -> Option<Self> {
        let (program, address, file) = (program()?, free_address(), folder.join("sentinel.conf"));
        let watched = format!("{} {}", of.ip(), of.port());
        let settings = format!(
            "bind {}\nport {}\nsentinel monitor main {watched} 1\nsentinel down-after-milliseconds main 500\n",
            address.ip(),
            address.port()
        );
        fs::write(&file, settings).unwrap();
        let arguments = vec![file.display().to_string(), "--sentinel".to_owned()];
        let child = spawn(program, address, &arguments);
        Some(Self { address, program, arguments, child })
    }

    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    #[expect(clippy::disallowed_methods, reason = "a signal is sent by the tool for it")]
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Kills it, and with it all it knew.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again at the same address.
    pub fn start_again(&mut self) {
        self.child = run(self.program, self.address, &self.arguments);
    }

    /// Says something, and gives the answer as it comes.
    pub fn ask(&self, words: &[&str]) -> String {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut wanted = format!("*{}\r\n", words.len());
        words.iter().for_each(|word| wanted.push_str(&format!("${}\r\n{word}\r\n", word.len())));
        // a second word, whose answer says that the first one is whole
        socket.write_all(format!("{wanted}*2\r\n$4\r\nPING\r\n$3\r\nend\r\n").as_bytes()).unwrap();
        let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
        while !answer.ends_with(b"$3\r\nend\r\n") {
            let length = socket.read(&mut piece).unwrap();
            assert!(length > 0, "it hung up");
            answer.extend(&piece[..length]);
        }
        answer.truncate(answer.len() - 9);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "the test is about the process")]
fn is_there(program: &str) -> bool {
    let tried = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

fn run(program: &str, address: SocketAddr, arguments: &[String]) -> Child {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let plain = ["--bind", &host, "--save", "", "--appendonly", "no", "--port"];
    let mut all: Vec<String> = plain.into_iter().map(str::to_owned).collect();
    if arguments.iter().any(|word| word == "--tls-cert-file") {
        all.extend(["0".to_owned(), "--tls-port".to_owned()]);
    }
    all.push(port);
    all.extend_from_slice(arguments);
    spawn(program, address, &all)
}

#[expect(clippy::disallowed_methods, reason = "the test is about the process")]
fn spawn(program: &str, address: SocketAddr, arguments: &[String]) -> Child {
    let child = Command::new(program)
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the server is there", || TcpStream::connect(address).ok());
    child
}

fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

#[expect(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "whoever runs the test is told why it does not, and the workshop that it must"
)]
fn program() -> Option<&'static str> {
    let program = ["valkey-server", "redis-server"].into_iter().find(|name| is_there(name));
    if program.is_none() {
        assert!(
            std::env::var_os(REQUIRED).is_none(),
            "neither `valkey-server` nor `redis-server` is here: install one of them"
        );
        eprintln!("not run: neither `valkey-server` nor `redis-server` is here");
    }
    program
}
