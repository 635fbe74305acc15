//! What a model is trained to undo.

use crate::args::Preset;

/// What a model is trained to undo: the word after `train`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TaskName {
    /// Noise.
    Denoise,
    /// Blur and noise.
    Deblur,
    /// Lost pixels and noise.
    Inpaint,
    /// Half of the resolution and noise.
    Upscale,
}

impl std::fmt::Display for TaskName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Denoise => "denoise",
            Self::Deblur => "deblur",
            Self::Inpaint => "inpaint",
            Self::Upscale => "upscale",
        })
    }
}

impl TaskName {
    /// The recipe of a preset.
    pub fn preset(self, preset: Preset) -> &'static str {
        macro_rules! recipe {
            ($name:literal) => {
                include_str!(concat!("../../../../recipes/", $name, ".toml"))
            };
        }
        match (self, preset) {
            (Self::Denoise, Preset::Smoke) => recipe!("denoise-smoke"),
            (Self::Denoise, Preset::Default) => recipe!("denoise-default"),
            (Self::Denoise, Preset::Long) => recipe!("denoise-long"),
            (Self::Deblur, Preset::Smoke) => recipe!("deblur-smoke"),
            (Self::Deblur, Preset::Default) => recipe!("deblur-default"),
            (Self::Deblur, Preset::Long) => recipe!("deblur-long"),
            (Self::Inpaint, Preset::Smoke) => recipe!("inpaint-smoke"),
            (Self::Inpaint, Preset::Default) => recipe!("inpaint-default"),
            (Self::Inpaint, Preset::Long) => recipe!("inpaint-long"),
            (Self::Upscale, Preset::Smoke) => recipe!("upscale-smoke"),
            (Self::Upscale, Preset::Default) => recipe!("upscale-default"),
            (Self::Upscale, Preset::Long) => recipe!("upscale-long"),
        }
    }
}
