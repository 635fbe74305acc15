//! What the page calls.

use bilevel_backend::{Wgpu, WgpuDevice};
use bilevel_data::{GrayImage, psnr};
use burn_flex::Flex;
use burn_wgpu::{graphics::WebGpu, init_setup_async};
use wasm_bindgen::prelude::*;

use crate::{Model, Session, degrade};

/// A photograph, what was done to it, and its reconstruction so far.
#[wasm_bindgen]
pub struct Demonstration {
    clean: GrayImage,
    data: GrayImage,
    steps: usize,
    session: Where,
}

enum Where {
    Graphics(Session<Wgpu>),
    Processor(Session<Flex>),
}

/// The session, whatever it runs on.
macro_rules! session {
    ($self:expr, $session:ident => $body:expr) => {
        match &$self.session {
            Where::Graphics($session) => $body,
            Where::Processor($session) => $body,
        }
    };
}

/// Panics go to the console; WebGPU's device is asked for. Call it once, and say whether there is
/// WebGPU.
#[wasm_bindgen]
pub async fn prepare(graphics: bool) {
    console_error_panic_hook::set_once();
    if graphics {
        init_setup_async::<WebGpu>(&WgpuDevice::DefaultDevice, Default::default()).await;
    }
}

#[wasm_bindgen]
impl Demonstration {
    /// Degrades the gray values (0 to 1) of a photograph as `model` was trained to undo, with noise
    /// of `sigma` (0 to 1).
    pub async fn begin(
        model: &[u8],
        pixels: Vec<f32>,
        width: usize,
        sigma: f32,
        seed: u32,
        graphics: bool,
    ) -> Result<Demonstration, JsError> {
        let model = Model::read(model).map_err(told)?;
        let clean = GrayImage::new(width, pixels.len() / width, pixels);
        let (cpu, seed) = (Default::default(), u64::from(seed));
        let data = degrade::<Flex>(&model, &clean, sigma, seed, &cpu)
            .await
            .map_err(told)?;
        let session = if graphics {
            Where::Graphics(Session::new(&model, &data, &WgpuDevice::DefaultDevice).map_err(told)?)
        } else {
            Where::Processor(Session::new(&model, &data, &cpu).map_err(told)?)
        };
        Ok(Self {
            clean,
            data,
            session,
            steps: model.steps.steps,
        })
    }

    /// Steps that the model was trained to make.
    #[wasm_bindgen(getter)]
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The degraded photograph.
    pub fn data(&self) -> Vec<f32> {
        self.data.pixels().to_vec()
    }

    /// PSNR of the degraded photograph, in dB.
    #[wasm_bindgen(js_name = dataPsnr)]
    pub fn data_psnr(&self) -> f64 {
        psnr(&self.data.clipped(), &self.clean)
    }

    /// One step.
    pub fn step(&mut self) {
        match &mut self.session {
            Where::Graphics(session) => session.step(),
            Where::Processor(session) => session.step(),
        }
    }

    /// The lower loss.
    pub async fn energy(&self) -> Result<f32, JsError> {
        session!(self, session => session.energy().await.map_err(told))
    }

    /// The reconstruction so far.
    pub async fn image(&self) -> Result<Vec<f32>, JsError> {
        let image = session!(self, session => session.image().await.map_err(told))?;
        Ok(image.pixels().to_vec())
    }

    /// PSNR of an image over the photograph, in dB.
    pub fn psnr(&self, pixels: Vec<f32>) -> f64 {
        let image = GrayImage::new(self.clean.width(), self.clean.height(), pixels);
        psnr(&image.clipped(), &self.clean)
    }
}

fn told(error: Box<dyn std::error::Error>) -> JsError {
    JsError::new(&error.to_string())
}
