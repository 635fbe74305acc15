//! The page in a browser against the same reconstruction on this machine.
//!
//! Needs `dist` as `build.sh` makes it, and Chromium. `SCREENSHOT=FILE` keeps a picture of the page.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use bilevel_backend::Cpu;
use bilevel_data::GrayImage;
use bilevel_web::{Model, Session, degrade};
use serde::Deserialize;

/// What the page says when it is done.
#[derive(Deserialize)]
struct Shown {
    energies: Vec<f32>,
    clean: Vec<f32>,
    image: Vec<f32>,
    width: usize,
    height: usize,
}

#[test]
fn denoising_on_the_processor() {
    check(
        "denoise-wcrr-sigma25.safetensors",
        25.0,
        "model=0&backend=processor",
    );
}

#[test]
fn deblurring_on_the_processor() {
    check(
        "deblur-wcrr-sigma2.55.safetensors",
        2.5,
        "model=2&backend=processor",
    );
}

/// On WebGPU where the browser has it, else on the processor: as a visitor gets it.
#[test]
fn denoising_where_the_page_wants_to() {
    check("denoise-wcrr-sigma25.safetensors", 25.0, "model=0");
}

/// Each energy to 1e-3 of itself, each pixel to 1e-3.
fn check(model: &str, sigma: f32, query: &str) {
    let address = serve();
    let shown = shown(&format!("http://{address}/index.html?test&{query}"));
    let model = fs::read(dist().join("models").join(model)).expect("build.sh copies it");
    let model = Model::read(&model).expect("a model");
    let clean = GrayImage::new(shown.width, shown.height, shown.clean);
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
}

/// What the browser makes of the page.
fn shown(url: &str) -> Shown {
    let browser = |arguments: &[&str]| {
        let output = Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu-sandbox",
                "--window-size=1200,900",
            ])
            .args([
                "--enable-unsafe-webgpu",
                "--enable-features=Vulkan",
                "--use-angle=vulkan",
            ])
            .args(["--virtual-time-budget=600000", "--timeout=120000"])
            .args(arguments)
            .arg(url)
            .output();
        output.expect("chromium is installed")
    };
    if let Some(file) = std::env::var_os("SCREENSHOT") {
        browser(&[&format!("--screenshot={}", Path::new(&file).display())]);
    }
    let output = browser(&["--dump-dom"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let json = text.split_once("<script type=\"application/json\" id=\"result\">");
    let json = json.and_then(|(_, rest)| rest.split_once("</script>"));
    let (json, _) = json.unwrap_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("the page did not finish: {text}\n{said}")
    });
    serde_json::from_str(json).expect("what main.js writes")
}

fn dist() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dist")
}

/// Serves `dist` to this machine until the test ends.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    address
}

fn answer(mut stream: TcpStream) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let request = lines.next()?.ok()?;
    while !lines.next()?.ok()?.is_empty() {}
    let path = request
        .split(' ')
        .nth(1)?
        .split('?')
        .next()?
        .trim_start_matches('/');
    let body = fs::read(dist().join(path)).unwrap_or_default();
    let kind = match Path::new(path).extension()?.to_str()? {
        "html" => "text/html",
        "js" => "text/javascript",
        "css" => "text/css",
        "wasm" => "application/wasm",
        "png" => "image/png",
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
