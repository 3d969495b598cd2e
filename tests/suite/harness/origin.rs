//! An origin that remembers: every connection, every request, every byte. Its path says how it answers, so that a test
//! shows in one line what the upstream does.
//!
//! | path | answer |
//! |---|---|
//! | `/chunked` | the same as others, in chunks |
//! | `/slow/MS` | after MS milliseconds |
//! | `/status/N` | with status N |
//! | `/truncate` | announces 100 bytes, sends 10, closes |
//! | `/reset` | closes without a word |
//! | `/garbage` | something that is not HTTP |
//! | `/download/N` | N bytes |
//! | what a test put with [`Origin::serve`] | that |
//! | others | JSON: how many bytes came, and their SHA-256 |

use std::collections::{BTreeSet, HashMap};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ring::digest::{Context, SHA256};
use serde_json::json;

use super::numbers_in;

/// Bodies up to this size are kept whole, larger ones only counted and hashed.
const KEPT: usize = 4 << 20;

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// Method.
    pub method: String,
    /// Request target as written.
    pub target: String,
    /// Header fields in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Size of the body.
    pub length: u64,
    /// SHA-256 of the body.
    pub sha256: String,
    /// The body, if it is small.
    pub body: Vec<u8>,
}

impl Recorded {
    /// The first header field of a name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

/// The origin. It stops with the test's process.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    memory: Arc<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    connections: AtomicUsize,
    bytes: AtomicU64,
    requests: Mutex<Vec<Recorded>>,
    pages: Mutex<HashMap<String, (String, Vec<u8>)>>,
}

impl Origin {
    /// An origin on 127.0.0.1.
    pub fn start() -> Origin {
        Origin::start_on("127.0.0.1")
    }

    /// An origin on another address of this machine.
    pub fn start_on(host: &str) -> Origin {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let origin = Origin { address: listener.local_addr().unwrap(), memory: Arc::default() };
        let memory = Arc::clone(&origin.memory);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                memory.connections.fetch_add(1, Ordering::SeqCst);
                let memory = Arc::clone(&memory);
                thread::spawn(move || serve(stream, &memory));
            }
        });
        origin
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers a path with this from now on.
    pub fn serve(&self, path: &str, content_type: &str, body: impl Into<Vec<u8>>) {
        self.memory.pages.lock().unwrap().insert(path.to_owned(), (content_type.to_owned(), body.into()));
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.memory.connections.load(Ordering::SeqCst)
    }

    /// Bytes received so far, heads included.
    pub fn bytes(&self) -> u64 {
        self.memory.bytes.load(Ordering::SeqCst)
    }

    /// Requests received whole so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.memory.requests.lock().unwrap().clone()
    }

    /// The numbers of all people whose data reached it, each once.
    pub fn people(&self) -> BTreeSet<u32> {
        let requests = self.memory.requests.lock().unwrap();
        requests
            .iter()
            .flat_map(|request| numbers_in(&String::from_utf8_lossy(&request.body)).collect::<Vec<_>>())
            .collect()
    }

    /// The only request received.
    #[track_caller]
    pub fn only_request(&self) -> Recorded {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.into_iter().next().unwrap()
    }

    /// Nothing reached it: no connection, not a byte.
    #[track_caller]
    pub fn assert_untouched(&self) {
        assert_eq!((self.connections(), self.bytes()), (0, 0), "the origin was reached: {:?}", self.requests());
    }
}

fn serve(stream: TcpStream, memory: &Memory) {
    let _ = stream.set_nodelay(true);
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::with_capacity(1 << 16, Counted { stream, memory });
    while let Ok(Some(request)) = read(&mut reader, &mut writer) {
        let target = request.target.clone();
        let close = request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let answer = json!({ "bytes": request.length, "sha256": request.sha256 }).to_string();
        memory.requests.lock().unwrap().push(request);
        if respond(&mut writer, &target, &answer, memory).is_err() || close {
            return;
        }
    }
}

/// Counts what is read from the socket.
struct Counted<'a> {
    stream: TcpStream,
    memory: &'a Memory,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.memory.bytes.fetch_add(read as u64, Ordering::SeqCst);
        Ok(read)
    }
}

fn read(reader: &mut impl BufRead, writer: &mut TcpStream) -> io::Result<Option<Recorded>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut request = Recorded {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        ..Recorded::default()
    };
    loop {
        let mut field = String::new();
        reader.read_line(&mut field)?;
        let Some((name, value)) = field.trim_end().split_once(':') else { break };
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if request.header("expect").is_some() {
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = Body { hash: Context::new(&SHA256), request: &mut request };
    body.read(reader)?;
    request.sha256 = super::hex(body.hash.finish().as_ref());
    Ok(Some(request))
}

struct Body<'a> {
    hash: Context,
    request: &'a mut Recorded,
}

impl Body<'_> {
    fn read(&mut self, reader: &mut impl BufRead) -> io::Result<()> {
        if self.request.header("transfer-encoding").is_some() {
            loop {
                let mut line = String::new();
                reader.read_line(&mut line)?;
                let size = u64::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
                self.take(reader, size)?;
                reader.read_line(&mut line)?;
                if size == 0 {
                    return Ok(());
                }
            }
        }
        let length = self.request.header("content-length").and_then(|value| value.parse().ok());
        self.take(reader, length.unwrap_or(0))
    }

    fn take(&mut self, reader: &mut impl BufRead, mut left: u64) -> io::Result<()> {
        while left > 0 {
            let buffer = reader.fill_buf()?;
            let size = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if size == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.hash.update(&buffer[..size]);
            if self.request.body.len() + size <= KEPT {
                self.request.body.extend_from_slice(&buffer[..size]);
            }
            self.request.length += size as u64;
            left -= size as u64;
            reader.consume(size);
        }
        Ok(())
    }
}

fn respond(writer: &mut TcpStream, target: &str, answer: &str, memory: &Memory) -> io::Result<()> {
    let path = target.split('?').next().unwrap_or_default();
    if let Some((kind, body)) = memory.pages.lock().unwrap().get(path).cloned() {
        return whole(writer, "200 OK", &kind, &body);
    }
    let json = "application/json";
    let mut parts = path.trim_start_matches('/').split('/');
    let (word, number) = (parts.next().unwrap_or_default(), parts.next().and_then(|part| part.parse::<u64>().ok()));
    match (word, number) {
        ("chunked", _) => chunked(writer, answer),
        ("slow", Some(milliseconds)) => {
            thread::sleep(Duration::from_millis(milliseconds));
            whole(writer, "200 OK", json, answer.as_bytes())
        }
        ("status", Some(status)) => whole(writer, &format!("{status} As Asked"), json, answer.as_bytes()),
        ("truncate", _) => {
            writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789")?;
            Err(io::ErrorKind::ConnectionAborted.into())
        }
        ("reset", _) => Err(io::ErrorKind::ConnectionReset.into()),
        ("garbage", _) => {
            writer.write_all(b"220 mail.example ESMTP\r\n").and_then(|()| Err(io::ErrorKind::InvalidData.into()))
        }
        ("download", Some(size)) => whole(writer, "200 OK", "text/plain", &vec![b'x'; size as usize]),
        _ => whole(writer, "200 OK", json, answer.as_bytes()),
    }
}

fn whole(writer: &mut TcpStream, status: &str, kind: &str, body: &[u8]) -> io::Result<()> {
    write!(writer, "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len())?;
    writer.write_all(body)
}

fn chunked(writer: &mut TcpStream, answer: &str) -> io::Result<()> {
    write!(writer, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")?;
    for piece in answer.as_bytes().chunks(7) {
        write!(writer, "{:x}\r\n", piece.len())?;
        writer.write_all(piece)?;
        writer.write_all(b"\r\n")?;
    }
    writer.write_all(b"0\r\n\r\n")
}
