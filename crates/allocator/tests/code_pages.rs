//! Every code of a refusal has its page, under its own name.

use std::path::Path;

use trainyard_model::refusal::Reason;

#[test]
fn every_code_has_a_page() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/codes");
    for code in Reason::CODES {
        let page = pages.join(format!("{}.md", code.replace('/', "-")));
        let text = std::fs::read_to_string(&page).unwrap_or_default();
        assert!(
            text.starts_with(&format!("# {code}: ")),
            "{}",
            page.display()
        );
        for part in ["## Example", "## Remedy"] {
            assert!(text.contains(part), "{}: no {part}", page.display());
        }
    }
}
