//! A throw-away Redis or Valkey on the loopback that keeps nothing on disk.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::node::until;

/// Set where the tests must not go without a server.
const REQUIRED: &str = "NEXUS_TEST_REDIS";

pub struct Server {
    pub address: SocketAddr,
    program: &'static str,
    child: Child,
}

impl Server {
    /// `None` where there is no such server on this machine.
    #[expect(
        clippy::disallowed_methods,
        clippy::print_stderr,
        reason = "whoever runs the test is told why it does not"
    )]
    pub fn start() -> Option<Self> {
        let program = ["valkey-server", "redis-server"].into_iter().find(|name| is_there(name));
        let Some(program) = program else {
            assert!(
                std::env::var_os(REQUIRED).is_none(),
                "neither `valkey-server` nor `redis-server` is here: install one of them"
            );
            eprintln!("not run: neither `valkey-server` nor `redis-server` is here");
            return None;
        };
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        Some(Self { address, program, child: run(program, address) })
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
        self.child = run(self.program, self.address);
    }

    /// Says something, and gives the answer as it comes.
    pub fn ask(&self, words: &[&str]) -> String {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut wanted = format!("*{}\r\n", words.len());
        words.iter().for_each(|word| wanted.push_str(&format!("${}\r\n{word}\r\n", word.len())));
        // a second word, whose answer says that the first one is whole
        socket.write_all(format!("{wanted}*2\r\n$4\r\nECHO\r\n$3\r\nend\r\n").as_bytes()).unwrap();
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

#[expect(clippy::disallowed_methods, reason = "the test is about the process")]
fn run(program: &str, address: SocketAddr) -> Child {
    let port = address.port().to_string();
    let child = Command::new(program)
        .args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"])
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the server is there", || TcpStream::connect(address).ok());
    child
}
