//! Another proxy that stands behind the gateway: it opens the tunnels it is asked for, and remembers them.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A CONNECT proxy. It stops with the test's process.
#[derive(Debug)]
pub struct NextProxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NextProxy {
    /// A proxy that answers every CONNECT with this status, and opens the tunnel if that is 200.
    pub fn start(status: u16) -> NextProxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = NextProxy { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let asked = Arc::clone(&proxy.asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let asked = Arc::clone(&asked);
                thread::spawn(move || serve(stream, status, &asked));
            }
        });
        proxy
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The heads of all requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(client: TcpStream, status: u16, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut head = String::new();
    while reader.read_line(&mut head)? > 0 && !head.ends_with("\r\n\r\n") {}
    asked.lock().unwrap().push(head.clone());
    let mut client = client;
    if status != 200 {
        return write!(client, "HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n");
    }
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let upstream = TcpStream::connect(&target)?;
    write!(client, "HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut there, mut back) = (upstream.try_clone()?, upstream);
    let mut answers = client;
    thread::spawn(move || {
        let _ = io::copy(&mut back, &mut answers);
        let _ = answers.shutdown(std::net::Shutdown::Both);
    });
    let ahead = reader.buffer().to_vec();
    there.write_all(&ahead)?;
    let mut rest = reader.into_inner();
    io::copy(&mut rest, &mut there)?;
    there.shutdown(std::net::Shutdown::Write)
}
