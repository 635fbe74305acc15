//! The page in a browser against the same reconstruction on this machine.
//!
//! Needs `dist` as `build.sh` makes it, and Chromium.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use bilevel_backend::Cpu;
use bilevel_data::GrayImage;
use bilevel_web::{Model, Session, degrade};
use serde::Deserialize;

/// What the page sends when it is done.
#[derive(Deserialize)]
struct Shown {
    energies: Vec<f32>,
    clean: Vec<f32>,
    image: Vec<f32>,
    width: usize,
    height: usize,
    graphics: bool,
}

#[test]
fn denoising_on_the_processor() {
    let shown = check(
        "denoise-wcrr-sigma25.safetensors",
        25.0,
        "model=0&backend=processor",
    );
    assert!(!shown.graphics);
}

#[test]
fn deblurring_on_the_processor() {
    let shown = check(
        "deblur-wcrr-sigma2.55.safetensors",
        2.5,
        "model=2&backend=processor",
    );
    assert!(!shown.graphics);
}

/// Chromium brings a WebGPU in software.
#[test]
fn denoising_on_webgpu() {
    let shown = check(
        "denoise-wcrr-sigma25.safetensors",
        25.0,
        "model=0&backend=WebGPU",
    );
    assert!(shown.graphics, "there is no WebGPU");
}

/// Each energy to 1e-3 of itself, each pixel to 1e-3.
fn check(model: &str, sigma: f32, query: &str) -> Shown {
    let shown = shown(query);
    let model = fs::read(dist().join("models").join(model)).expect("build.sh copies it");
    let model = Model::read(&model).expect("a model");
    let clean = GrayImage::new(shown.width, shown.height, shown.clean.clone());
    let device = Default::default();
    let data = wait(degrade::<Cpu>(&model, &clean, sigma / 255.0, 1, &device)).expect("a model");
    let mut session = Session::<Cpu>::new(&model, &data, &device).expect("a model");
    let mut energies = vec![wait(session.energy()).expect("a number")];
    for _ in 0..model.steps.steps {
        session.step();
        energies.push(wait(session.energy()).expect("a number"));
    }
    assert_eq!(shown.energies.len(), energies.len());
    for (page, native) in shown.energies.iter().zip(&energies) {
        assert!(
            (page - native).abs() < 1e-3 * native.abs(),
            "{page} {native}"
        );
    }
    let image = wait(session.image()).expect("an image");
    let worst = image
        .pixels()
        .iter()
        .zip(&shown.image)
        .map(|(a, b)| (a - b).abs());
    let worst = worst.fold(0.0, f32::max);
    println!("{query}: largest difference of a pixel {worst:.1e}");
    assert!(worst < 1e-3, "{worst}");
    shown
}

/// What the page computes in a browser.
fn shown(query: &str) -> Shown {
    let (sender, results) = channel();
    let address = serve(sender);
    let profile = std::env::temp_dir().join(format!("bilevel-page-{address}").replace(':', "-"));
    let mut browser = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--enable-unsafe-webgpu",
            "--use-webgpu-adapter=swiftshader",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg("--remote-debugging-port=0") // so that it stays
        .arg(format!("http://{address}/index.html?test&{query}"))
        .stderr(Stdio::null())
        .spawn()
        .expect("chromium is installed");
    let result = results.recv_timeout(Duration::from_secs(300));
    browser.kill().expect("it runs");
    browser.wait().expect("it ends");
    let _ = fs::remove_dir_all(profile);
    let result = result.expect("the page finishes within five minutes");
    serde_json::from_slice(&result).expect("what main.js writes")
}

fn dist() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dist")
}

/// Serves `dist` to this machine until the test ends; what is posted goes to `results`.
fn serve(results: Sender<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let results = results.clone();
            thread::spawn(move || answer(stream, &results));
        }
    });
    address
}

fn answer(mut stream: TcpStream, results: &Sender<Vec<u8>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut request = String::new();
    reader.read_line(&mut request).ok()?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().ok()?
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = Vec::new();
    if request.starts_with("POST") {
        let mut posted = vec![0; length];
        reader.read_exact(&mut posted).ok()?;
        results.send(posted).ok()?;
    }
    let path = request.split(' ').nth(1)?.split('?').next()?;
    let path = path.trim_start_matches('/');
    body.extend(fs::read(dist().join(path)).unwrap_or_default());
    let kind = match Path::new(path).extension().and_then(|e| e.to_str()) {
        Some("html") => "text/html",
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        Some("wasm") => "application/wasm",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}

/// Natively every future of these is ready at once.
fn wait<T>(future: impl Future<Output = T>) -> T {
    burn::tensor::read_sync(future)
}
