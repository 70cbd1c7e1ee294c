//! How often scenarios and their answers reached each feature and each outcome.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// What a scenario must hold to reach something: a word of the API in its JSON.
const ASKED: [&str; 30] = [
    "adminAccess",
    "allNodes",
    "allocationMode\":\"All",
    "allowMultipleAllocations",
    "bindingConditions",
    "bindsToNode",
    "compatibilityGroups",
    "consumesCounters",
    "default\":",
    "derivedAttributes",
    "distinctAttribute",
    "firstAvailable",
    "ints",
    "matchAttribute",
    "nodeSelector",
    "opaque",
    "perDeviceNodeSelection",
    "requests\":{",
    "selectors",
    "shareID",
    "sharedCounters",
    "skipNodeOperations",
    "step",
    "strings",
    "taints",
    "tolerations",
    "validRange",
    "validValues",
    "version",
    "count\":33",
];

/// What an answer can hold.
const ANSWERED: [&str; 10] = [
    "adminAccess",
    "bindingConditions",
    "consumedCapacity",
    "FromClaim",
    "FromClass",
    "matchFields",
    "shareID",
    "skipNodeOperations",
    "tolerations",
    "/s1\"",
];

/// Counts, by what was reached.
#[derive(Debug, Default)]
pub struct Reached(BTreeMap<String, usize>);

impl Reached {
    /// Takes a scenario and upstream's answer into account.
    pub fn note(&mut self, scenario: &Value, answer: &Value) {
        let mut add = |what: String| *self.0.entry(what).or_default() += 1;
        let outcome = answer["outcome"].as_str().unwrap_or("none");
        add(format!("outcome {outcome}"));
        for feature in scenario["features"].as_array().into_iter().flatten() {
            add(format!("feature {}", feature.as_str().unwrap_or_default()));
        }
        let claims = scenario["claims"].as_array().map_or(0, Vec::len);
        add(format!("claims {claims}"));
        let (asked, answered) = (scenario.to_string(), answer["results"].to_string());
        for word in ASKED.iter().filter(|word| asked.contains(**word)) {
            add(format!("asked {word}"));
        }
        for word in ANSWERED.iter().filter(|word| answered.contains(**word)) {
            add(format!("answered {word}"));
        }
        let steps = answer["upstreamSteps"].as_u64().unwrap_or(0);
        add(match steps {
            0 => "steps none".to_owned(),
            1..100 => "steps up to 99".to_owned(),
            100..10_000 => "steps up to 9,999".to_owned(),
            _ => "steps from 10,000".to_owned(),
        });
        if let Some(error) = answer["error"].as_str() {
            for part in [
                "CEL runtime",
                "compile",
                "invalid",
                "32",
                "updated",
                "class",
            ] {
                if error.contains(part) {
                    add(format!("error with {part:?}"));
                }
            }
        }
    }

    /// How often.
    pub fn count(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// What no scenario reached, of what there is to reach.
    pub fn missed(&self) -> Vec<String> {
        let outcomes = ["allocated", "refused", "node-error", "fatal"];
        let outcomes = outcomes.map(|outcome| format!("outcome {outcome}"));
        let features = crate::generate::FEATURES.map(|name| format!("feature {name}"));
        let asked = ASKED.map(|word| format!("asked {word}"));
        let answered = ANSWERED.map(|word| format!("answered {word}"));
        let all = outcomes
            .into_iter()
            .chain(features)
            .chain(asked)
            .chain(answered);
        all.filter(|what| self.count(what) == 0).collect()
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in &self.0 {
            writeln!(f, "{count:>8}  {what}")?;
        }
        Ok(())
    }
}
