//! What a selector says of the devices of a slice. Slices of one [shape](crate::shapes) share it.

use smallvec::SmallVec;
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
    // Devices of each kind that the expression can tell apart, and what it says of them.
    let mut kinds: SmallVec<[(usize, Option<bool>); KINDS]> = SmallVec::new();
    for (index, device) in devices.iter().enumerate() {
        let cel = &device.cel;
        let mut known = kinds.iter();
        let like = known.find(|(other, _)| engine.is_alike(expression, &devices[*other].cel, cel));
        if let Some((_, outcome)) = like {
            outcomes.note(index, *outcome);
            continue;
        }
        let judgement = engine.judge(expression, cel);
        let outcome = judgement.fits.ok();
        if judgement.by_driver {
            // All devices of a slice have the same driver.
            for (index, device) in devices.iter().enumerate().skip(index) {
                let converts = engine.converts(&device.cel);
                outcomes.note(index, outcome.filter(|_| converts));
            }
            break;
        }
        if kinds.len() < KINDS {
            kinds.push((index, outcome));
        }
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
