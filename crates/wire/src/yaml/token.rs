//! The tokens of YAML, as libyaml has them.

use std::borrow::Cow;

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind<'a> {
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'a str),
    Anchor(&'a str),
    /// In full: `tag:yaml.org,2002:str`
    Tag(String),
    Scalar(Cow<'a, str>, Style),
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Quoted,
}

/// A token and the line in which it begins, from 0.
#[derive(Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) line: u32,
}

/// Why no token could be made of the text, in libyaml's words.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) line: u32,
    pub(super) message: Cow<'static, str>,
}

/// A token without its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peeked {
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias,
    Anchor,
    Tag,
    Scalar,
}

impl Peeked {
    pub(super) fn of(kind: &Kind<'_>) -> Self {
        match kind {
            Kind::StreamEnd => Peeked::StreamEnd,
            Kind::DocumentStart => Peeked::DocumentStart,
            Kind::DocumentEnd => Peeked::DocumentEnd,
            Kind::BlockSequenceStart => Peeked::BlockSequenceStart,
            Kind::BlockMappingStart => Peeked::BlockMappingStart,
            Kind::BlockEnd => Peeked::BlockEnd,
            Kind::FlowSequenceStart => Peeked::FlowSequenceStart,
            Kind::FlowSequenceEnd => Peeked::FlowSequenceEnd,
            Kind::FlowMappingStart => Peeked::FlowMappingStart,
            Kind::FlowMappingEnd => Peeked::FlowMappingEnd,
            Kind::BlockEntry => Peeked::BlockEntry,
            Kind::FlowEntry => Peeked::FlowEntry,
            Kind::Key => Peeked::Key,
            Kind::Value => Peeked::Value,
            Kind::Alias(_) => Peeked::Alias,
            Kind::Anchor(_) => Peeked::Anchor,
            Kind::Tag(_) => Peeked::Tag,
            Kind::Scalar(..) => Peeked::Scalar,
        }
    }
}
