//! The search itself: upstream's order of attempts, without recursion.
//!
//! Alone ([`Plain`]) it takes exactly upstream's steps and so tells how many those are. With a
//! [`Guide`] that knows which attempts are in vain it finds the same first solution, or the same
//! first error, in fewer.
//!
//! Source: `allocateOne` of upstream's allocator.

use crate::problem::{Problem, RESULTS};
use crate::state::{Pick, State, Take};

/// How a search ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// With these devices, and these options by slot.
    Found(Vec<Pick>, Vec<usize>),
    /// There is no solution.
    Nothing,
    /// Too many devices whatever is tried.
    Exceeded,
    /// An error.
    Fatal(Stop),
    /// The budget is used up.
    OutOfSteps,
}

/// Where the search met an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The device is in the option's `broken`.
    Broken { option: usize, place: usize },
    /// A constraint's derived attribute fails.
    Derived {
        option: usize,
        constraint: usize,
        place: usize,
    },
    /// All devices are wanted and a constraint refuses one.
    Constraint { option: usize, place: usize },
}

/// Which devices a request may start from, once it has some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Only those after its last one: kube-scheduler 1.36 and later.
    Combinations,
    /// All again: kube-scheduler 1.35 and earlier.
    Permutations,
}

/// A place in the search: the next device of a request is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub slot: usize,
    pub option: usize,
    /// How many devices the request has.
    pub have: i64,
    /// The first place to look at.
    pub start: usize,
}

/// Knows which attempts are in vain.
pub(crate) trait Guide {
    /// Whether nothing can come of this slot and those that follow, whatever was taken before.
    fn is_hopeless(&mut self, state: &State<'_, '_>, slot: usize) -> bool;
    /// Whether nothing can come of looking for a device here. If something can, one
    /// [`Guide::leave`] follows.
    fn is_vain(&mut self, state: &State<'_, '_>, spot: Spot) -> bool;
    /// Whether nothing can come of taking this device here.
    fn skips(&mut self, state: &State<'_, '_>, place: usize) -> bool;
    /// The device was taken here, in vain, and put back.
    fn failed(&mut self, state: &State<'_, '_>, place: usize);
    /// The search leaves this spot for good; `in_vain`: because everything was tried.
    fn leave(&mut self, state: &State<'_, '_>, in_vain: bool);
    /// An option that wants all devices cannot have this one; `None`: there are none.
    fn refuses(&mut self, state: &State<'_, '_>, option: usize, place: Option<usize>);
    /// One of all devices was taken, in vain, and put back.
    fn gives_all_back(&mut self, state: &State<'_, '_>, option: usize);
    /// A claim would have too many devices.
    fn exceeds(&mut self, state: &State<'_, '_>);
    /// The alternatives of a slot are tried.
    fn enters_list(&mut self);
    /// One was tried in vain.
    fn alternative_failed(&mut self);
    /// All were tried in vain; `exceeded`: each would be too many devices.
    fn list_failed(&mut self, state: &State<'_, '_>, slot: usize, exceeded: bool);
}

/// Tries everything.
pub(crate) struct Plain;

impl Guide for Plain {
    fn is_hopeless(&mut self, _: &State<'_, '_>, _: usize) -> bool {
        false
    }
    fn is_vain(&mut self, _: &State<'_, '_>, _: Spot) -> bool {
        false
    }
    fn skips(&mut self, _: &State<'_, '_>, _: usize) -> bool {
        false
    }
    fn failed(&mut self, _: &State<'_, '_>, _: usize) {}
    fn leave(&mut self, _: &State<'_, '_>, _: bool) {}
    fn refuses(&mut self, _: &State<'_, '_>, _: usize, _: Option<usize>) {}
    fn gives_all_back(&mut self, _: &State<'_, '_>, _: usize) {}
    fn exceeds(&mut self, _: &State<'_, '_>) {}
    fn enters_list(&mut self) {}
    fn alternative_failed(&mut self) {}
    fn list_failed(&mut self, _: &State<'_, '_>, _: usize, _: bool) {}
}

/// What an attempt hands back to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Back {
    Found,
    Failed,
    Exceeded,
    Fatal(Stop),
}

/// An attempt that waits for the one after it.
#[derive(Debug)]
enum Frame {
    /// The next claim is tried; picks of this one begin here.
    Claim { start: usize },
    /// An alternative is tried.
    List {
        slot: usize,
        option: usize,
        all_exceeded: bool,
    },
    /// One of all devices was taken.
    All,
    /// A device was taken.
    Pick(Spot, usize),
}

/// Where the next device is to be looked for; `option`: none chosen yet.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    claim: usize,
    slot: usize,
    option: Option<usize>,
    have: i64,
    start: usize,
}

/// What to do next.
enum Next {
    Enter(Attempt),
    Scan(Spot),
    Back(Back),
}

/// Searches. Returns the end and the steps taken, at most `budget`.
pub(crate) fn run(
    problem: &Problem<'_>,
    guide: &mut impl Guide,
    order: Order,
    budget: u64,
) -> (End, u64) {
    let mut state = State::new(problem);
    let mut frames: Vec<Frame> = Vec::with_capacity(problem.depth());
    let mut selected: Vec<usize> = problem
        .slots
        .iter()
        .map(|slot| slot.options.start)
        .collect();
    let mut steps = 0;
    let mut next = Next::Enter(Attempt {
        claim: 0,
        slot: 0,
        option: None,
        have: 0,
        start: 0,
    });
    loop {
        next = match next {
            Next::Enter(attempt) => {
                if steps == budget {
                    return (End::OutOfSteps, steps);
                }
                steps += 1;
                enter(&mut state, guide, &mut frames, &mut selected, attempt)
            }
            Next::Scan(spot) => scan(&mut state, guide, &mut frames, order, spot),
            Next::Back(back) => {
                let Some(frame) = frames.pop() else {
                    let end = match back {
                        Back::Found => End::Found(state.picks, selected),
                        Back::Failed => End::Nothing,
                        Back::Exceeded => End::Exceeded,
                        Back::Fatal(stop) => End::Fatal(stop),
                    };
                    return (end, steps);
                };
                give_back(&mut state, guide, &mut frames, &mut selected, frame, back)
            }
        };
    }
}

fn enter(
    state: &mut State<'_, '_>,
    guide: &mut impl Guide,
    frames: &mut Vec<Frame>,
    selected: &mut [usize],
    attempt: Attempt,
) -> Next {
    let Attempt {
        claim,
        slot,
        option,
        have,
        start,
    } = attempt;
    let problem = state.problem;
    let Some(slots) = problem.claim_slots.get(claim) else {
        return Next::Back(Back::Found);
    };
    if slot >= slots.end {
        frames.push(Frame::Claim {
            start: state.claim_start,
        });
        state.claim_start = state.picks.len();
        return Next::Enter(Attempt {
            claim: claim + 1,
            slot,
            option: None,
            have: 0,
            start: 0,
        });
    }
    let of_slot = &problem.slots[slot];
    if option.is_none() && guide.is_hopeless(state, slot) {
        return Next::Back(Back::Failed);
    }
    let option = match option {
        Some(option) => option,
        None if !of_slot.listed => of_slot.options.start,
        None => {
            let option = of_slot.options.start;
            selected[slot] = option;
            guide.enters_list();
            frames.push(Frame::List {
                slot,
                option,
                all_exceeded: true,
            });
            return Next::Enter(Attempt {
                claim,
                slot,
                option: Some(option),
                have: 0,
                start: 0,
            });
        }
    };
    let choice = &problem.options[option];
    if choice.all.as_ref().is_some_and(Vec::is_empty) {
        guide.refuses(state, option, None);
        return Next::Back(Back::Failed);
    }
    if have >= choice.need {
        return Next::Enter(Attempt {
            claim,
            slot: slot + 1,
            option: None,
            have: 0,
            start: 0,
        });
    }
    if choice.need - have > RESULTS - state.claim_picks() as i64 {
        guide.exceeds(state);
        return Next::Back(Back::Exceeded);
    }
    let spot = Spot {
        slot,
        option,
        have,
        start,
    };
    let Some(all) = &choice.all else {
        if guide.is_vain(state, spot) {
            return Next::Back(Back::Failed);
        }
        return Next::Scan(spot);
    };
    let place = all[have as usize];
    match state.take(option, place) {
        Take::Taken => {}
        Take::Refused => {
            guide.refuses(state, option, Some(place));
            return Next::Back(Back::Failed);
        }
        Take::Constraint => {
            return Next::Back(Back::Fatal(Stop::Constraint { option, place }));
        }
        Take::Fails(constraint) => {
            return Next::Back(Back::Fatal(Stop::Derived {
                option,
                constraint,
                place,
            }));
        }
    }
    frames.push(Frame::All);
    Next::Enter(Attempt {
        claim,
        slot,
        option: Some(option),
        have: have + 1,
        start: 0,
    })
}

/// Takes the first device from `spot.start` on that can be taken.
fn scan(
    state: &mut State<'_, '_>,
    guide: &mut impl Guide,
    frames: &mut Vec<Frame>,
    order: Order,
    spot: Spot,
) -> Next {
    let option = spot.option;
    let choice = &state.problem.options[option];
    let fatal = |guide: &mut _, state: &State<'_, '_>, stop| {
        Guide::leave(guide, state, false);
        Next::Back(Back::Fatal(stop))
    };
    let mut from = spot.start;
    loop {
        let open = choice.open.next(from);
        let broken = choice.broken.next(from);
        if let Some(place) = broken
            && open.is_none_or(|open| place < open)
        {
            if !state.is_taken(option, place) {
                return fatal(guide, state, Stop::Broken { option, place });
            }
            from = place + 1;
            continue;
        }
        let Some(place) = open else {
            guide.leave(state, true);
            return Next::Back(Back::Failed);
        };
        from = place + 1;
        if guide.skips(state, place) {
            continue;
        }
        match state.take(option, place) {
            Take::Refused | Take::Constraint => {}
            Take::Fails(constraint) => {
                let stop = Stop::Derived {
                    option,
                    constraint,
                    place,
                };
                return fatal(guide, state, stop);
            }
            Take::Taken => {
                frames.push(Frame::Pick(spot, place));
                return Next::Enter(Attempt {
                    claim: choice.claim,
                    slot: spot.slot,
                    option: Some(option),
                    have: spot.have + 1,
                    start: match order {
                        Order::Combinations => place + 1,
                        Order::Permutations => 0,
                    },
                });
            }
        }
    }
}

fn give_back(
    state: &mut State<'_, '_>,
    guide: &mut impl Guide,
    frames: &mut Vec<Frame>,
    selected: &mut [usize],
    frame: Frame,
    back: Back,
) -> Next {
    match frame {
        Frame::Claim { start } => {
            state.claim_start = start;
            // What exceeds the limit in one claim is an ordinary failure to those before it.
            Next::Back(match back {
                Back::Exceeded => Back::Failed,
                back => back,
            })
        }
        Frame::List {
            slot,
            option,
            all_exceeded,
        } => {
            let all_exceeded = all_exceeded && back == Back::Exceeded;
            match back {
                Back::Found | Back::Fatal(_) => return Next::Back(back),
                Back::Failed | Back::Exceeded => {}
            }
            let options = &state.problem.slots[slot].options;
            let option = option + 1;
            guide.alternative_failed();
            if option >= options.end {
                guide.list_failed(state, slot, all_exceeded);
                return Next::Back(if all_exceeded {
                    Back::Exceeded
                } else {
                    Back::Failed
                });
            }
            selected[slot] = option;
            frames.push(Frame::List {
                slot,
                option,
                all_exceeded,
            });
            Next::Enter(Attempt {
                claim: state.problem.slots[slot].claim,
                slot,
                option: Some(option),
                have: 0,
                start: 0,
            })
        }
        Frame::All => {
            if back != Back::Found {
                let pick = state.untake();
                guide.gives_all_back(state, pick.option);
            }
            Next::Back(back)
        }
        Frame::Pick(spot, place) => match back {
            Back::Found => Next::Back(back),
            Back::Exceeded | Back::Fatal(_) => {
                state.untake();
                guide.leave(state, false);
                Next::Back(back)
            }
            Back::Failed => {
                state.untake();
                guide.failed(state, place);
                Next::Scan(Spot {
                    start: place + 1,
                    ..spot
                })
            }
        },
    }
}
