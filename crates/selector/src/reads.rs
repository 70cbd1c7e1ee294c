//! What does an expression read of a device? Found in the syntax tree, after
//! [`simplify`](crate::plan::simplify).
//!
//! `device.attributes["d.x"].zebra == 1` reads the attribute `d.x/zebra` and nothing else. Wherever
//! the tree does not name the attribute (`dyn(device)`, a computed key, a macro over all domains),
//! the answer is that all attributes are read: too much is safe, too little is not.

use trainyard_model::selector::{AttributeReads, Reads};

use crate::plan::attribute_domain;
use crate::syntax::{Expr, Fold, Kind};

/// What evaluating a simplified expression can read.
pub(crate) fn of(expr: &Expr) -> Reads {
    let mut reads = Reads::default();
    visit(expr, &mut reads);
    reads
}

/// `.device` is the same variable, written so where a local variable is called `device`. Local
/// variables of that name are taken for the device, too, which at worst adds what is not read.
fn is_device(name: &str) -> bool {
    matches!(name, "device" | ".device")
}

fn visit(expr: &Expr, reads: &mut Reads) {
    match &expr.kind {
        Kind::Attribute { domain, id } => reads.add_attribute(format!("{domain}/{id}").into()),
        Kind::Select { operand, field, .. } | Kind::Has { operand, field } => {
            // `.?id` and `has()`: whether the attribute is there, and its value.
            if let Some(domain) = attribute_domain(operand) {
                return reads.add_attribute(format!("{domain}/{field}").into());
            }
            if !matches!(&operand.kind, Kind::Identifier(name) if is_device(name)) {
                return visit(operand, reads);
            }
            match &**field {
                "driver" => reads.driver = true,
                "attributes" => reads.attributes = AttributeReads::All,
                "capacity" => reads.capacity = true,
                _ => reads.allow_multiple_allocations = true,
            }
        }
        // `device` as a whole, as an argument of something.
        Kind::Identifier(name) if is_device(name) => *reads = Reads::everything(),
        Kind::Driver => reads.driver = true,
        Kind::Constant(_) | Kind::Identifier(_) => {}
        Kind::Call { arguments, .. } => arguments.iter().for_each(|part| visit(part, reads)),
        Kind::List(items) => items.iter().for_each(|item| visit(&item.value, reads)),
        Kind::Map(entries) => entries.iter().for_each(|entry| {
            visit(&entry.key, reads);
            visit(&entry.value, reads);
        }),
        Kind::Fold(fold) => {
            let Fold {
                range,
                filter,
                body,
                ..
            } = &**fold;
            visit(range, reads);
            filter
                .iter()
                .chain(body)
                .for_each(|part| visit(part, reads));
        }
        Kind::Message { fields, .. } => fields.iter().for_each(|field| visit(&field.value, reads)),
        Kind::Bind { value, body, .. } => {
            visit(value, reads);
            visit(body, reads);
        }
        Kind::OptionalMap { operand, body, .. } => {
            visit(operand, reads);
            visit(body, reads);
        }
    }
}

#[cfg(test)]
mod tests {
    use trainyard_model::device::{Attribute, Capacity, Device};
    use trainyard_model::selector::Engine as _;

    use super::*;
    use crate::Engine;

    /// The attributes that an expression reads; `*`: all.
    fn attributes(source: &str) -> String {
        let mut engine = Engine::new();
        let expression = engine.compile(source).expect("it compiles");
        match engine.reads(&expression).attributes {
            AttributeReads::All => "*".to_owned(),
            AttributeReads::Named(names) => {
                let names: Vec<&str> = names.iter().map(|name| &**name).collect();
                names.join(" ")
            }
        }
    }

    #[test]
    fn attributes_are_named_where_the_tree_names_them() {
        for (source, expected) in [
            (r#"device.driver == "d.x""#, ""),
            (r#"device.attributes["d.x"].zebra == 1"#, "d.x/zebra"),
            (r#"device.attributes["d.x"]["zebra"] == 1"#, "d.x/zebra"),
            (r#"has(device.attributes["d.x"].zebra)"#, "d.x/zebra"),
            (
                r#"device.attributes["d.x"].?zebra.orValue(1) == 1"#,
                "d.x/zebra",
            ),
            (
                r#"device.attributes["d.x"].a == device.attributes["e.x"].b"#,
                "d.x/a e.x/b",
            ),
            (r#"device.attributes["d.x"].all(id, id != "zebra")"#, "*"),
            (r#""d.x" in device.attributes"#, "*"),
            (r#"device.attributes["d" + ".x"].zebra == 1"#, "*"),
            (r#"device.attributes["d.x"]["zeb" + "ra"] == 1"#, "*"),
            (
                r#"dyn(device)["attri" + "butes"]["d.x"]["zeb" + "ra"] == 1"#,
                "*",
            ),
            (
                r#"cel.bind(x, device, x.attributes["d.x"].zebra == 1)"#,
                "*",
            ),
            (
                r#"cel.bind(device, 1, .device.attributes["d.x"].zebra == device)"#,
                "*",
            ),
            (
                r#"[1].all(device, device == 1) && device.driver == """#,
                "*",
            ),
        ] {
            assert_eq!(attributes(source), expected, "{source}");
        }
    }

    /// The law that projection rests on. The law of `cluster` cannot see a mistake here, since there
    /// both sides are projected.
    #[test]
    fn a_device_is_judged_the_same_without_what_an_expression_does_not_read() {
        const SELECTORS: [&str; 13] = [
            "true",
            r#"device.driver == "d.x""#,
            r#"device.attributes["d.x"].zebra == 1"#,
            r#"device.attributes["d.x"]["zebra"] == 1"#,
            r#"has(device.attributes["d.x"].yak)"#,
            r#"device.attributes["d.x"].?yak.orValue(1) == 1"#,
            r#"dyn(device)["attri" + "butes"]["d.x"]["zeb" + "ra"] == 1"#,
            r#"device.attributes["d.x"].all(id, id != "yak")"#,
            r#"device.attributes["d" + ".x"]["zebra"] == 2"#,
            r#""e.x" in device.attributes"#,
            r#"cel.bind(d, device, d.attributes["d.x"].zebra == 1)"#,
            r#"["zebra"].exists(id, device.attributes["d.x"][id] == 1)"#,
            r#"device.capacity["d.x"].size.isGreaterThan(quantity("1Gi"))"#,
        ];
        let values = [None, Some(1), Some(2)];
        let versions = [None, Some("1.0.0"), Some("no version")];
        for source in SELECTORS {
            for zebra in values {
                for yak in values {
                    for foreign in values {
                        for version in versions {
                            let device = device(zebra, yak, foreign, version);
                            let mut engine = Engine::new();
                            let expression = engine.compile(source).expect("it compiles");
                            let projected = engine.reads(&expression).project("d.x", &device);
                            let mut fits = |device| {
                                let converted = engine.convert("d.x", device);
                                engine.matches(&expression, &converted).ok()
                            };
                            let (whole, part) = (fits(&device), fits(&projected));
                            assert_eq!(whole, part, "{source}: {device:?}");
                        }
                    }
                }
            }
        }
    }

    fn device(
        zebra: Option<i64>,
        yak: Option<i64>,
        foreign: Option<i64>,
        version: Option<&str>,
    ) -> Device {
        let mut device = Device::default();
        let ints = [("zebra", zebra), ("d.x/yak", yak), ("e.x/yak", foreign)];
        for (name, value) in ints {
            let value = value.map(|value| (name.into(), Attribute::Int(value)));
            device.attributes.extend(value);
        }
        let version = version.map(|text| ("software".into(), Attribute::Version(text.into())));
        device.attributes.extend(version);
        let value = "2Gi".parse().expect("a quantity");
        let size = Capacity {
            value,
            request_policy: None,
        };
        device.capacity.insert("size".into(), size);
        device
    }
}
