//! Where in an object something is wrong: field paths, rendered only when they are needed.

use std::fmt::Write;

/// A path that lives on the stack of the walk through an object: cheap where nothing is wrong.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Field(&'a str),
    Index(usize),
    Key(&'a str),
    /// `exactly`, which v1beta1 does not have.
    Exactly,
    /// `basic`, which only v1beta1 has.
    Basic,
}

/// Which of the two shapes that resource.k8s.io ever had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// v1, v1beta2, v1alpha3
    Hub,
    /// v1beta1
    Flat,
}

impl<'a> Path<'a> {
    pub(crate) fn root(name: &'a str) -> Self {
        Path {
            parent: None,
            step: Step::Field(name),
        }
    }

    fn then<'b>(&'b self, step: Step<'b>) -> Path<'b> {
        Path {
            parent: Some(self),
            step,
        }
    }

    pub(crate) fn child<'b>(&'b self, name: &'b str) -> Path<'b> {
        self.then(Step::Field(name))
    }

    pub(crate) fn index<'b>(&'b self, index: usize) -> Path<'b> {
        self.then(Step::Index(index))
    }

    pub(crate) fn key<'b>(&'b self, key: &'b str) -> Path<'b> {
        self.then(Step::Key(key))
    }

    pub(crate) fn exactly<'b>(&'b self) -> Path<'b> {
        self.then(Step::Exactly)
    }

    pub(crate) fn basic<'b>(&'b self) -> Path<'b> {
        self.then(Step::Basic)
    }

    /// The path as a document of this shape has it.
    pub(crate) fn render(&self, shape: Shape) -> String {
        let mut out = String::new();
        self.write(shape, &mut out);
        out
    }

    fn write(&self, shape: Shape, out: &mut String) {
        if let Some(parent) = self.parent {
            parent.write(shape, out);
        }
        let name = match self.step {
            Step::Index(index) => {
                write!(out, "[{index}]").expect("a String takes everything");
                return;
            }
            Step::Key(key) => {
                write!(out, "[{key}]").expect("a String takes everything");
                return;
            }
            Step::Field(name) => name,
            Step::Exactly if shape == Shape::Hub => "exactly",
            Step::Basic if shape == Shape::Flat => "basic",
            Step::Exactly | Step::Basic => return,
        };
        if !out.is_empty() {
            out.push('.');
        }
        out.push_str(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_has_its_own_path() {
        let spec = Path::root("spec");
        let device = spec.child("devices");
        let device = device.index(3);
        let basic = device.basic();
        let attributes = basic.child("attributes");
        let attribute = attributes.key("a.b/c");
        assert_eq!(
            attribute.render(Shape::Hub),
            "spec.devices[3].attributes[a.b/c]"
        );
        assert_eq!(
            attribute.render(Shape::Flat),
            "spec.devices[3].basic.attributes[a.b/c]"
        );

        let request = spec.index(0);
        let exactly = request.exactly();
        let count = exactly.child("count");
        assert_eq!(count.render(Shape::Hub), "spec[0].exactly.count");
        assert_eq!(count.render(Shape::Flat), "spec[0].count");
    }
}
