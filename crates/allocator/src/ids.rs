//! Numbers for the parts of a question, one type for each, so that none is taken for another.
//!
//! A `Vec` or a slice is indexed by them directly: `problem.requests[request]`.

use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// A number that names something in a list.
pub(crate) trait Id: Copy + Ord {
    fn new(number: usize) -> Self;
    fn number(self) -> usize;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(u32);

        impl Id for $name {
            fn new(number: usize) -> Self {
                $name(number as u32)
            }
            fn number(self) -> usize {
                self.0 as usize
            }
        }

        impl<T> Index<$name> for [T] {
            type Output = T;
            fn index(&self, id: $name) -> &T {
                &self[id.number()]
            }
        }

        impl<T> Index<$name> for Vec<T> {
            type Output = T;
            fn index(&self, id: $name) -> &T {
                &self.as_slice()[id.number()]
            }
        }

        impl<T> IndexMut<$name> for Vec<T> {
            fn index_mut(&mut self, id: $name) -> &mut T {
                &mut self.as_mut_slice()[id.number()]
            }
        }
    )*};
}

ids! {
    /// A device that the node can use, in the order in which devices are tried.
    DeviceIndex
    /// A claim of the question.
    ClaimIndex
    /// The position of a request in the list of all claims' requests.
    RequestIndex
    /// A way to meet a request, counted through all requests: one of its subrequests, or the
    /// request itself where it has none.
    SubrequestIndex
    /// A constraint, counted through all claims.
    ConstraintIndex
    /// A list of one attribute's values, by device. See [`crate::inventory::values::Values`].
    ColumnIndex
    /// The position of a value among all values that occur in one [`crate::inventory::values::Values`].
    ElementIndex
}

/// Numbers that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span<I> {
    start: u32,
    end: u32,
    of: PhantomData<I>,
}

impl<I: Id> Span<I> {
    pub fn new(start: usize, end: usize) -> Self {
        Span {
            start: start as u32,
            end: end as u32,
            of: PhantomData,
        }
    }

    /// The first number, also where the span is empty.
    pub fn first(self) -> I {
        I::new(self.start as usize)
    }

    /// The number after the last.
    pub fn end(self) -> I {
        I::new(self.end as usize)
    }

    pub fn iter(self) -> impl DoubleEndedIterator<Item = I> + ExactSizeIterator + Clone {
        (self.start as usize..self.end as usize).map(I::new)
    }

    /// The part of `list` that these numbers name.
    pub fn of<T>(self, list: &[T]) -> &[T] {
        &list[self.start as usize..self.end as usize]
    }
}
