//! How an expression is reached from the device, and how large what is there can be.
//!
//! Source: `k8s.io/dynamic-resource-allocation` v0.37.2 (`cel/compile.go`).

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::range::Range;

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A variable or a field.
    Name(Arc<str>),
    /// An element of a list.
    Items,
    /// The position of an element.
    Indices,
    /// A key of a map.
    Keys,
    /// A value of a map.
    Values,
}

/// A path, which shares its steps with those it was made from: as a slice of Go's does, down to that
/// a second extension of the same path can replace the last step of the first.
#[derive(Debug, Clone)]
pub struct Path {
    steps: Rc<RefCell<Vec<Step>>>,
    length: usize,
}

impl Path {
    /// The path with one more step.
    pub fn extended(path: Option<Path>, step: Step) -> Path {
        let Some(path) = path else {
            return Path {
                steps: Rc::new(RefCell::new(vec![step])),
                length: 1,
            };
        };
        let length = path.length + 1;
        // Go doubles the room of a slice that is full.
        let room = path.length.next_power_of_two();
        if length > room {
            let mut steps = path.steps.borrow()[..path.length].to_vec();
            steps.push(step);
            return Path {
                steps: Rc::new(RefCell::new(steps)),
                length,
            };
        }
        {
            let mut steps = path.steps.borrow_mut();
            steps.truncate(path.length);
            steps.push(step);
        }
        Path {
            steps: path.steps,
            length,
        }
    }

    /// The same path, sharing nothing, with one more step.
    pub fn apart(path: &Path, step: Step) -> Path {
        let mut steps = path.steps.borrow()[..path.length].to_vec();
        steps.push(step);
        Path {
            length: steps.len(),
            steps: Rc::new(RefCell::new(steps)),
        }
    }

    /// How large what stands there can be, where that is declared.
    pub fn size(&self) -> Option<Range> {
        let steps = self.steps.borrow();
        let mut steps = steps[..self.length].iter();
        match steps.next() {
            Some(Step::Name(name)) if &**name == "device" => {}
            _ => return None,
        }
        let mut at = Place::Device;
        for step in steps {
            at = at.step(step)?;
        }
        Some(Range {
            min: 0,
            max: at.largest(),
        })
    }
}

/// What is declared of a device.
#[derive(Clone, Copy)]
enum Place {
    Device,
    Driver,
    Multiple,
    Attributes,
    AttributesOfDomain,
    Attribute,
    Capacity,
    CapacityOfDomain,
    Quantity,
    Domain,
    Id,
}

impl Place {
    fn step(self, step: &Step) -> Option<Place> {
        Some(match (self, step) {
            (Place::Device, Step::Name(name)) => match &**name {
                "driver" => Place::Driver,
                "attributes" => Place::Attributes,
                "capacity" => Place::Capacity,
                "allowMultipleAllocations" => Place::Multiple,
                _ => return None,
            },
            (Place::Attributes | Place::Capacity, Step::Keys) => Place::Domain,
            (Place::Attributes, Step::Items | Step::Values) => Place::AttributesOfDomain,
            (Place::Capacity, Step::Items | Step::Values) => Place::CapacityOfDomain,
            (Place::AttributesOfDomain | Place::CapacityOfDomain, Step::Keys) => Place::Id,
            (Place::AttributesOfDomain, _) => Place::Attribute,
            (Place::CapacityOfDomain, Step::Items | Step::Values) => Place::Quantity,
            _ => return None,
        })
    }

    fn largest(self) -> u64 {
        match self {
            Place::Device | Place::Quantity => 0,
            Place::Multiple => 1,
            Place::Driver | Place::Domain => 63,
            Place::Id => 32,
            // The longest text, or the longest list if that is longer.
            Place::Attribute => 64,
            Place::Attributes
            | Place::AttributesOfDomain
            | Place::Capacity
            | Place::CapacityOfDomain => 32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_extended_twice_is_shared_where_there_is_room() {
        let name = |name: &str| Step::Name(name.into());
        let device = Path::extended(None, name("device"));
        let attributes = Path::extended(Some(device), name("attributes"));
        let domain = Path::extended(Some(attributes), Step::Values);
        let keys = Path::extended(Some(domain.clone()), Step::Keys);
        assert_eq!(keys.size(), Some(Range { min: 0, max: 32 }));
        let values = Path::extended(Some(domain), Step::Values);
        assert_eq!(values.size(), Some(Range { min: 0, max: 64 }));
        assert_eq!(keys.size(), values.size());
    }
}
