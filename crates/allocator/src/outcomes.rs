//! What a selector says of the devices of a slice. Slices of one [shape](crate::shapes) share it.

use trainyard_model::selector::Engine;

use crate::bits::Bits;
use crate::inventory::{Inventory, LoadedDevice, Program, ProgramId, SliceIndex};

/// See the module. Devices are numbered as the slice lists them.
#[derive(Debug)]
pub(crate) struct Outcomes {
    /// Those that it lets pass.
    pub yes: Bits,
    /// Those on which it fails: it does not compile, or ends in an error.
    pub error: Bits,
}

/// Where in a buffer the [signature](Engine::signature) of a kind of device is, and its outcome.
type Kind = (usize, usize, Option<bool>);

/// Beyond a few kinds of devices the search for one's like costs more than it saves.
const KINDS: usize = 24;

/// What a selector says of the devices of a slice.
pub(crate) fn outcomes<E: Engine>(
    inventory: &mut Inventory<E>,
    program: ProgramId,
    slice: SliceIndex,
) -> &Outcomes {
    let Inventory {
        engine,
        programs,
        slices,
        learned,
        ..
    } = inventory;
    let loaded = slices[slice as usize]
        .as_ref()
        .expect("the index names slices that are there");
    let known = learned.outcomes.entry((loaded.shape, program));
    known.or_insert_with(|| ask(engine, programs.get(program), &loaded.devices))
}

fn ask<E: Engine>(
    engine: &E,
    program: &Program<E::Expression>,
    devices: &[LoadedDevice<E::Device>],
) -> Outcomes {
    let Ok(expression) = program else {
        return Outcomes {
            yes: Bits::new(devices.len()),
            error: Bits::all(devices.len()),
        };
    };
    let mut outcomes = Outcomes {
        yes: Bits::new(devices.len()),
        error: Bits::new(devices.len()),
    };
    // All devices of a slice have the same driver.
    let mut of_driver: Option<Option<bool>> = None;
    let mut buffer: Vec<u64> = Vec::new();
    let mut kinds: Vec<Kind> = Vec::new();
    for (index, device) in devices.iter().enumerate() {
        let outcome = match of_driver {
            _ if !engine.converts(&device.cel) => None,
            Some(outcome) => outcome,
            // Devices that look alike to the expression are evaluated once.
            None => {
                let start = buffer.len();
                let promised = engine.signature(expression, &device.cel, &mut buffer);
                let key = &buffer[start..];
                let mut known = kinds.iter().filter(|_| promised);
                if let Some((_, _, outcome)) =
                    known.find(|(from, to, _)| buffer[*from..*to] == *key)
                {
                    buffer.truncate(start);
                    outcomes.note(index, *outcome);
                    continue;
                }
                let judgement = engine.judge(expression, &device.cel);
                let outcome = judgement.fits.ok();
                if judgement.by_driver {
                    of_driver = Some(outcome);
                } else if promised && kinds.len() < KINDS {
                    kinds.push((start, buffer.len(), outcome));
                } else {
                    buffer.truncate(start);
                }
                outcome
            }
        };
        outcomes.note(index, outcome);
    }
    outcomes
}

impl Outcomes {
    /// `None`: an error.
    fn note(&mut self, device: usize, outcome: Option<bool>) {
        match outcome {
            Some(true) => self.yes.insert(device),
            Some(false) => {}
            None => self.error.insert(device),
        }
    }
}
