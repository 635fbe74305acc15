//! Graphics processors, and how to choose one.

use std::fmt;

use burn_wgpu::WgpuDevice;
use thiserror::Error;

/// A graphics processor that [`Wgpu`](crate::Wgpu) can compute on, or a driver that does its work
/// in software.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapter {
    /// What its driver calls it.
    pub name: String,
    /// What it is: discrete, integrated, virtual, or software on the processor.
    pub kind: &'static str,
    /// The driver.
    pub driver: String,
    /// What tensors on it are made with.
    pub device: WgpuDevice,
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name, kind, driver, ..
        } = self;
        write!(f, "{name} ({kind}, {driver})")
    }
}

/// Why there is no such adapter.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AdapterError {
    /// No driver offers any.
    #[error(
        "no graphics adapter found: install the driver of the graphics card, or one that works in software (Debian: \
         apt-get install mesa-vulkan-drivers libvulkan1)"
    )]
    None,
    /// There are some, but not that many.
    #[error("there is no adapter {index}; {}", listed(.adapters))]
    Index {
        /// The number asked for.
        index: usize,
        /// Those that there are.
        adapters: Vec<Adapter>,
    },
}

/// `0: a; 1: b`
fn listed(adapters: &[Adapter]) -> String {
    let lines = adapters.iter().enumerate();
    let lines: Vec<_> = lines
        .map(|(i, adapter)| format!("{i}: {adapter}"))
        .collect();
    lines.join("; ")
}

/// All adapters, hardware first; the order is the one that [`adapter`] counts in.
///
/// Software adapters beyond the first cannot be chosen and are not listed. Asks the drivers each
/// time: some milliseconds.
///
/// ```
/// for (i, adapter) in bilevel_backend::adapters().iter().enumerate() {
///     println!("{i}: {adapter}");
/// }
/// ```
pub fn adapters() -> Vec<Adapter> {
    let graphics = if cfg!(target_os = "macos") {
        wgpu::Backends::METAL
    } else {
        wgpu::Backends::VULKAN
    };
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: graphics,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let found = burn_backend::read_sync(instance.enumerate_adapters(graphics));
    let mut counts = [0; 3];
    let mut next = |kind: usize| {
        counts[kind] += 1;
        counts[kind] - 1
    };
    let mut adapters: Vec<Adapter> = Vec::new();
    for info in found.iter().map(wgpu::Adapter::get_info) {
        let (kind, device) = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => ("discrete", WgpuDevice::DiscreteGpu(next(0))),
            wgpu::DeviceType::IntegratedGpu => ("integrated", WgpuDevice::IntegratedGpu(next(1))),
            wgpu::DeviceType::VirtualGpu => ("virtual", WgpuDevice::VirtualGpu(next(2))),
            wgpu::DeviceType::Cpu => ("software", WgpuDevice::Cpu),
            wgpu::DeviceType::Other => ("of no known kind", WgpuDevice::DefaultDevice),
        };
        if adapters.iter().all(|known| known.device != device) {
            adapters.push(Adapter {
                name: info.name,
                kind,
                driver: format!("{} {}", info.driver, info.driver_info)
                    .trim()
                    .to_owned(),
                device,
            });
        }
    }
    adapters.sort_by_key(|adapter| match adapter.device {
        WgpuDevice::DiscreteGpu(_) => 0,
        WgpuDevice::IntegratedGpu(_) => 1,
        WgpuDevice::VirtualGpu(_) => 2,
        _ => 3,
    });
    adapters
}

/// The adapter of that number in [`adapters`].
///
/// # Errors
/// If there is none, with what there is, or with what to install.
pub fn adapter(index: usize) -> Result<Adapter, AdapterError> {
    let adapters = adapters();
    match adapters.get(index) {
        Some(adapter) => Ok(adapter.clone()),
        None if adapters.is_empty() => Err(AdapterError::None),
        None => Err(AdapterError::Index { index, adapters }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do() {
        assert!(
            AdapterError::None
                .to_string()
                .contains("mesa-vulkan-drivers")
        );
        let error = AdapterError::Index {
            index: 3,
            adapters: vec![Adapter {
                name: "a card".to_owned(),
                kind: "discrete",
                driver: "its driver".to_owned(),
                device: WgpuDevice::DiscreteGpu(0),
            }],
        };
        let said = "there is no adapter 3; 0: a card (discrete, its driver)";
        assert_eq!(error.to_string(), said);
    }

    #[test]
    fn an_adapter_is_no_thread() {
        assert!(!crate::computes_on_threads::<crate::Tape<crate::Wgpu>>());
    }

    #[test]
    fn numbers_are_those_of_the_list() {
        let adapters = adapters();
        assert!(!adapters.is_empty(), "{}", AdapterError::None);
        for (i, listed) in adapters.iter().enumerate() {
            assert_eq!(adapter(i).as_ref(), Ok(listed));
        }
        assert!(adapter(adapters.len()).is_err());
    }
}
