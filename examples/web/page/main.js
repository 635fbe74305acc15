// The page: chooses a photograph, a model and where to compute, and shows each step.
import init, { Demonstration, prepare } from "./bilevel_web.js";

const MODELS = [
  { file: "denoise-wcrr-sigma25.safetensors", name: "noise", sigma: 25 },
  { file: "denoise-wcrr-sigma50.safetensors", name: "strong noise", sigma: 50 },
  { file: "deblur-wcrr-sigma2.55.safetensors", name: "blur, little noise", sigma: 2.5 },
  { file: "deblur-wcrr-sigma25.safetensors", name: "blur and noise", sigma: 25 },
];
const LONGEST_SIDE = 384; // pixels
const SHORTEST_SIDE = 16;

const element = (id) => document.getElementById(id);
// model: a number; backend: where to compute; test: send the result to the server.
const parameters = new URLSearchParams(location.search);
let photograph; // { pixels, width, height }, gray values from 0 to 1
let run = 0; // a new run ends the one before

async function main() {
  await init();
  const graphics = Boolean(navigator.gpu && (await navigator.gpu.requestAdapter()));
  await prepare(graphics);
  const places = graphics ? ["WebGPU", "processor"] : ["processor"];
  element("backend").replaceChildren(...places.map((place) => new Option(place)));
  if (places.includes(parameters.get("backend"))) element("backend").value = parameters.get("backend");
  element("model").replaceChildren(...MODELS.map(({ name }, i) => new Option(name, i)));
  element("model").value = parameters.get("model") ?? 0;
  takeNoise();

  element("model").addEventListener("change", takeNoise);
  element("sigma").addEventListener("input", showNoise);
  element("controls").addEventListener("change", start);
  element("controls").addEventListener("submit", (event) => (event.preventDefault(), start()));
  element("file").addEventListener("change", () => open(element("file").files[0]));
  const pictures = element("pictures");
  document.addEventListener("dragover", (event) => (event.preventDefault(), pictures.classList.add("dropping")));
  document.addEventListener("dragleave", () => pictures.classList.remove("dropping"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    pictures.classList.remove("dropping");
    open(event.dataTransfer.files[0]);
  });
  await open(await (await fetch("photograph.png")).blob());
}

function takeNoise() {
  element("sigma").value = MODELS[element("model").value].sigma;
  showNoise();
}

function showNoise() {
  element("sigma-shown").value = element("sigma").value;
}

// Gray values of a picture, made smaller if it is large.
async function open(file) {
  if (!file) return;
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    return fail(`${file.name} is not a picture that this browser can read`);
  }
  const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.round(side * scale));
  if (Math.min(width, height) < SHORTEST_SIDE) return fail(`the picture needs ${SHORTEST_SIDE} pixels a side`);
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const gray = (i) => (0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]) / 255;
  photograph = { pixels: Float32Array.from({ length: width * height }, (_, i) => gray(i)), width, height };
  await start();
}

async function start() {
  if (!photograph) return;
  const mine = ++run;
  try {
    const { file } = MODELS[element("model").value];
    const model = new Uint8Array(await (await fetch(`models/${file}`)).arrayBuffer());
    const { pixels, width, height } = photograph;
    const graphics = element("backend").value === "WebGPU";
    const sigma = element("sigma").value / 255;
    say("Computing …");
    const demonstration = await Demonstration.begin(model, pixels, width, sigma, 1, graphics);
    draw("data", demonstration.data(), width, height);
    element("data-caption").textContent = `Data, ${demonstration.dataPsnr().toFixed(2)} dB`;
    const energies = [await demonstration.energy()];
    let image = demonstration.data();
    const before = performance.now();
    for (let step = 1; step <= demonstration.steps; step++) {
      demonstration.step();
      energies.push(await demonstration.energy());
      image = await demonstration.image();
      if (mine !== run) return demonstration.free();
      draw("image", image, width, height);
      element("image-caption").textContent = `Step ${step} of ${demonstration.steps}, ${demonstration.psnr(image).toFixed(2)} dB`;
      plot(energies, demonstration.steps);
      await new Promise(requestAnimationFrame);
    }
    const seconds = (performance.now() - before) / 1000;
    say(`${energies.length - 1} steps in ${seconds.toFixed(1)} s on ${graphics ? "WebGPU" : "the processor"}`);
    demonstration.free();
    if (parameters.has("test")) {
      const body = JSON.stringify({ energies, clean: Array.from(pixels), image: Array.from(image), width, height, graphics });
      await fetch("result", { method: "POST", body });
    }
  } catch (error) {
    fail(error.message ?? String(error));
  }
}

function draw(id, gray, width, height) {
  const canvas = element(id);
  [canvas.width, canvas.height] = [width, height];
  const picture = new ImageData(width, height);
  gray.forEach((value, i) => {
    const level = Math.round(255 * Math.min(1, Math.max(0, value)));
    picture.data.set([level, level, level, 255], 4 * i);
  });
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

function plot(energies, steps) {
  const canvas = element("energy");
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  const [left, right, top, bottom] = [90, width - 20, 20, height - 60];
  const [low, high] = [Math.min(...energies), Math.max(...energies)];
  const x = (step) => left + ((right - left) * step) / steps;
  const y = (energy) => bottom - ((bottom - top) * (energy - low)) / (high - low || 1);
  const ink = getComputedStyle(document.body).color;
  context.clearRect(0, 0, width, height);
  context.font = "20px system-ui, sans-serif";
  context.fillStyle = context.strokeStyle = ink;
  context.lineWidth = 1;
  context.strokeRect(left, top, right - left, bottom - top);
  context.textAlign = "right";
  for (const energy of [low, high]) context.fillText(energy.toPrecision(4), left - 8, y(energy) + 7);
  context.textAlign = "center";
  for (const step of [0, steps]) context.fillText(step, x(step), bottom + 26);
  context.fillText("steps", (left + right) / 2, bottom + 26);
  context.strokeStyle = "#4477aa";
  context.lineWidth = 3;
  context.beginPath();
  energies.forEach((energy, step) => context.lineTo(x(step), y(energy)));
  context.stroke();
}

function say(text) {
  element("status").classList.remove("failed");
  element("status").textContent = text;
}

function fail(text) {
  element("status").classList.add("failed");
  element("status").textContent = text;
}

main().catch((error) => fail(error.message ?? String(error)));
