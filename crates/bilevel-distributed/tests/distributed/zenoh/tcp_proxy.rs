//! A passage between a worker and its master that can be closed: from outside the worker stands
//! still.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

#[derive(Default)]
struct Gate {
    closed: Mutex<bool>,
    moved: Condvar,
}

impl Gate {
    fn pass(&self) {
        let closed = self.closed.lock().expect("no panic");
        drop(self.moved.wait_while(closed, |closed| *closed));
    }
}

/// Listens for a worker and passes on what is said, as long as it is open.
pub struct TcpProxy {
    pub port: u16,
    gate: Arc<Gate>,
}

impl TcpProxy {
    pub fn to(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let gate = Arc::new(Gate::default());
        let (address, known) = (address.to_owned(), gate.clone());
        std::thread::spawn(move || {
            for worker in listener.incoming().flatten() {
                // Without a master the worker is turned away.
                let Ok(master) = TcpStream::connect(&address) else {
                    continue;
                };
                for (from, to) in [(&worker, &master), (&master, &worker)] {
                    let clone = |stream: &TcpStream| stream.try_clone().expect("a clone");
                    let (from, to, gate) = (clone(from), clone(to), known.clone());
                    std::thread::spawn(move || carry(from, to, &gate));
                }
            }
        });
        Self { port, gate }
    }

    pub fn close(&self) {
        *self.gate.closed.lock().expect("no panic") = true;
    }

    pub fn open(&self) {
        *self.gate.closed.lock().expect("no panic") = false;
        self.gate.moved.notify_all();
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, gate: &Gate) {
    let mut bytes = vec![0; 1 << 16];
    loop {
        gate.pass();
        match from.read(&mut bytes) {
            Ok(n) if n > 0 && to.write_all(&bytes[..n]).is_ok() => {}
            _ => break,
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
