//! The types of expressions, and which may stand for which.

use std::fmt;
use std::rc::Rc;

/// A type.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each variant is the CEL type of its name")]
pub enum Type {
    /// Anything; found out when it is evaluated.
    Dyn,
    /// The same, of an attribute, where lists are not among its values: nothing can go over it.
    Any,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    List(Rc<Type>),
    Map(Rc<Type>, Rc<Type>),
    Optional(Rc<Type>),
    Type(Rc<Type>),
    /// A type of Kubernetes' own, by its name.
    Opaque(&'static str),
    /// A type that is not known yet.
    Variable(usize),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Dyn | Type::Variable(_) => f.write_str("dyn"),
            Type::Any => f.write_str("any"),
            Type::Null => f.write_str("null"),
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::Uint => f.write_str("uint"),
            Type::Double => f.write_str("double"),
            Type::String => f.write_str("string"),
            Type::Bytes => f.write_str("bytes"),
            Type::Timestamp => f.write_str("timestamp"),
            Type::Duration => f.write_str("duration"),
            Type::List(item) => write!(f, "list({item})"),
            Type::Map(key, value) => write!(f, "map({key}, {value})"),
            Type::Optional(inner) => write!(f, "optional_type({inner})"),
            Type::Type(inner) => write!(f, "type({inner})"),
            Type::Opaque(name) => f.write_str(name),
        }
    }
}

/// What the type variables of one expression were found to be.
#[derive(Debug, Default, Clone)]
pub struct Bindings(Vec<Option<Type>>);

impl Bindings {
    /// A variable that stands for anything so far.
    pub fn fresh(&mut self) -> Type {
        self.0.push(None);
        Type::Variable(self.0.len() - 1)
    }

    /// The type with its variables replaced by what they were found to be; those still open become
    /// `dyn` if `close`.
    pub fn resolve(&self, t: &Type, close: bool) -> Type {
        let inner = |t: &Rc<Type>| Rc::new(self.resolve(t, close));
        match t {
            Type::Variable(index) => match &self.0[*index] {
                Some(found) => self.resolve(found, close),
                None if close => Type::Dyn,
                None => t.clone(),
            },
            Type::List(item) => Type::List(inner(item)),
            Type::Map(key, value) => Type::Map(inner(key), inner(value)),
            Type::Optional(value) => Type::Optional(inner(value)),
            Type::Type(value) => Type::Type(inner(value)),
            other => other.clone(),
        }
    }

    /// Whether a value of type `from` may stand where `to` is wanted. Variables are bound on the
    /// way; on failure some may stay so: try on a clone.
    pub fn assign(&mut self, to: &Type, from: &Type) -> bool {
        let (to, from) = (self.resolve(to, false), self.resolve(from, false));
        match (&to, &from) {
            (Type::Variable(a), Type::Variable(b)) if a == b => true,
            (Type::Variable(index), other) | (other, Type::Variable(index)) => {
                if occurs(*index, other) {
                    return false;
                }
                self.0[*index] = Some(other.clone());
                true
            }
            (Type::Dyn | Type::Any, _) | (_, Type::Dyn | Type::Any) => true,
            (Type::List(a), Type::List(b))
            | (Type::Optional(a), Type::Optional(b))
            | (Type::Type(a), Type::Type(b)) => self.assign(a, b),
            (Type::Map(ak, av), Type::Map(bk, bv)) => self.assign(ak, bk) && self.assign(av, bv),
            (Type::Opaque(_) | Type::Timestamp | Type::Duration, Type::Null)
            | (Type::Null, Type::Opaque(_) | Type::Timestamp | Type::Duration) => true,
            (a, b) => a == b,
        }
    }

    /// The type of a literal whose elements have these types: theirs if they agree, else `dyn`.
    pub fn join(&mut self, known: Option<Type>, next: &Type) -> Type {
        let Some(known) = known else {
            return next.clone();
        };
        let mut trial = self.clone();
        if trial.assign(&known, next) {
            *self = trial;
            // The more general of the two.
            return if matches!(self.resolve(next, false), Type::Dyn) {
                Type::Dyn
            } else {
                known
            };
        }
        Type::Dyn
    }
}

fn occurs(index: usize, t: &Type) -> bool {
    match t {
        Type::Variable(other) => *other == index,
        Type::List(a) | Type::Optional(a) | Type::Type(a) => occurs(index, a),
        Type::Map(a, b) => occurs(index, a) || occurs(index, b),
        _ => false,
    }
}
