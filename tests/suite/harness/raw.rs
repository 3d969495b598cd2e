//! A client that sends exactly the bytes a test wrote, and reads whole responses back.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long a read may take before the test fails: far more than any answer needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A response.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Header fields in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body without its framing.
    pub body: Vec<u8>,
    /// Protocol version as curl names it: `1.1`, `2`.
    pub version: String,
    /// Status of the CONNECT before it, 0 without one.
    pub connect: u16,
}

impl Reply {
    /// The first header field of a name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}: {}", self.text()))
    }
}

/// One connection.
#[derive(Debug)]
pub struct Raw {
    stream: BufReader<TcpStream>,
}

impl Raw {
    /// Connects to a port of 127.0.0.1.
    pub fn connect(port: u16) -> Raw {
        Raw::over(TcpStream::connect(("127.0.0.1", port)).unwrap())
    }

    /// Connects, if somebody listens.
    pub fn connect_if_up(port: u16) -> Option<Raw> {
        TcpStream::connect(("127.0.0.1", port)).ok().map(Raw::over)
    }

    fn over(stream: TcpStream) -> Raw {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Raw { stream: BufReader::new(stream) }
    }

    /// Sends bytes. A peer that has already closed is no failure here: what it answered is read afterwards.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Raw {
        let _ = self.stream.get_mut().write_all(bytes.as_ref());
        self
    }

    /// Sends bytes; false when the peer has gone.
    pub fn still_takes(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.get_mut().write_all(bytes.as_ref()).is_ok()
    }

    /// Says that no more will come.
    pub fn finish(&mut self) -> &mut Raw {
        let _ = self.stream.get_mut().shutdown(Shutdown::Write);
        self
    }

    /// Reads a response to a GET or POST. None if the connection ended before one began.
    pub fn try_reply(&mut self) -> io::Result<Option<Reply>> {
        let Some(mut reply) = self.head()? else { return Ok(None) };
        reply.body = self.body(&reply)?;
        Ok(Some(reply))
    }

    /// Reads a response that must come.
    #[track_caller]
    pub fn reply(&mut self) -> Reply {
        self.try_reply().expect("a response").expect("a response, not the end of the connection")
    }

    /// Reads the head of a response, and leaves what follows.
    pub fn head(&mut self) -> io::Result<Option<Reply>> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let version = words.next().and_then(|word| word.strip_prefix("HTTP/")).unwrap_or("?").to_owned();
        let status = words.next().and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status line: {line:?}")))?;
        let mut reply = Reply { status, version, ..Reply::default() };
        loop {
            let mut field = String::new();
            self.stream.read_line(&mut field)?;
            let field = field.trim_end();
            if field.is_empty() {
                return Ok(Some(reply));
            }
            let (name, value) =
                field.split_once(':').ok_or_else(|| io::Error::other("no colon in a header field"))?;
            reply.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn body(&mut self, reply: &Reply) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if reply.status < 200 || reply.status == 204 || reply.status == 304 {
            return Ok(body);
        }
        if reply.header("transfer-encoding").is_some_and(|value| value.ends_with("chunked")) {
            self.chunks(&mut body)?;
        } else if let Some(length) = reply.header("content-length") {
            body.resize(length.parse().map_err(io::Error::other)?, 0);
            self.stream.read_exact(&mut body)?;
        } else {
            self.stream.read_to_end(&mut body)?;
        }
        Ok(body)
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim().split(';').next().unwrap_or_default(), 16);
            let from = body.len();
            let size = size.map_err(io::Error::other)?;
            body.resize(from + size, 0);
            self.stream.read_exact(&mut body[from..])?;
            line.clear();
            self.stream.read_line(&mut line)?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    /// Whether the peer ends the connection: true when it closes or resets, after whatever it still sent.
    #[track_caller]
    pub fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
            Err(_) => true,
        }
    }

    /// The next bytes, as many as asked for.
    #[track_caller]
    pub fn exactly(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Everything until the connection ends.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest);
        rest
    }
}

/// A GET as a client of an explicit proxy writes it.
pub fn get(host: &str, path: &str) -> String {
    format!("GET http://{host}{path} HTTP/1.1\r\nhost: {host}\r\n\r\n")
}

/// A POST of JSON as a client of an explicit proxy writes it.
pub fn post(host: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST http://{host}{path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}
