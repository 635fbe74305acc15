//! `--backend wgpu` as a person meets it.

use crate::common::{bilevel, refuses, scene};
use assert_cmd::Command;

/// Vulkan's loader complains on standard error where there is no such folder.
fn tool(folder: &tempfile::TempDir) -> Command {
    let mut tool = bilevel();
    tool.env("XDG_RUNTIME_DIR", folder.path());
    tool
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let image = folder.path().join("image.png");
    scene(48, 1).save_png(image).expect("saved");
    folder
}

#[test]
fn devices_of_a_processor_are_one() {
    let folder = folder();
    let mut evaluate = tool(&folder);
    evaluate.args(["evaluate", "--device", "1"]);
    refuses(&mut evaluate, &["--device", "cpu"]);
}

#[cfg(not(feature = "wgpu"))]
#[test]
fn a_program_without_graphics_says_how_to_get_them() {
    let folder = folder();
    let ways = [vec!["devices"], vec!["evaluate", "--backend", "wgpu"]];
    for arguments in ways {
        refuses(tool(&folder).args(arguments), &["--features wgpu"]);
    }
}

#[cfg(feature = "wgpu")]
mod with_graphics {
    use std::process::Output;

    use serde_json::Value;

    use super::*;

    fn text(output: Output) -> String {
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).expect("utf-8")
    }

    #[test]
    fn adapters_have_numbers() {
        let folder = folder();
        let output = tool(&folder).arg("devices").output();
        let listed = text(output.expect("it runs"));
        assert!(listed.starts_with("0: "), "{listed}");
        let mut evaluate = tool(&folder);
        evaluate.args(["evaluate", "--backend", "wgpu", "--device", "99"]);
        refuses(&mut evaluate, &["99", "0: "]);
    }

    /// Without a driver: the loader is told to look where there is none.
    #[test]
    fn a_machine_without_a_driver_is_told_which_package() {
        let folder = folder();
        let mut devices = tool(&folder);
        devices
            .env("VK_DRIVER_FILES", "nowhere.json")
            .env("VK_ICD_FILENAMES", "nowhere.json")
            .arg("devices");
        refuses(&mut devices, &["mesa-vulkan-drivers"]);
    }

    /// The model on board learned on the processor; PSNR agrees to 0.01 dB.
    #[test]
    fn a_model_moves_between_backends_by_its_file() {
        let folder = folder();
        let psnr = |backend| {
            let output = tool(&folder)
                .args(["evaluate", "--backend", backend, "--json", "--images"])
                .arg(folder.path())
                .output();
            let report: Value =
                serde_json::from_str(&text(output.expect("it runs"))).expect("json");
            report["psnr_mean"].as_f64().expect("a number")
        };
        let (cpu, wgpu) = (psnr("cpu"), psnr("wgpu"));
        assert!((cpu - wgpu).abs() < 0.01, "{cpu} {wgpu}");
    }

    /// And the other way round.
    #[test]
    fn a_model_learned_on_wgpu_is_used_on_the_processor() {
        let folder = folder();
        let run = folder.path().join("run");
        let training = tool(&folder)
            .args(["train", "denoise", "--preset", "smoke", "--backend", "wgpu"])
            .arg("--train")
            .arg(folder.path())
            .arg("--val")
            .arg(folder.path())
            .arg("--test")
            .arg(folder.path())
            .arg("--output")
            .arg(&run)
            .output();
        text(training.expect("it runs"));
        let evaluate = tool(&folder)
            .args(["evaluate", "--json", "--model"])
            .arg(run.join("model.safetensors"))
            .arg("--images")
            .arg(folder.path())
            .output();
        text(evaluate.expect("it runs"));
    }

    #[test]
    fn threads_are_not_for_a_device() {
        let folder = folder();
        let mut local = tool(&folder);
        local.args([
            "distributed",
            "local",
            "--backend",
            "wgpu",
            "--clock",
            "threads",
        ]);
        refuses(&mut local, &["--clock", "cpu"]);
    }
}
