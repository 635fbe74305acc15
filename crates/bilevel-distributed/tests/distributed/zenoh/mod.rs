//! The same claims over a network of this machine, and those that only a network can break.

mod certificates;
mod links;
mod runs;
mod tcp_proxy;

use std::thread::JoinHandle;

use bilevel_distributed::communicator::{
    MasterCommunicator, Payload, Stamp, WorkerId, ZenohMaster, ZenohSettings, ZenohWorker,
};

use crate::conformance::{Bench, conform, echo};

/// A port that was free a moment ago.
fn port() -> u16 {
    let probe = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    probe.local_addr().expect("an address").port()
}

fn listen(workers: usize) -> (ZenohMaster, ZenohSettings) {
    listen_with(workers, |_| ())
}

/// A master of changed settings.
fn listen_with(
    workers: usize,
    change: impl Fn(&mut ZenohSettings),
) -> (ZenohMaster, ZenohSettings) {
    let mut why = String::new();
    for _ in 0..20 {
        let mut settings = ZenohSettings::local("test", port());
        change(&mut settings);
        match ZenohMaster::listen(&settings, workers) {
            Ok(master) => return (master, settings),
            Err(error) => why = error.to_string(),
        }
    }
    panic!("no port is free: {why}");
}

struct Network {
    master: ZenohMaster,
    settings: ZenohSettings,
    lives: Vec<JoinHandle<()>>,
}

impl Bench for Network {
    type Master = ZenohMaster;

    fn master(&mut self) -> &mut ZenohMaster {
        &mut self.master
    }

    fn start(&mut self, worker: WorkerId, first: Payload) {
        let end = ZenohWorker::connect(&self.settings, worker).expect("a master");
        self.lives.push(std::thread::spawn(|| echo(end, first)));
    }

    fn kill(&mut self, waits: Stamp) {
        self.master.reply(waits, Vec::new().into());
    }

    fn end(mut self) {
        self.master.close(Vec::new().into());
        for life in self.lives {
            life.join().expect("no panic");
        }
    }
}

#[test]
fn the_network_conforms() {
    conform(|| {
        let (master, settings) = listen(3);
        let lives = Vec::new();
        Network {
            master,
            settings,
            lives,
        }
    });
}
