//! A node as it is: its Neuron devices in the shape in which they are linked, the EFA beside each,
//! and in every cell the letter of the claim that holds it.

use std::collections::BTreeMap;

use trainyard_inventory::catalogue::{InstanceType, Shape};
use trainyard_inventory::publish::{EFA_DRIVER, NEURON_DRIVER};
use trainyard_model::device::{Attribute, Device};
use trainyard_model::plan::{NodePlan, Plan};
use trainyard_model::slice::DeviceId;

use crate::output::Look;

/// Which claim holds which device.
pub struct Owners<'a> {
    /// By node, driver, pool and device: the claim, and who uses it.
    devices: BTreeMap<(&'a str, &'a str, &'a str), Vec<(String, String)>>,
    nodes: BTreeMap<&'a str, usize>,
}

impl<'a> Owners<'a> {
    /// Those of a plan, and those that were there before.
    pub fn of(plan: &'a Plan) -> Self {
        let mut owners = Owners {
            devices: BTreeMap::new(),
            nodes: BTreeMap::new(),
        };
        let mut homes: BTreeMap<(&str, &str), &str> = BTreeMap::new();
        for node in &plan.nodes {
            for slice in &node.slices {
                homes.insert((&slice.driver, &slice.pool.name), &node.name);
            }
        }
        for pod in &plan.pods {
            for claim in &pod.claims {
                for result in claim.allocation.iter().flat_map(|a| &a.results) {
                    let device = (&*result.driver, &*result.pool, &*result.device);
                    let title = format!("{}/{}", claim.namespace, claim.name);
                    owners.add(device, title, format!("pod {}", pod.name), &homes);
                }
            }
        }
        for held in &plan.held {
            let DeviceId {
                driver,
                pool,
                device,
            } = &held.device;
            let device = (&**driver, &**pool, &**device);
            owners.add(
                device,
                held.claim.to_string(),
                held.holder.to_string(),
                &homes,
            );
        }
        owners
    }

    fn add(
        &mut self,
        device: (&'a str, &'a str, &'a str),
        claim: String,
        user: String,
        homes: &BTreeMap<(&'a str, &'a str), &'a str>,
    ) {
        let owners = self.devices.entry(device).or_default();
        if owners.iter().all(|(known, _)| *known != claim) {
            owners.push((claim, user));
        }
        if let Some(node) = homes.get(&(device.0, device.1)) {
            *self.nodes.entry(node).or_default() += 1;
        }
    }

    /// Whether anything of the node is in use.
    pub fn uses(&self, node: &str) -> bool {
        self.nodes.contains_key(node)
    }
}

/// A device in a picture.
struct Cell<'a> {
    name: &'a str,
    group: Option<&'a str>,
    id: Option<i64>,
    /// Index of the claim in the legend; several claims share a device: the first of them.
    owner: Option<usize>,
    shared: bool,
}

struct Legend {
    entries: Vec<(String, String)>,
}

impl Legend {
    fn index(&mut self, claim: &str, user: &str) -> usize {
        match self.entries.iter().position(|(known, _)| known == claim) {
            Some(index) => index,
            None => {
                self.entries.push((claim.to_owned(), user.to_owned()));
                self.entries.len() - 1
            }
        }
    }

    /// A to Z, then a to z, then numbers.
    fn mark(index: usize) -> String {
        match u8::try_from(index) {
            Ok(n @ 0..26) => char::from(b'A' + n).to_string(),
            Ok(n @ 26..52) => char::from(b'a' + n - 26).to_string(),
            _ => index.to_string(),
        }
    }
}

/// The picture, its legend, and a line that counts.
pub fn render(node: &NodePlan, owners: &Owners<'_>, look: Look) -> String {
    let mut legend = Legend {
        entries: Vec::new(),
    };
    let chips = cells(node, NEURON_DRIVER, owners, &mut legend);
    let efas = cells(node, EFA_DRIVER, owners, &mut legend);
    let kind = node
        .instance_type
        .as_deref()
        .and_then(|name| InstanceType::find(name).ok());
    let mut out = look.bold(&node.name);
    if let Some(name) = &node.instance_type {
        out.push_str(&format!("  {name}"));
    }
    for (driver, usage) in &node.devices {
        let what = match &**driver {
            NEURON_DRIVER => "Neuron",
            EFA_DRIVER => "EFA",
            other => other,
        };
        out.push_str(&format!("  {what} {}/{}", usage.used, usage.total));
    }
    out.push('\n');
    let picture = Picture {
        chips: &chips,
        efas: &efas,
        look,
    };
    let complete = kind.is_some_and(|kind| {
        chips.len() == kind.chips as usize && chips.iter().all(|chip| chip.id.is_some())
    });
    out.push_str(&match kind.filter(|_| complete).map(|kind| kind.shape) {
        Some(Shape::Torus) => picture.grid("rows and columns close to rings"),
        Some(Shape::Switch) => picture.grid("every device to every other, through the switch"),
        Some(Shape::Ring) => picture.ring(),
        Some(Shape::Chain | Shape::Single) => picture.chain(),
        None => picture.list(&chips, "Neuron"),
    });
    if kind.is_some() && complete {
        out.push_str(&picture.shared_efas());
    }
    out.push_str(&picture.list(&picture.lone_efas(complete), "EFA"));
    for driver in node.devices.keys() {
        if !matches!(&**driver, NEURON_DRIVER | EFA_DRIVER) {
            let others = cells(node, driver, owners, &mut legend);
            out.push_str(&picture.list(&others, driver));
        }
    }
    for (index, (claim, user)) in legend.entries.iter().enumerate() {
        let mark = look.hue(index, Legend::mark(index));
        out.push_str(&format!("  {mark}  claim {claim}, {user}\n"));
    }
    out
}

fn cells<'a>(
    node: &'a NodePlan,
    driver: &str,
    owners: &Owners<'_>,
    legend: &mut Legend,
) -> Vec<Cell<'a>> {
    let mut cells = Vec::new();
    for slice in node.slices.iter().filter(|slice| &*slice.driver == driver) {
        for device in slice.devices.iter() {
            let key = (&*slice.driver, &*slice.pool.name, &*device.name);
            let users = owners.devices.get(&key).map_or(&[][..], Vec::as_slice);
            let indices: Vec<usize> = users
                .iter()
                .map(|(claim, user)| legend.index(claim, user))
                .collect();
            cells.push(Cell {
                name: &device.name,
                group: text(device, "resource.aws.com/devicegroup1_id"),
                id: match device.attributes.get("deviceId") {
                    Some(Attribute::Int(id)) => Some(*id),
                    _ => None,
                },
                owner: indices.first().copied(),
                shared: indices.len() > 1,
            });
        }
    }
    cells.sort_by_key(|cell| cell.id);
    cells
}

fn text<'a>(device: &'a Device, name: &str) -> Option<&'a str> {
    match device.attributes.get(name) {
        Some(Attribute::String(text)) => Some(text),
        _ => None,
    }
}

struct Picture<'a> {
    chips: &'a [Cell<'a>],
    efas: &'a [Cell<'a>],
    look: Look,
}

impl Picture<'_> {
    fn mark(&self, cell: &Cell<'_>) -> String {
        match cell.owner {
            None => self.look.dim("·"),
            Some(index) => {
                let more = if cell.shared { "+" } else { "" };
                self.look
                    .hue(index, format!("{}{more}", Legend::mark(index)))
            }
        }
    }

    /// What a cell takes on the screen, colours not counted.
    fn width(cell: &Cell<'_>) -> usize {
        let mark = cell.owner.map_or(1, |index| Legend::mark(index).len());
        mark + usize::from(cell.shared)
    }

    /// The EFA beside a chip.
    fn beside(&self, chip: &Cell<'_>) -> Option<&Cell<'_>> {
        let group = chip.group?;
        self.efas.iter().find(|efa| efa.group == Some(group))
    }

    /// ` 0 A  efa A`, or ` 0 A/A` where the screen is narrow.
    fn cell(&self, chip: &Cell<'_>, narrow: bool) -> (String, usize) {
        let id = format!("{:>2}", chip.id.unwrap_or_default());
        let mut text = format!("{id} {}", self.mark(chip));
        let mut width = 3 + Self::width(chip);
        if let Some(efa) = self.beside(chip) {
            let between = if narrow { "/" } else { "  efa " };
            text.push_str(&format!("{between}{}", self.mark(efa)));
            width += between.len() + Self::width(efa);
        }
        (text, width)
    }

    fn cells(&self, columns: usize) -> (Vec<(String, usize)>, usize) {
        let of = |narrow| -> Vec<(String, usize)> {
            self.chips
                .iter()
                .map(|chip| self.cell(chip, narrow))
                .collect()
        };
        let widest = |cells: &[(String, usize)]| cells.iter().map(|c| c.1).max().unwrap_or(0);
        let cells = of(false);
        let width = widest(&cells);
        if (width + 3) * columns + 3 <= self.look.width {
            return (cells, width);
        }
        let cells = of(true);
        let width = widest(&cells);
        (cells, width)
    }

    fn padded(cell: &(String, usize), width: usize) -> String {
        format!("{}{}", cell.0, " ".repeat(width - cell.1))
    }

    /// Four rows of four.
    fn grid(&self, links: &str) -> String {
        let (cells, width) = self.cells(4);
        let line = |left: &str, middle: &str, right: &str| {
            let bar = "─".repeat(width + 2);
            let bars = vec![bar; 4].join(middle);
            format!("  {left}{bars}{right}\n")
        };
        let mut out = line("┌", "┬", "┐");
        for (index, row) in cells.chunks(4).enumerate() {
            if index > 0 {
                out.push_str(&line("├", "┼", "┤"));
            }
            let row: Vec<String> = row.iter().map(|cell| Self::padded(cell, width)).collect();
            out.push_str(&format!("  │ {} │\n", row.join(" │ ")));
        }
        out.push_str(&line("└", "┴", "┘"));
        out.push_str(&format!("  {}\n", self.look.dim(links)));
        out
    }

    /// Two rows, the second one backwards, joined at both ends.
    fn ring(&self) -> String {
        let half = self.chips.len().div_ceil(2);
        let (cells, width) = self.cells(half);
        if (width + 3) * half + 5 > self.look.width {
            let ring = self.rows(&cells, width);
            return format!(
                "{ring}  {}\n",
                self.look.dim("the last is linked to the first")
            );
        }
        let row = |cells: Vec<&(String, usize)>| {
            let cells: Vec<String> = cells.iter().map(|c| Self::padded(c, width)).collect();
            cells.join(" ─ ")
        };
        let top = row(cells[..half].iter().collect());
        let bottom = row(cells[half..].iter().rev().collect());
        format!("  ┌─ {top} ─┐\n  └─ {bottom} ─┘\n")
    }

    fn chain(&self) -> String {
        let (cells, width) = self.cells(self.chips.len());
        self.rows(&cells, width)
    }

    /// One after the other, each linked to the next, in as many rows as it takes.
    fn rows(&self, cells: &[(String, usize)], width: usize) -> String {
        let columns = ((self.look.width.saturating_sub(4)) / (width + 3)).max(1);
        let rows: Vec<String> = cells
            .chunks(columns)
            .map(|row| {
                let row: Vec<String> = row.iter().map(|c| Self::padded(c, width)).collect();
                row.join(" ─ ")
            })
            .collect();
        format!("  {}\n", rows.join(" ─\n  "))
    }

    /// Said where one EFA is beside several devices, and so in several cells.
    fn shared_efas(&self) -> String {
        let beside = |efa: &&Cell<'_>| {
            let chips = self.chips.iter();
            let own = chips.filter(|chip| chip.group.is_some() && chip.group == efa.group);
            own.count()
        };
        match self.efas.iter().map(|efa| beside(&efa)).max() {
            Some(chips @ 2..) => {
                let words = format!("each EFA is beside {chips} devices and stands in their cells");
                format!("  {}\n", self.look.dim(words))
            }
            _ => String::new(),
        }
    }

    /// EFAs that no cell of the picture shows.
    fn lone_efas(&self, drawn: bool) -> Vec<Cell<'_>> {
        self.efas
            .iter()
            .filter(|efa| {
                !drawn
                    || self
                        .chips
                        .iter()
                        .all(|c| c.group.is_none() || c.group != efa.group)
            })
            .map(|efa| Cell { ..*efa })
            .collect()
    }

    fn list(&self, cells: &[Cell<'_>], what: &str) -> String {
        if cells.is_empty() {
            return String::new();
        }
        let mut out = String::new();
        let mut line = format!("  {what}:");
        let mut width = line.len();
        for cell in cells {
            let more = cell.name.len() + Self::width(cell) + 3;
            if width + more > self.look.width {
                out.push_str(&line);
                out.push('\n');
                line = "   ".to_owned();
                width = line.len();
            }
            line.push_str(&format!("  {} {}", cell.name, self.mark(cell)));
            width += more;
        }
        out.push_str(&line);
        out.push('\n');
        out
    }
}
