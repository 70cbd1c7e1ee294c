//! Compiled expressions, and which devices of a slice a selector lets pass.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use trainyard_model::Text;
use trainyard_model::selector::{CompileError, Engine};

use super::devices::LoadedDevice;
use crate::ids::{DeviceIndex, Id};
use crate::set::Devices;

/// A compiled expression or why it does not compile.
pub(crate) type Program<X> = Result<X, CompileError>;

/// The number of a compiled expression.
pub(crate) type ProgramId = u32;

/// The selectors of a request: its class's, then its own.
pub(crate) type Selectors = SmallVec<[ProgramId; 4]>;

/// Compiled expressions by source.
#[derive(Debug)]
pub(crate) struct Programs<X> {
    selectors: FxHashMap<Text, ProgramId>,
    derived: FxHashMap<Text, ProgramId>,
    programs: Vec<Program<X>>,
}

impl<X> Programs<X> {
    pub fn new() -> Self {
        Programs {
            selectors: FxHashMap::default(),
            derived: FxHashMap::default(),
            programs: Vec::new(),
        }
    }

    pub fn get(&self, id: ProgramId) -> &Program<X> {
        &self.programs[id as usize]
    }

    fn add(&mut self, program: Program<X>) -> ProgramId {
        let id =
            ProgramId::try_from(self.programs.len()).expect("fewer than four billion programs");
        self.programs.push(program);
        id
    }

    /// The program of a selector.
    pub fn selector(
        &mut self,
        engine: &mut impl Engine<Expression = X>,
        source: &Text,
    ) -> ProgramId {
        if let Some(id) = self.selectors.get(source) {
            return *id;
        }
        let id = self.add(engine.compile(source));
        self.selectors.insert(source.clone(), id);
        id
    }

    /// The program of a derived attribute.
    pub fn derived(
        &mut self,
        engine: &mut impl Engine<Expression = X>,
        source: &Text,
    ) -> ProgramId {
        if let Some(id) = self.derived.get(source) {
            return *id;
        }
        let id = self.add(engine.compile_derived(source));
        self.derived.insert(source.clone(), id);
        id
    }
}

/// What a selector says of the devices of a slice, numbered as the slice lists them.
#[derive(Debug)]
pub(crate) struct Outcomes {
    /// Devices that it lets pass.
    pub yes: Devices,
    /// Devices on which it fails: it does not compile, or ends in an error.
    pub error: Devices,
}

/// How many different devices of a slice are compared with each next one. Beyond that, comparing
/// costs more than the evaluations that it saves.
const KINDS: usize = 24;

impl Outcomes {
    /// Evaluates a selector on devices, once for all that it cannot tell apart.
    pub fn of<E: Engine>(
        engine: &E,
        program: &Program<E::Expression>,
        devices: &[LoadedDevice<E::Device>],
    ) -> Outcomes {
        let mut outcomes = Outcomes {
            yes: Devices::new(devices.len()),
            error: Devices::new(devices.len()),
        };
        let Ok(expression) = program else {
            outcomes.error = Devices::all(devices.len());
            return outcomes;
        };
        // One device of each kind that the expression can tell apart, and the outcome.
        let mut kinds: SmallVec<[(usize, Option<bool>); KINDS]> = SmallVec::new();
        for (index, device) in devices.iter().enumerate() {
            let cel = &device.cel;
            let mut known = kinds.iter();
            let same =
                known.find(|(other, _)| engine.is_alike(expression, &devices[*other].cel, cel));
            if let Some((_, outcome)) = same {
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

    /// `None`: an error.
    fn note(&mut self, device: usize, outcome: Option<bool>) {
        let device = DeviceIndex::new(device);
        match outcome {
            Some(true) => self.yes.insert(device),
            Some(false) => {}
            None => self.error.insert(device),
        }
    }
}
