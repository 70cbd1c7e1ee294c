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
    /// One of those above in a message of its own, for which null may stand.
    Nullable(Rc<Type>),
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
            Type::Nullable(plain) => write!(f, "wrapper({plain})"),
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

    /// The type with its variables replaced by what they were found to be. If `close`, those still open
    /// become `dyn`, and it is forgotten what can be null.
    pub fn resolve(&self, t: &Type, close: bool) -> Type {
        let inner = |t: &Rc<Type>| Rc::new(self.resolve(t, close));
        match t {
            Type::Variable(index) => match &self.0[*index] {
                Some(found) => self.resolve(found, close),
                None if close => Type::Dyn,
                None => t.clone(),
            },
            Type::Nullable(plain) if close => (**plain).clone(),
            Type::List(item) => Type::List(inner(item)),
            Type::Map(key, value) => Type::Map(inner(key), inner(value)),
            Type::Optional(value) => Type::Optional(inner(value)),
            Type::Type(value) => Type::Type(inner(value)),
            other => other.clone(),
        }
    }

    /// Whether a value of type `from` may stand where `to` is wanted, or the other way round: that makes
    /// a difference only in which of two types a variable is bound to. Variables are bound on the way,
    /// to the more general of what is asked of them; on failure some may stay so: try on a clone.
    pub fn assign(&mut self, to: &Type, from: &Type) -> bool {
        if let Type::Variable(index) = from {
            let bound = self.0[*index].is_some();
            if self.bind(*index, to) {
                return true;
            }
            if bound {
                return false;
            }
        }
        if let Type::Variable(index) = to {
            return self.bind(*index, from);
        }
        match (to, from) {
            (Type::Dyn | Type::Any, _) | (_, Type::Dyn | Type::Any) => true,
            (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => {
                self.assign(a, b)
            }
            (Type::Nullable(_), Type::Null) | (Type::Null, Type::Nullable(_)) => true,
            (Type::Nullable(plain), other) | (other, Type::Nullable(plain)) => {
                self.assign(plain, other)
            }
            (Type::Type(_), Type::Type(_)) => true,
            (Type::Map(ak, av), Type::Map(bk, bv)) => self.assign(ak, bk) && self.assign(av, bv),
            (
                Type::Opaque(_) | Type::Optional(_) | Type::Timestamp | Type::Duration,
                Type::Null,
            )
            | (
                Type::Null,
                Type::Opaque(_) | Type::Optional(_) | Type::Timestamp | Type::Duration,
            ) => true,
            (a, b) => a == b,
        }
    }

    /// Whether a variable may stand for this type.
    fn bind(&mut self, index: usize, other: &Type) -> bool {
        if *other == Type::Variable(index) {
            return true;
        }
        let Some(known) = self.0[index].clone() else {
            let free = !self.occurs(index, other);
            if free {
                self.0[index] = Some(other.clone());
            }
            return free;
        };
        if *other == known {
            return true;
        }
        if !self.assign(other, &known) {
            return false;
        }
        let general = if is_more_general(other, &known) {
            other.clone()
        } else {
            known
        };
        if !self.occurs(index, &general) {
            self.0[index] = Some(general);
        }
        true
    }

    fn occurs(&self, index: usize, t: &Type) -> bool {
        match t {
            Type::Variable(other) if *other == index => true,
            Type::Variable(other) => match &self.0[*other] {
                Some(known) => self.occurs(index, known),
                None => false,
            },
            Type::List(a) | Type::Optional(a) | Type::Type(a) => self.occurs(index, a),
            Type::Map(a, b) => self.occurs(index, a) || self.occurs(index, b),
            _ => false,
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
            return if is_more_general(&known, next) {
                known
            } else {
                next.clone()
            };
        }
        Type::Dyn
    }
}

/// Whether one type is at least as general as another that it can stand for.
fn is_more_general(one: &Type, other: &Type) -> bool {
    match (one, other) {
        (Type::Dyn | Type::Any | Type::Variable(_), _) => true,
        (_, Type::Dyn | Type::Any | Type::Variable(_)) => false,
        (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => {
            is_more_general(a, b)
        }
        (Type::Map(ak, av), Type::Map(bk, bv)) => {
            is_more_general(ak, bk) && is_more_general(av, bv)
        }
        (Type::Nullable(plain), other) | (other, Type::Nullable(plain)) => {
            is_more_general(plain, other)
        }
        (Type::Type(_), Type::Type(_)) => true,
        (a, b) => a == b,
    }
}
