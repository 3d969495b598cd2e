//! nginx as the TLS origin: HTTP/1.1 and HTTP/2 with a certificate of the test's root. It passes what it gets to a
//! recording origin and tells it, in `x-origin-protocol`, which protocol the gateway spoke.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{Origin, Root, eventually, free_port};

/// A running nginx; it stops with the value.
#[derive(Debug)]
pub struct Nginx {
    child: Child,
    port: u16,
}

impl Nginx {
    /// Serves `names` over TLS in front of `behind`.
    pub fn start(directory: &Path, root: &Root, names: &[&str], behind: &Origin) -> Nginx {
        let port = free_port();
        let home = directory.join(format!("nginx-{port}"));
        fs::create_dir_all(home.join("logs")).unwrap();
        let (certificate, key) = root.sign(names);
        let configuration = format!(
            "daemon off;
             pid {home}/pid;
             error_log {home}/logs/error.log warn;
             worker_processes 1;
             events {{ worker_connections 512; }}
             http {{
               access_log off;
               client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
               fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
               client_max_body_size 0;
               large_client_header_buffers 4 64k;
               server {{
                 listen 127.0.0.1:{port} ssl http2;
                 ssl_certificate {certificate}; ssl_certificate_key {key};
                 location / {{
                   proxy_pass http://127.0.0.1:{behind};
                   proxy_http_version 1.1;
                   proxy_set_header Connection '';
                   proxy_set_header Host $host;
                   proxy_set_header X-Origin-Protocol $server_protocol;
                   proxy_set_header X-Origin-Name $ssl_server_name;
                   proxy_request_buffering off;
                 }}
               }}
             }}",
            home = home.display(),
            certificate = certificate.display(),
            key = key.display(),
            behind = behind.port(),
        );
        let file = home.join("nginx.conf");
        fs::write(&file, configuration).unwrap();
        let child = Command::new("/usr/sbin/nginx")
            .arg("-p")
            .arg(&home)
            .arg("-c")
            .arg(&file)
            .arg("-e")
            .arg(home.join("logs/start.log"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx is installed (tests/run installs it)");
        eventually("nginx listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Nginx { child, port }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its worker would outlive a killed master.
        let _ = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status();
        let _ = self.child.wait();
    }
}
