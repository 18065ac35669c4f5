//! A provider that remembers byte for byte what it was asked, and answers what it was told to.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What a provider was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `METHOD target`
    pub line: String,
    pub content_type: Option<String>,
    /// `accept` and `openai-beta`, in this order.
    pub along: Vec<String>,
    pub body: Vec<u8>,
}

/// What it answers.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

#[derive(Default)]
struct State {
    asked: Vec<Asked>,
    told: Told,
}

/// Serves on threads of its own until the process ends.
pub struct Recorder {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Recorder {
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(&socket, &shared));
            }
        });
        Self { address, state }
    }

    /// What is answered from now on.
    pub fn tell(&self, told: Told) {
        self.state.lock().unwrap().told = told;
    }

    /// What was asked since the last time.
    pub fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

/// Serves a connection until the other side has enough of it.
fn serve(socket: &TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut reader = BufReader::new(socket);
    let mut writer = socket;
    while let Some(asked) = read(&mut reader)? {
        let told = {
            let mut state = state.lock().unwrap();
            state.asked.push(asked);
            state.told.clone()
        };
        let Told { status, content_type, body } = told;
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} Said\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
        );
        writer.write_all(&[head.as_bytes(), &body].concat())?;
    }
    Ok(())
}

/// The next request; `None` at the connection's end.
fn read(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Asked>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let line = first.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let (mut content_type, mut length, mut along) = (None, 0, Vec::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        let value = value.trim().to_owned();
        match name.to_ascii_lowercase().as_str() {
            "content-type" => content_type = Some(value),
            "content-length" => length = value.parse().unwrap(),
            name @ ("accept" | "openai-beta") => along.push((name.to_owned(), value)),
            _ => {}
        }
    }
    along.sort();
    let along = along.into_iter().map(|(_, value)| value).collect();
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Asked { line, content_type, along, body }))
}
